"""Seal every key of a data directory anew: under new data keys, or under another root key as well."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa

from hyperkms.audit.record import ResealRecord
from hyperkms.custody.key_store import ReplacingKeyStore
from hyperkms.custody.moving import MovingKeyStore
from hyperkms.custody.own_keys import OwnKeys
from hyperkms.custody.root_change import Reseal, begun, begun_within, finish_within, note_within, require_ours_within
from hyperkms.errors import Refused
from hyperkms.operations.changing import Actor
from hyperkms.operations.parts import Parts
from hyperkms.operations.resealing_in_place import InPlace
from hyperkms.operations.resealing_moved import Moved
from hyperkms.state.facts import read


@dataclass(frozen=True, kw_only=True)
class Resealed:
    """What was done, by this run."""

    keys: int
    before: str
    """The id of the root key before."""
    root_key_id: str


class Way(Protocol):
    """How sealed keys are exchanged in their store."""

    def begin_within(self, connection: sa.Connection) -> None:
        """With the note that it is under way."""

    def count(self, under_way: Reseal) -> int:
        """How many keys there are for `run`."""

    def run(self, under_way: Reseal, progress: Callable[[], None]) -> tuple[Reseal, int]:
        """Do it, and note each; what is noted in the end, and how many were sealed anew. `progress` is told of each."""

    def is_left_within(self, connection: sa.Connection, under_way: Reseal) -> bool:
        """Whether something has come since: `run` is due once more."""

    def finish_within(self, connection: sa.Connection) -> None:
        """With the commit that lets the root key be in force."""


def count_due(parts: Parts, to: str) -> int:
    """How many keys are still to be sealed anew, or to be looked at."""
    return _way(parts, to).count(begun(parts.database) or start(to))


def reseal(parts: Parts, to: str, actor: Actor, progress: Callable[[], None]) -> Resealed:
    """Do it; a service that knows both root keys may run and sign meanwhile. Killed anywhere, it is run again.

    1. Note what is under way: from now on nobody opens the directory who does not know the new root key.
    2. Each key: seal it anew, see that it opens, exchange it for the one before, note how far it is.
       At each moment it opens under one of the two, and nothing of the one before is left.
    3. Seal the log key and the store key anew.
    4. In one transaction: see that no key was made under the old root key meanwhile (else 2 once more), put the two in
       their places, let the new root key be the directory's, write the line in the record.
    """
    _require_kms_where_it_signs(parts)
    database, way, done = parts.database, _way(parts, to), 0
    with database.write() as connection:  # (1)
        under_way = require_same(begun_within(connection), to) or start(to)
        way.begin_within(connection)
        note_within(connection, under_way)
    while True:
        under_way, count = way.run(under_way, progress)  # (2)
        done += count
        own = OwnKeys.resealed(database, parts.keyring)  # (3)
        with database.write() as connection:  # (4)
            require_ours_within(connection, under_way)
            if way.is_left_within(connection, under_way):
                continue
            way.finish_within(connection)
            before = finished_within(connection, parts, own, actor, done)
        return Resealed(keys=done, before=before, root_key_id=to)


def finished_within(connection: sa.Connection, parts: Parts, own: OwnKeys, actor: Actor, keys: int) -> str:
    """The root key in force is the directory's from the commit on, with all that is sealed in it.

    The line of it in the record is durable by then. Answers the root key that was left.
    """
    to = parts.keyring.root_key_id
    own.replace_within(connection)
    before = finish_within(connection, to)
    record = ResealRecord(
        time=parts.clock(),
        request_id=actor.request_id,
        client=actor.client,
        operation="reseal",
        keys=keys,
        root_key_before=before,
        root_key=to,
    )
    parts.record.append(record).wait()
    return before


def start(to: str) -> Reseal:
    """That it is begun, and nothing is done yet."""
    return Reseal(to=to, wallet="", version=0)


def require_same(under_way: Reseal | None, to: str) -> Reseal | None:
    """What is under way; Refused if it goes to another root key."""
    if under_way is not None and under_way.to != to:
        words = f"keys are being sealed anew under root key {under_way.to}, and this is {to}: finish that one first"
        raise Refused("reseal-unfinished", words)
    return under_way


def _require_kms_where_it_signs(parts: Parts) -> None:
    """Refused for a root key that is not in AWS KMS while keys of wallets are: they would sign no more."""
    if parts.native is None and (count := parts.census.keys_in_kms()):
        words = f"AWS KMS keeps the keys of {count} versions, which sign under a root key in AWS KMS alone"
        raise Refused("kms-native-off", f"{words}: retire those wallets first, or choose a root key there")


def _way(parts: Parts, to: str) -> Way:
    store = parts.key_store
    if isinstance(store, MovingKeyStore):
        return Moved(parts.database, store, parts.keyring)
    if isinstance(store, ReplacingKeyStore):
        is_another = read(parts.database, "root_key_id") != to
        return InPlace(parts.database, store, parts.keyring, is_another=is_another)
    raise TypeError(f"{type(store).__name__} has no way to exchange sealed keys")
