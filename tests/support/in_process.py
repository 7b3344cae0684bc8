"""The layers below HTTP in this process, over a real data directory, with a clock that a test sets."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hyperkms._core import Meters
from hyperkms.access.clients import Role, client
from hyperkms.access.reservations import Reservations
from hyperkms.cli.assemble import assemble
from hyperkms.cli.layout import DATABASE, METERS
from hyperkms.config import load
from hyperkms.operations.at_hand import Signer
from hyperkms.operations.changing import Actor
from hyperkms.operations.generate import generate
from hyperkms.operations.new_wallet import NewWallet
from hyperkms.operations.parts import Parts
from hyperkms.operations.signer import resolve as operations_resolve
from hyperkms.state.boot import boot_id
from hyperkms.wallet import KeyType, Wallet, WalletId
from support.custody import found_here, settings_for
from support.databases import open_at, rows
from support.service import environment
from support.stored_keys import stored_versions

ACTOR = Actor("desk", "0123456789abcdef")
DAY_MS = 24 * 3600 * 1000


@dataclass
class Here:
    """Parts and their clock."""

    parts: Parts
    data: Path
    now: int

    def wallet(self, wallet: str, key_type: KeyType = KeyType.ED25519) -> Wallet:
        """A new wallet."""
        return generate(self.parts, ACTOR, NewWallet(id=WalletId(wallet), key_type=key_type))

    def rows(self, query: str, *values: object) -> list[Any]:
        """What stands in the database."""
        return rows(self.data, query, *values)

    def sealed(self, wallet: str) -> list[int]:
        """The versions of a wallet that have a sealed key."""
        return stored_versions(self.data, wallet)


def resolve(parts: Parts, wallet: WalletId, number: int | None) -> Signer:
    """Who would sign for an administrator."""
    administrator = client("desk", Role.ADMINISTRATOR)
    return operations_resolve(parts, administrator, wallet, number, operation="sign-message")


@contextmanager
def here(data: Path, **settings: str) -> Iterator[Here]:
    """Open the data directory, made if there is none."""
    config = load(environment(**{**settings_for(data), **settings}), {"data": data})
    with found_here(data):
        parts = assemble(config, create=True, tell=lambda _: None)
    opened = Here(parts, data, now=parts.clock())
    database = open_at(data / DATABASE)
    reservations = Reservations(database, Meters.open(data / METERS), lambda: opened.now, boot=boot_id())
    opened.parts = dataclasses.replace(parts, clock=lambda: opened.now, reservations=reservations)
    try:
        yield opened
    finally:
        database.close()
        parts.close()
