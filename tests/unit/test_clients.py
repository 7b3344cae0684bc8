"""API keys: found by prefix, compared in constant time, kept as hashes only."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hyperkms._core import SharedCounters
from hyperkms.access.clients import ADMINISTRATOR, LEGACY, Client, Clients, ConfiguredKey, Role, Scope
from hyperkms.errors import Forbidden, Unauthorized
from hyperkms.state.database import open_database
from hyperkms.state.generation import CLIENT_CHANGES, Generation

OpenClients = Callable[..., Clients]


@pytest.fixture
def open_clients(tmp_path: Path) -> OpenClients:
    database = open_database(tmp_path / "state.db")
    generation = Generation(SharedCounters.open(tmp_path / "shared"), CLIENT_CHANGES)
    return lambda configured=None: Clients(database, generation, configured)


def _administrator_key(clients: Clients) -> str:
    published: list[str] = []
    assert clients.ensure_administrator(published.append, now=1)
    (key,) = published
    return key


def test_the_first_administrator_is_made_once(open_clients: OpenClients) -> None:
    clients = open_clients(None)
    key = _administrator_key(clients)
    assert not clients.ensure_administrator(lambda _: pytest.fail("a second key"), now=2)
    assert clients.authenticate(key) == Client(ADMINISTRATOR, Role.ADMINISTRATOR)


def test_a_key_that_could_not_be_published_is_not_made(open_clients: OpenClients) -> None:
    clients = open_clients()

    def fail(_key: str) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        clients.ensure_administrator(fail, now=1)
    _administrator_key(clients)


def test_only_the_exact_key_is_accepted(open_clients: OpenClients) -> None:
    clients = open_clients(None)
    key = _administrator_key(clients)
    changed = [key[:at] + ("A" if key[at] != "A" else "B") + key[at + 1 :] for at in range(len(key))]
    for wrong in [None, "", key[:-1], key + "x", key.upper(), key[:11], "hk_", "\u00e9" * 40, "\ud800", *changed]:
        with pytest.raises(Unauthorized) as refused:
            clients.authenticate(wrong)
        assert refused.value.message == "Unauthorized: Invalid API key"


def test_the_database_holds_no_key(open_clients: OpenClients, tmp_path: Path) -> None:
    key = _administrator_key(open_clients(None))
    secret = key.split("_", 2)[2]
    assert secret.encode() not in (tmp_path / "state.db").read_bytes()


def test_the_configured_key_is_its_client(open_clients: OpenClients) -> None:
    legacy = Client(LEGACY, Role.LEGACY)
    clients = open_clients(ConfiguredKey("a configured key", legacy))
    assert clients.authenticate("a configured key") == legacy
    assert "a configured key" not in repr(ConfiguredKey("a configured key", legacy))


def test_the_legacy_client_reaches_the_inherited_routes_only() -> None:
    legacy = Client(LEGACY, Role.LEGACY)
    legacy.require(Scope.INHERITED)
    with pytest.raises(Forbidden):
        legacy.require(Scope.HYPERLIQUID)
