"""A process that is killed before its answers have their rows: whoever repeats a request gets the identical answer."""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from hyperkms.audit.segments import MANIFEST
from hyperkms.cli.layout import RECORDS
from support import databases
from support.keyed import NOOP, REPLAYED, post, signatures
from support.record import HEAD, OPENING, entries_in, files_in, lines_in
from support.record_reader import read_logs, read_manifest
from support.service import Answer, Service
from support.signing_clients import ROOM
from support.until import until

ORDER = {"a": 0, "b": True, "p": "60000", "s": "0.001", "r": False, "t": {"limit": {"tif": "Gtc"}}}
VAULT = "0x" + "ab" * 20
LATER = 4_000_000_000_000
ACTION = {"walletId": "trader", "action": NOOP}
REQUESTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "message, ed25519": ("/wallets/sign", {"walletId": "bytes", "message": "hello"}),
    "message, secp256k1": ("/wallets/sign", {"walletId": "trader", "message": "hello"}),
    "payload": ("/wallets/sign-order", {"walletId": "bytes", "orderPayload": {"b": 1, "a": 2.5}}),
    "action": ("/hyperliquid/sign", ACTION),
    "order": (
        "/hyperliquid/sign",
        {
            "walletId": "trader",
            "action": {"type": "order", "orders": [ORDER], "grouping": "na"},
            "vaultAddress": VAULT,
            "expiresAfter": LATER,
        },
    ),
}


@contextmanager
def no_rows(data: Path) -> Iterator[None]:
    """The database is read and takes no rows of requests."""
    with databases.no_rows_into(data, "requests", "transfers"):
        yield


def transfers(data: Path) -> list[tuple[str, int]]:
    """Logs whose requests may lack rows, and the byte up to which they have them."""
    return databases.rows(data, "SELECT log, done FROM transfers")


def rows(data: Path) -> list[str]:
    """The keys that have a row."""
    return [key for (key,) in databases.rows(data, "SELECT key FROM requests ORDER BY key")]


def until_it_has_its_row(service: Service, key: str) -> None:
    until(lambda: key in rows(service.data))


@pytest.fixture
def killed(tmp_path: Path) -> Iterator[tuple[Service, Mapping[str, Answer]]]:
    """A service that will be killed, and what it has answered under keys that have no rows."""
    with Service.start(tmp_path / "data", **ROOM) as service:
        service.generate("bytes")
        service.generate("trader", keyType="secp256k1")
        post(service, "/hyperliquid/sign", ACTION, "before")
        until_it_has_its_row(service, "before")
        with no_rows(service.data):
            answers = {key: post(service, *request, key.replace(" ", "")) for key, request in REQUESTS.items()}
            repeated = {key: post(service, *request, key.replace(" ", "")) for key, request in REQUESTS.items()}
            other = post(service, "/hyperliquid/sign", {**ACTION, "network": "testnet"}, "action")
            service.kill()
        assert {key: answer.body for key, answer in answers.items() if answer.status != 200} == {}
        assert [answer.body for answer in repeated.values()] == [answer.body for answer in answers.values()]
        assert {answer.headers[REPLAYED] for answer in repeated.values()} == {"true"}
        assert (other.status, other.json["code"]) == (409, "idempotency-key-reused")
        assert rows(service.data) == ["before"]
        yield service, answers


def assert_answered_again(service: Service, answers: Mapping[str, Answer]) -> None:
    for name, answer in answers.items():
        again = post(service, *REQUESTS[name], name.replace(" ", ""))
        assert (again.body, again.headers[REPLAYED]) == (answer.body, "true")
    assert len(signatures(service.data, "trader")) == 4
    assert len(signatures(service.data, "bytes")) == 2


def test_the_next_process_gives_the_identical_answers(killed: tuple[Service, Mapping[str, Answer]]) -> None:
    dead, answers = killed
    ((log, done),) = transfers(dead.data)
    with Service.start(dead.data, **ROOM) as second:
        assert_answered_again(second, answers)
        assert (log, done) not in transfers(dead.data)
        reused = post(second, "/hyperliquid/sign", {**ACTION, "network": "testnet"}, "action")
        assert reused.json["code"] == "idempotency-key-reused"
        assert post(second, "/hyperliquid/sign", ACTION, "a-new-one").json["nonce"] > answers["order"].json["nonce"]
    assert transfers(dead.data) == []


def test_a_process_that_lived_beside_it_gives_them_too(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ExitStack() as stack:
        first, second = (stack.enter_context(Service.start(data, **ROOM)) for _ in range(2))
        first.generate("trader", keyType="secp256k1")
        for service in (first, second):
            post(service, "/hyperliquid/sign", ACTION, f"before-{service.process.pid}")
            until_it_has_its_row(service, f"before-{service.process.pid}")
        with no_rows(data):
            answer = post(first, "/hyperliquid/sign", ACTION, "k")
            mine = post(second, "/hyperliquid/sign", ACTION, "other")
            first.kill()
        again = post(second, "/hyperliquid/sign", ACTION, "k")
        assert (again.status, again.body, again.headers[REPLAYED]) == (200, answer.body, "true")
        assert post(second, "/hyperliquid/sign", ACTION, "other").body == mine.body
    assert len(signatures(data, "trader")) == 4


def test_the_sweep_recovers_what_nobody_asks_for(killed: tuple[Service, Mapping[str, Answer]]) -> None:
    dead, answers = killed
    with Service.start(dead.data, **ROOM):
        while len(rows(dead.data)) <= len(answers):
            pass
        assert transfers(dead.data) == []


def test_only_what_has_no_row_is_read(killed: tuple[Service, Mapping[str, Answer]]) -> None:
    dead, answers = killed
    ((log, done),) = transfers(dead.data)
    (file,) = (dead.data / RECORDS).glob(f"*{log}-0001.jsonl")
    whole = file.read_bytes()
    before = whole[:done].splitlines(keepends=True)
    assert whole[:done].endswith(b"\n")
    assert json.loads(before[-1])["record"]["idempotencyKey"] == "before"
    file.write_bytes(b"".join(kept_or_spoilt(line) for line in before) + whole[done:])
    with Service.start(dead.data, **ROOM) as second:
        again = post(second, *REQUESTS["order"], "order")
        assert again.body == answers["order"].body


def kept_or_spoilt(line: bytes) -> bytes:
    """Receipts name the durability that the first line says, and the head before theirs."""
    return line if json.loads(line)["v"] in (OPENING, HEAD) else b"x" * (len(line) - 1) + b"\n"


def test_half_a_line_is_no_answer(killed: tuple[Service, Mapping[str, Answer]]) -> None:
    dead, answers = killed
    ((log, _),) = transfers(dead.data)
    (file,) = (dead.data / RECORDS).glob(f"*{log}-0001.jsonl")
    file.write_bytes(file.read_bytes()[:-1])
    with Service.start(dead.data, **ROOM) as second:
        assert post(second, *REQUESTS["action"], "action").body == answers["action"].body
        anew = post(second, *REQUESTS["order"], "order")
        assert (anew.status, REPLAYED in anew.headers) == (200, False)


def test_without_the_record_of_a_killed_process_no_request_with_a_key_is_answered(
    killed: tuple[Service, Mapping[str, Answer]],
) -> None:
    dead, _ = killed
    ((log, _),) = transfers(dead.data)
    (file,) = (dead.data / RECORDS).glob(f"*{log}-0001.jsonl")
    away = dead.data / "away"
    file.rename(away)
    with Service.start(dead.data, **ROOM) as second:
        for _ in range(2):
            refused = post(second, "/hyperliquid/sign", ACTION, "k")
            assert (refused.status, refused.json["code"]) == (503, "record-unreadable")
            assert log in refused.json["detail"]
        assert second.post("/hyperliquid/sign", ACTION).status == 200
        away.rename(file)
        assert post(second, "/hyperliquid/sign", ACTION, "k").status == 200


def test_a_line_that_is_none_stops_requests_with_a_key(killed: tuple[Service, Mapping[str, Answer]]) -> None:
    dead, _ = killed
    ((log, done),) = transfers(dead.data)
    (file,) = (dead.data / RECORDS).glob(f"*{log}-0001.jsonl")
    whole = file.read_bytes()
    file.write_bytes(whole[:done] + b"no line\n" + whole[done:])
    with Service.start(dead.data, **ROOM) as second:
        refused = post(second, "/hyperliquid/sign", ACTION, "k")
        assert (refused.status, refused.json["code"]) == (500, "record-malformed")


def test_a_database_that_is_away_when_the_first_key_comes_holds_up_no_other_signature(tmp_path: Path) -> None:
    message = {"walletId": "bytes", "message": "hello"}
    with Service.start(tmp_path / "data", **ROOM) as service, ThreadPoolExecutor(1) as pool:
        service.generate("bytes")
        assert service.post("/wallets/sign", message).status == 200
        with no_rows(service.data):
            keyed = pool.submit(post, service, "/wallets/sign", message, "k")
            signed = 0
            while not keyed.done():
                assert service.post("/wallets/sign", message).status == 200
                signed += 1
            assert (keyed.result().status, keyed.result().json["code"]) == (503, "database-unavailable")
        assert signed > 1
        assert post(service, "/wallets/sign", message, "k").status == 200


def test_what_the_release_before_had_answered_is_answered_with_its_receipts(
    killed: tuple[Service, Mapping[str, Answer]],
) -> None:
    """An upgrade of a service that was killed: its file has no chain, and its receipts had neither hash nor head."""
    dead, answers = killed
    old = as_the_release_before_wrote_it(dead.data)
    with Service.start(dead.data, **ROOM) as second:
        adopted = [entry["file"] for entry in entries_in(dead.data / RECORDS) if entry["event"] == "adopt"]
        assert adopted == [old.name]
        for name, answer in answers.items():
            again = post(second, *REQUESTS[name], name.replace(" ", ""))
            told = answer.json
            told["receipt"] = {member: told["receipt"][member] for member in OLD_RECEIPT}
            told["receipt"]["index"] -= 1
            assert (again.json, again.headers[REPLAYED]) == (told, "true")
            assert list(again.json["receipt"]) == list(OLD_RECEIPT)


OLD_RECEIPT = ("log", "index", "requestId", "keyVersion", "digest")
OLD_KINDS = {12: 1, 15: 4}
NEW_MEMBERS = ("explained", "policy", "grant")


def as_the_release_before_wrote_it(data: Path) -> Path:
    """The record of the killed service in the form of then; without an opening the indexes are one less."""
    ((log, _),) = transfers(data)
    (file,) = files_in(data / RECORDS)
    lines = [line for line in lines_in(data / RECORDS) if line["v"] in OLD_KINDS]
    old = data / RECORDS / f"{file.name.split('-')[0]}-{log}.jsonl"
    with old.open("w") as text:
        for line in lines:
            record = {name: value for name, value in line["record"].items() if name not in NEW_MEMBERS}
            place = {"v": OLD_KINDS[line["v"]], "log": log, "index": line["index"] - 1}
            text.write(json.dumps({**place, "record": record}, separators=(",", ":")) + "\n")
    file.unlink()
    (data / RECORDS / MANIFEST).unlink()
    databases.rows(data, "UPDATE transfers SET done = 0")
    return old


def test_the_log_of_a_killed_process_is_closed_by_the_next(killed: tuple[Service, Mapping[str, Answer]]) -> None:
    dead, _ = killed
    ((log, read),) = read_logs(dead.data / RECORDS).items()
    assert "close" not in [entry["event"] for entry in read_manifest(dead.data / RECORDS)]
    with Service.start(dead.data, **ROOM):
        (closed,) = (entry for entry in read_manifest(dead.data / RECORDS) if entry["event"] == "close")
    assert (closed["log"], closed["size"], closed["how"]) == (log, len(read.lines), "found")


def test_a_service_that_is_stopped_leaves_nothing_to_recover(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", **ROOM) as service:
        service.generate("trader", keyType="secp256k1")
        answer = post(service, "/hyperliquid/sign", ACTION, "k")
        assert service.stop() == 0
    assert (rows(tmp_path / "data"), transfers(tmp_path / "data")) == (["k"], [])
    with Service.start(tmp_path / "data", **ROOM) as second:
        assert post(second, "/hyperliquid/sign", ACTION, "k").body == answer.body
