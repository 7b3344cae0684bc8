"""API keys: found by prefix, compared in constant time, kept as hashes only."""

from pathlib import Path

import pytest

from hyperkms.access.clients import ADMINISTRATOR, LEGACY, Client, Clients, ConfiguredKey, Role, Scope
from hyperkms.errors import Forbidden, Unauthorized
from hyperkms.state.database import Database, open_database


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_database(tmp_path / "state.db")


def _administrator_key(clients: Clients) -> str:
    published: list[str] = []
    assert clients.ensure_administrator(published.append, now=1)
    (key,) = published
    return key


def test_the_first_administrator_is_made_once(database: Database) -> None:
    clients = Clients(database, None)
    key = _administrator_key(clients)
    assert not clients.ensure_administrator(lambda _: pytest.fail("a second key"), now=2)
    assert clients.authenticate(key) == Client(ADMINISTRATOR, Role.ADMINISTRATOR)


def test_a_key_that_could_not_be_published_is_not_made(database: Database) -> None:
    clients = Clients(database, None)

    def fail(_key: str) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        clients.ensure_administrator(fail, now=1)
    _administrator_key(clients)


def test_only_the_exact_key_is_accepted(database: Database) -> None:
    clients = Clients(database, None)
    key = _administrator_key(clients)
    changed = [key[:at] + ("A" if key[at] != "A" else "B") + key[at + 1 :] for at in range(len(key))]
    for wrong in [None, "", key[:-1], key + "x", key.upper(), key[:11], "hk_", "\u00e9" * 40, "\ud800", *changed]:
        with pytest.raises(Unauthorized) as refused:
            clients.authenticate(wrong)
        assert refused.value.message == "Unauthorized: Invalid API key"


def test_the_database_holds_no_key(database: Database, tmp_path: Path) -> None:
    key = _administrator_key(Clients(database, None))
    secret = key.split("_", 2)[2]
    assert secret.encode() not in (tmp_path / "state.db").read_bytes()


def test_the_configured_key_is_its_client(database: Database) -> None:
    legacy = Client(LEGACY, Role.LEGACY)
    clients = Clients(database, ConfiguredKey("a configured key", legacy))
    assert clients.authenticate("a configured key") == legacy
    assert "a configured key" not in repr(ConfiguredKey("a configured key", legacy))


def test_the_legacy_client_reaches_the_inherited_routes_only() -> None:
    legacy = Client(LEGACY, Role.LEGACY)
    legacy.require(Scope.INHERITED)
    with pytest.raises(Forbidden):
        legacy.require(Scope.HYPERLIQUID)
