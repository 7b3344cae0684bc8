"""A database of schema 0003, where a client had a list of wallets and operations: the same reach by grants."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

import hyperkms.state.migrations
from hyperkms._core import SharedCounters
from hyperkms.access.administration import Clients
from hyperkms.access.api_keys import ApiKeys
from hyperkms.access.client_records import ClientRecord, read_keys
from hyperkms.access.clients import Client, Operation, Role
from hyperkms.errors import Forbidden, NotFound, Unauthorized
from hyperkms.state.database import Database, open_database
from hyperkms.state.generation import CLIENT_CHANGES, Generation
from hyperkms.state.migrating import SCHEMA
from hyperkms.wallet import WalletId
from support.signed_rows import signed_rows

O = Operation  # noqa: E741 (a table is read better narrow)
NOW = 1_780_000_000_000
LEGACY = frozenset({O.SIGN_ORDER, O.SIGN_BYTES, O.SIGN_TEXT, O.READ, O.GENERATE, O.ROTATE, O.MIGRATE})
W, OTHER = WalletId("w"), WalletId("other")
CLIENTS: Mapping[str, tuple[str, Sequence[str] | None, Sequence[str] | None]] = {
    "boss": ("administrator", None, None),
    "trader": ("bot", ["w"], ["trade"]),
    "everywhere": ("bot", None, ["trade", "metrics"]),
    "two wallets": ("bot", ["w", "not-yet"], ["read", "rotate"]),
    "texts": ("bot", ["w"], ["sign-text"]),
    "orders": ("bot", None, ["sign-order"]),
    "nothing": ("bot", ["w"], []),
    "left out": ("bot", None, None),
    "scraper": ("bot", None, ["metrics"]),
    "first system": ("legacy", None, None),
    "first system on one wallet": ("legacy", ["w"], None),
    "revoked": ("bot", ["w"], ["trade"]),
    "expired": ("bot", ["w"], ["trade"]),
}
REACH: Mapping[str, frozenset[Operation]] = {
    "boss": frozenset(O),
    "trader": frozenset({O.TRADE, O.SIGN_ORDER, O.READ}),
    "everywhere": frozenset({O.TRADE, O.SIGN_ORDER, O.READ, O.METRICS}),
    "two wallets": frozenset({O.READ, O.ROTATE}),
    "texts": frozenset({O.SIGN_TEXT, O.READ}),
    "orders": frozenset({O.SIGN_ORDER, O.READ}),
    "nothing": frozenset(),
    "left out": frozenset(),
    "scraper": frozenset({O.METRICS}),
    "first system": LEGACY,
    "first system on one wallet": LEGACY,
    "revoked": frozenset({O.TRADE, O.SIGN_ORDER, O.READ}),
    "expired": frozenset({O.TRADE, O.SIGN_ORDER, O.READ}),
}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    path = tmp_path_factory.mktemp("old") / "state.db"
    _make_old(path)
    opened = open_database(path)
    assert path.with_name(f"state.db.before-{SCHEMA}").exists()
    yield opened
    opened.close()


def _folder_of(database: Database) -> Path:
    """Where the root key of its rows is: one for all tests of the module, as the database is."""
    assert isinstance(database.address, Path)
    return database.address.parent


def _make_old(path: Path) -> None:
    """With the migrations as they were then, and rows as that release wrote them."""
    engine = sa.create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config = Config()
        config.set_main_option("script_location", str(Path(hyperkms.state.migrations.__file__).parent))
        config.attributes["connection"] = connection
        command.upgrade(config, "0003")
        assert connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar() == "0003"
        for number, name in enumerate(CLIENTS, start=1):
            _insert_old(connection, number, name)
    engine.dispose()


def _insert_old(connection: sa.Connection, number: int, name: str) -> None:
    role, wallets, operations = CLIENTS[name]
    row: dict[str, Any] = {
        "id": f"{number:032x}",
        "number": number,
        "name": name.replace(" ", "-"),
        "role": role,
        "wallets": None if wallets is None else json.dumps(wallets),
        "operations": None if operations is None else json.dumps(operations),
        "created_at": number,
        "created_by": "boss",
        "expires_at": NOW if name == "expired" else None,
        "revoked_at": NOW if name == "revoked" else None,
    }
    names = ", ".join(row)
    connection.execute(sa.text(f"INSERT INTO clients ({names}) VALUES (:{', :'.join(row)})"), row)  # noqa: S608 (our own names)
    key = {"prefix": f"hk_{number:08d}", "client": row["id"], "sha256": _hash(name), "at": number}
    words = "INSERT INTO client_keys (prefix, client, sha256, created_at) VALUES (:prefix, :client, :sha256, :at)"
    connection.execute(sa.text(words), key)


def _hash(name: str) -> bytes:
    return hashlib.sha256(f"the key of {name}".encode()).digest()


def _record(database: Database, tmp_path: Path, name: str) -> ClientRecord:
    changes = Generation(SharedCounters.open(tmp_path / "shared"), CLIENT_CHANGES)
    return Clients(database, changes, signed_rows(_folder_of(database), database)).get(name.replace(" ", "-"))


def _may(held: Client, wallet: WalletId, operation: Operation) -> bool:
    try:
        held.require_wallet(wallet, operation)
    except (Forbidden, NotFound):
        return False
    return True


@pytest.mark.parametrize("name", list(CLIENTS))
def test_a_client_may_what_it_could_before_and_nothing_else(database: Database, tmp_path: Path, name: str) -> None:
    role, wallets, _ = CLIENTS[name]
    held = _record(database, tmp_path, name).client
    assert held.operations == REACH[name]
    for wallet, operation in product((W, OTHER), O):
        expected = operation in REACH[name] and (wallets is None or wallet in wallets)
        assert _may(held, wallet, operation) is expected, (name, wallet, operation)
    assert held.networks is None
    assert held.role is (Role.BOT if role == "legacy" and wallets is not None else Role(role))


@pytest.mark.parametrize("name", list(CLIENTS))
def test_a_list_of_wallets_stays_one_and_none_stays_every_wallet(database: Database, tmp_path: Path, name: str) -> None:
    _, wallets, _ = CLIENTS[name]
    held = _record(database, tmp_path, name).client
    if not REACH[name]:
        assert held.wallets == frozenset()
    else:
        assert held.wallets == (None if wallets is None else frozenset(wallets))
    if O.GENERATE in REACH[name] and wallets is not None:
        held.require_new_wallet(W)
        with pytest.raises(Forbidden):
            held.require_new_wallet(OTHER)


def test_grants_say_who_made_the_client_and_when(database: Database) -> None:
    with database.read() as connection:
        rows = connection.execute(
            sa.text("SELECT grants.*, clients.number FROM grants JOIN clients ON clients.id = grants.client")
        ).mappings()
        made = [dict(row) for row in rows]
    assert {row["created_by"] for row in made} == {"boss"}
    assert all(row["created_at"] == row["number"] for row in made)
    assert len({row["id"] for row in made}) == len(made)
    assert {(row["actions"], row["limits"], row["ended_at"]) for row in made} == {(None, None, None)}


def test_keys_are_good_as_long_as_they_were(database: Database, tmp_path: Path) -> None:
    changes = Generation(SharedCounters.open(tmp_path / "shared"), CLIENT_CHANGES)
    read = partial(read_keys, signed_rows(_folder_of(database), database))
    keys = ApiKeys(database, changes, read, None, lambda: NOW)
    for name in CLIENTS:
        if name in {"revoked", "expired"}:
            with pytest.raises(Unauthorized):
                keys.authenticate(f"the key of {name}")
        else:
            assert keys.authenticate(f"the key of {name}").operations == REACH[name]
    early = ApiKeys(database, changes, read, None, lambda: NOW - 1)
    assert early.authenticate("the key of expired").operations == REACH["expired"]
    with pytest.raises(Unauthorized):
        early.authenticate("the key of revoked")


def test_ended_clients_stay_listed_as_what_they_were(database: Database, tmp_path: Path) -> None:
    assert _record(database, tmp_path, "revoked").state(NOW) == "revoked"
    assert _record(database, tmp_path, "expired").state(NOW) == "expired"
    assert _record(database, tmp_path, "expired").state(NOW - 1) == "active"
