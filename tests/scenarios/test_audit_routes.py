"""The routes under /audit, over a record that the second implementation wrote."""

import asyncio
import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pytest

from hyperkms.audit.reading.proof import check_proof, parse_proof
from hyperkms.http.app import create_app
from support.chained_record import START, Log, Record
from support.in_process import here


@dataclass(frozen=True)
class Auditor:
    """Asks the application as the administrator."""

    app: Any
    key: str
    record: Record
    log: Log

    def get(self, path: str, **query: object) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        asked = {name: str(value) for name, value in query.items()}

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as line:
                return await line.get(path, params=asked, headers={"X-API-Key": self.key})

        return asyncio.run(ask())

    def json(self, path: str, **query: object) -> Any:
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def auditor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Auditor]:
    folder = tmp_path_factory.mktemp("audited")
    record = Record(folder / "elsewhere")
    log = record.log()
    log.sign(4, client="alice")
    log.refuse(wallet="bot-2")
    log.head()
    log.sign(1)
    record.log().close()
    record.log()
    with here(folder / "data") as at:
        parts = dataclasses.replace(at.parts, records=record.folder)
        yield Auditor(create_app(parts), (folder / "data" / "admin.key").read_text().strip(), record, log)


def test_the_newest_head_of_each_log_is_answered_with_the_keys(auditor: Auditor) -> None:
    answer = auditor.json("/audit/heads")
    heads = {one["log"]: one for one in answer["heads"]}
    assert len(heads) == 3
    assert heads[auditor.log.id]["closed"] is False
    assert heads[auditor.log.id]["head"]["size"] == 6
    assert sorted(one["closed"] for one in heads.values()) == [False, False, True]
    assert [one["head"] for one in heads.values()].count(None) == 1
    assert answer["keys"] == {auditor.record.key.id: auditor.record.key.text}
    assert "next" not in answer
    last = max(heads)
    assert auditor.json("/audit/heads", after=last)["heads"] == []


def test_a_proof_is_answered_and_holds(auditor: Auditor) -> None:
    for index in range(6):
        proof = auditor.json("/audit/proof", log=auditor.log.id, index=index)["proof"]
        check_proof(parse_proof(msgspec.json.encode(proof)), public_key=auditor.record.key.public_key, key_id=None)
        assert proof["line"].encode() == auditor.log.lines[index]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ({"index": 7}, 409, "proof-not-yet"),
        ({"index": 8}, 404, "no-such-line"),
        ({"index": 0, "log": "f" * 32}, 404, "no-such-line"),
        ({"index": -1}, 400, "malformed"),
        ({"index": "x"}, 400, "malformed"),
        ({"index": 0, "log": "../../x"}, 400, "malformed"),
        ({}, 400, "malformed"),
    ],
)
def test_what_cannot_be_proved_is_refused(auditor: Auditor, query: dict[str, Any], status: int, code: str) -> None:
    answer = auditor.get("/audit/proof", **{"log": auditor.log.id, **query})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_decisions_come_in_pages_with_the_very_bytes_that_were_hashed(auditor: Auditor) -> None:
    found: list[Any] = []
    after: dict[str, str] = {}
    while True:
        page = auditor.json("/audit/records", limit=2, **after)
        assert page["count"] == len(page["records"]) <= 2
        found += page["records"]
        if "next" not in page:
            break
        after = {"after": page["next"]}
    assert [one["line"].encode() for one in found] == [
        line for line in auditor.log.lines if b'"v":12' in line or b'"v":16' in line
    ]
    assert found[4]["what"].startswith("bot-2: sign-action REFUSED policy-refused")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"client": "alice"}, 4),
        ({"wallet": "bot-2"}, 1),
        ({"refused": "true"}, 1),
        ({"refused": "false"}, 5),
        ({"requestId": "0" * 15 + "2"}, 1),
        ({"operation": "rotate"}, 0),
        ({"since": START}, 6),
        ({"until": START}, 0),
    ],
)
def test_decisions_are_filtered(auditor: Auditor, query: dict[str, Any], count: int) -> None:
    assert auditor.json("/audit/records", **query)["count"] == count


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 1001}, {"since": "then"}, {"until": -1}, {"log": "x"}, {"refused": "maybe"}]
)
def test_a_question_that_is_none_is_refused(auditor: Auditor, query: dict[str, Any]) -> None:
    answer = auditor.get("/audit/records", **query)
    assert (answer.status_code, answer.json()["code"]) == (400, "malformed")


def test_a_bot_may_not_read_the_record(auditor: Auditor) -> None:
    bot = dataclasses.replace(auditor, key=auditor_key(auditor))
    for path in ("/audit/heads", f"/audit/proof?log={auditor.log.id}&index=0", "/audit/records"):
        answer = bot.get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")


def auditor_key(auditor: Auditor) -> str:
    async def make() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(auditor.app), base_url="http://service") as line:
            body = {"name": "bot", "allow": ["trade", "read", "metrics"]}
            return await line.post("/clients", json=body, headers={"X-API-Key": auditor.key})

    return str(asyncio.run(make()).json()["apiKey"])
