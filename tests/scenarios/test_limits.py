"""Limits: keyed on the client that authenticated, exact over processes, and seen to answer 429.

Defect 1 of the first system: its limits never fired; the key had the client's unverified header in it, and
localhost was exempt.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hyperkms.access.limits import What
from support.service import Answer, Service

FIRST_SYSTEM = {
    "HYPERKMS_LIMIT_GENERATE": "5/5m",
    "HYPERKMS_LIMIT_ROTATE": "3/5m",
    "HYPERKMS_LIMIT_MIGRATE": "5/5m",
    "HYPERKMS_LIMIT_FAILED_AUTHENTICATION": "4/m",
}
SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service.start(tmp_path_factory.mktemp("limited") / "data", **FIRST_SYSTEM) as running:
        yield running


def _client(service: Service, name: str, **wanted: Any) -> dict[str, str]:
    made = service.post("/clients", {"name": name, **wanted})
    assert made.status == 200, made.body
    return {"X-API-Key": made.json["apiKey"]}


def _limited(answer: Answer, words: str) -> None:
    assert answer.status == 429, answer.body
    problem = answer.json
    assert (problem["statusCode"], problem["error"], problem["message"]) == (429, "Too Many Requests", words)
    assert problem["code"] == "rate-limited"
    headers = {name.lower(): value for name, value in answer.headers.items()}
    number, unit = problem["retryAfter"].split()
    assert int(number) * SECONDS[unit.removesuffix("s")] == int(headers["retry-after"]) >= 1
    assert int(headers["x-ratelimit-limit"]) >= 1
    assert headers["x-ratelimit-remaining"] == "0"
    assert headers["x-ratelimit-reset"] == headers["retry-after"]


def test_limits_never_fired_and_here_the_sixth_wallet_in_five_minutes_is_429(service: Service) -> None:
    headers = _client(service, "maker", allow=["generate"])
    answers = [service.post("/wallets/generate", {"walletId": f"m-{n}"}, headers=headers) for n in range(6)]
    assert [answer.status for answer in answers] == [200] * 5 + [429]
    _limited(answers[-1], "Wallet generation limit: 5 wallets per 5 minutes.")


def test_the_key_of_a_limit_had_an_unverified_header_in_it_and_here_no_header_changes_it(service: Service) -> None:
    headers = _client(service, "forger", allow=["migrate", "generate"])
    service.post("/wallets/generate", {"walletId": "forged"}, headers=headers)
    for number in range(5):
        changed = {
            **headers,
            "X-Forwarded-For": f"10.0.0.{number}",
            "X-Client-Id": str(number),
            "Forwarded": f"for={number}",
        }
        assert service.post("/wallets/migrate", {"walletId": "forged"}, headers=changed).status == 200
    sixth = service.post("/wallets/migrate", {"walletId": "forged"}, headers={**headers, "X-Forwarded-For": "10.9.9.9"})
    _limited(sixth, "Migration limit: 5 wallets per 5 minutes.")


def test_the_limit_of_one_client_is_not_that_of_another(service: Service) -> None:
    for name in ("left", "right"):
        headers = _client(service, name, allow=["rotate", "generate"])
        service.post("/wallets/generate", {"walletId": f"of-{name}"}, headers=headers)
        statuses = [
            service.post("/wallets/rotate", {"walletId": f"of-{name}"}, headers=headers).status for _ in range(4)
        ]
        assert statuses == [200, 200, 200, 429]


def test_failed_authentication_is_limited_by_address_and_a_good_key_is_not_held_up(service: Service) -> None:
    statuses = [service.get("/wallets", headers={"X-API-Key": f"hk_{n:08x}_guess"}).status for n in range(6)]
    assert statuses == [401] * 4 + [429] * 2
    limited = service.post("/wallets/sign", {"walletId": "w", "message": "m"}, headers={"X-API-Key": "another"})
    _limited(limited, "Failed authentication limit: 4 attempts per minute.")
    assert service.get("/wallets").status == 200


def test_signing_is_limited_and_a_batch_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", HYPERKMS_LIMIT_SIGN="5/h") as service:
        service.post("/wallets/generate", {"walletId": "w"})
        body = {"walletId": "w", "message": "m"}
        assert service.post("/wallets/sign-batch", {"requests": [body] * 6}).status == 429
        assert service.post("/wallets/sign-batch", {"requests": [body] * 4}).status == 200
        assert service.post("/wallets/sign", body).status == 200
        _limited(service.post("/wallets/sign", body), "Signing limit: 5 signatures per hour.")


def test_the_body_of_a_429_named_the_period_and_its_header_what_was_left_of_it(tmp_path: Path) -> None:
    two_at_once_and_one_an_hour = {f"HYPERKMS_LIMIT_{what.name}": "2/7200s:2" for what in What}
    with Service.start(tmp_path / "data", **two_at_once_and_one_an_hour) as service:
        bot = _client(service, "bot", allow=["generate", "sign-text", "rotate", "migrate", "read"])
        post, get, administrator = service.post, service.get, {"X-API-Key": service.key}
        asked: dict[What, Callable[[], Answer]] = {
            What.SIGN: lambda: post("/wallets/sign", {"walletId": "w", "message": "m"}, headers=bot),
            What.GENERATE: lambda: post("/wallets/generate", {"walletId": "w"}, headers=bot),
            What.ROTATE: lambda: post("/wallets/rotate", {"walletId": "w"}, headers=bot),
            What.MIGRATE: lambda: post("/wallets/migrate", {"walletId": "w"}, headers=bot),
            What.READ: lambda: get("/wallets", headers=bot),
            What.ADMINISTER: lambda: get("/clients", headers=administrator),
            What.FAILED_AUTHENTICATION: lambda: get("/wallets", headers={"X-API-Key": "wrong"}),
        }
        assert asked.keys() == set(What)
        for what, ask in asked.items():
            limited = [ask() for _ in range(3)][-1]
            assert limited.status == 429, what
            _limited(limited, limited.json["message"])
            assert 1800 < int(limited.headers["retry-after"]) <= 3600


def test_a_request_that_is_malformed_counts_as_any_other(tmp_path: Path) -> None:
    bodies = [b"{", b"[]", b"{}", b'{"walletId": "no such", "message": 1}']
    with Service.start(tmp_path / "data", HYPERKMS_LIMIT_SIGN="4/h", HYPERKMS_LIMIT_GENERATE="4/h") as service:
        for path in ("/wallets/sign", "/wallets/generate"):
            answers = [service.post(path, None, raw=body) for body in (*bodies, b"{}")]
            assert [answer.status for answer in answers] == [400] * 4 + [429]


def test_two_processes_on_one_data_directory_share_the_limit_exactly(tmp_path: Path) -> None:
    settings = {"HYPERKMS_LIMIT_SIGN": "200/h"}
    with Service.start(tmp_path / "data", **settings) as one, Service.start(tmp_path / "data", **settings) as two:
        one.post("/wallets/generate", {"walletId": "w"})
        body = {"walletId": "w", "message": "m"}
        with ThreadPoolExecutor(8) as pool:
            asked = [pool.submit((one, two)[n % 2].post, "/wallets/sign", body) for n in range(300)]
            statuses = [answer.result().status for answer in asked]
    assert (statuses.count(200), statuses.count(429)) == (200, 100)
