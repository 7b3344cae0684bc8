"""What somebody else writes into the database of a service decides nothing there, and is told."""

from pathlib import Path

import pytest

from hyperkms.state.schema import clients, wallets
from support.row_attacker import attacker, copy_all, put_back
from support.scraped import scrape
from support.service import Service
from support.until import until

pytestmark = pytest.mark.usefixtures("each_database")


def _sign(service: Service, wallet: str, key: str) -> int:
    return service.post("/wallets/sign", {"walletId": wallet, "message": "m"}, headers={"X-API-Key": key}).status


def test_an_altered_wallet_signs_nothing_an_altered_client_is_unknown_and_the_others_go_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Service.start(data) as service, attacker(data) as engine:
        for wallet in ("good", "bad"):
            service.generate(wallet)
        keys = {name: service.post("/clients", {"name": name, "allow": ["sign-bytes"]}) for name in ("good", "bad")}
        key = {name: answer.json["apiKey"] for name, answer in keys.items()}
        assert {_sign(service, wallet, key[name]) for wallet in key for name in key} == {200}
        with engine.begin() as connection:
            connection.execute(clients.update().where(clients.c.name == "bad").values(role="administrator"))
            connection.execute(wallets.update().where(wallets.c.id == "bad").values(metadata='{"x":1}'))
        service.generate("other")  # what was remembered of wallets is read again
        assert service.post("/clients", {"name": "third", "allow": ["read"]}).status == 200  # and of clients
        refused = service.post("/wallets/sign", {"walletId": "bad", "message": "m"}, headers={"X-API-Key": key["good"]})
        assert (refused.status, refused.json["code"]) == (500, "row-altered")
        assert _sign(service, "good", key["bad"]) == 401
        assert _sign(service, "good", key["good"]) == 200
        assert scrape(service).value("hyperkms_rows_altered_total") >= 2
        told = [line for line in service.lines if '"row-altered"' in line]
        assert any("wallet bad" in line for line in told)
        assert any("client " in line for line in told)


def test_a_revocation_that_was_taken_back_while_no_service_ran_is_refused_after_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with attacker(data) as engine:
        with Service.start(data) as service:
            service.generate("w")
            made = service.post("/clients", {"name": "bot", "allow": ["sign-bytes"]}).json["apiKey"]
            before = copy_all(engine)
            assert service.post("/clients/bot/revoke", {}).status == 200
        put_back(engine, before)
        with Service.start(data) as service:
            assert _sign(service, "w", made) == 401
            assert any('"row-rolled-back"' in line for line in service.lines)


def test_a_service_tells_of_what_nobody_asks_for(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Service.start(data) as service:
        service.generate("idle")
    with attacker(data) as engine, engine.begin() as connection:
        connection.execute(wallets.update().where(wallets.c.id == "idle").values(metadata='{"x":1}'))
    with Service.start(data) as service:
        until(lambda: any('"row-altered"' in line and "wallet idle" in line for line in service.lines))
