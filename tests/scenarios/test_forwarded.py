"""Failed authentication counts by address; nobody chooses that address but a proxy that the settings name."""

from pathlib import Path

from support.service import Service

LIMIT = {"HYPERKMS_LIMIT_FAILED_AUTHENTICATION": "3/h"}


def _attempts(service: Service, *addresses: str) -> list[int]:
    return [
        service.post(
            "/wallets/sign",
            {"walletId": "w", "message": "m"},
            headers={"X-API-Key": "wrong", "X-Forwarded-For": address},
        ).status
        for address in addresses
    ]


def test_an_address_that_the_client_claims_is_not_believed(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", **LIMIT) as service:
        assert _attempts(service, "203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4") == [401, 401, 401, 429]


def test_what_a_named_proxy_adds_is_believed(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", HYPERKMS_TRUSTED_PROXIES="127.0.0.1", **LIMIT) as service:
        claimed = [f"198.51.100.{number}, 203.0.113.1" for number in range(4)]
        assert _attempts(service, *claimed) == [401, 401, 401, 429]
        assert _attempts(service, "203.0.113.2") == [401]


def test_who_is_behind_a_proxy_that_does_not_say_who_asks_is_in_no_network(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", HYPERKMS_TRUSTED_PROXIES="127.0.0.1") as service:
        service.generate("w")
        made = service.post(
            "/clients",
            {"name": "near", "role": "bot", "wallets": ["w"], "allow": ["sign-bytes"], "networks": ["127.0.0.0/8"]},
        )
        headers = {"X-API-Key": made.json["apiKey"]}

        def ask(forwarded: str) -> tuple[int, str | None]:
            body = {"walletId": "w", "message": "m"}
            answer = service.post("/wallets/sign", body, headers={**headers, "X-Forwarded-For": forwarded})
            return answer.status, answer.json.get("code")

        assert ask("127.0.0.5") == (200, None)
        for unreadable in ("not an address", "127.0.0.5, nonsense", ""):
            assert ask(unreadable) == (403, "address-not-allowed")
