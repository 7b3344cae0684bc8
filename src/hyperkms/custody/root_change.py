"""From one root key to another: what is under way stands in the database, and what was left stays left.

While it lasts a key is sealed under the one or the other and opens under both to a process that knows both. Once the
change is done, no key is stored that is sealed under the root key that was left.
"""

import json
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from hyperkms._core import Context, SealedHeader, inspect_sealed_key
from hyperkms.custody.root_key import RootKey
from hyperkms.errors import Conflict, Refused, Tampered
from hyperkms.state.database import Database
from hyperkms.state.facts import read_within, write_within
from hyperkms.state.schema import facts
from hyperkms.wallet import SealedKey

_FACT = "reseal"
_ROOT_KEY = "root_key_id"
_LEFT = "root_keys_left"


@dataclass(frozen=True, kw_only=True)
class Reseal:
    """What is under way."""

    to: str
    """The id of the root key under which all will be."""
    wallet: str
    version: int
    """The place of the last key that is done, or of the one that moves on; of none yet: no wallet and 0."""


def root_key_of(header: SealedHeader, context: Context, root_key: RootKey, before: RootKey | None) -> RootKey:
    """The one of two under which a key is sealed; Tampered if it is neither."""
    for one in (root_key, before):
        if one is not None and one.id == header.root_key_id:
            return one
    whose = "the log key" if context.purpose == "log key" else f"wallet {context.wallet}"
    words = f"{whose} was sealed under root key {header.root_key_id}, and this is root key {root_key.id}"
    raise Tampered("wrong-root-key", words)


def begun(database: Database) -> Reseal | None:
    """What is under way; None: nothing is."""
    with database.read() as connection:
        return begun_within(connection)


def begun_within(connection: sa.Connection) -> Reseal | None:
    """The same as this transaction sees it."""
    found = read_within(connection, _FACT)
    return None if found is None else Reseal(**json.loads(found))


def note_within(connection: sa.Connection, reseal: Reseal) -> None:
    """So far it has come."""
    write_within(connection, _FACT, json.dumps(asdict(reseal)))


def require_ours_within(connection: sa.Connection, noted: Reseal) -> None:
    """Conflict unless this is what was noted last: another run has gone on from there, or is done."""
    if begun_within(connection) != noted:
        raise taken_over()


def taken_over() -> Conflict:
    """The refusal of a second run."""
    words = "another run of the same command goes on with sealing keys anew, or has done it: this one stops"
    return Conflict("reseal-taken-over", f"{words}. Run it again once that has ended")


def finish_within(connection: sa.Connection, to: str) -> str:
    """All is under this root key once the transaction commits; the id of the one before."""
    connection.execute(facts.delete().where(facts.c.name == _FACT))
    before = str(read_within(connection, _ROOT_KEY))
    if before != to:
        left = set((read_within(connection, _LEFT) or "").split()) - {to}
        write_within(connection, _LEFT, " ".join(sorted(left | {before})))
        write_within(connection, _ROOT_KEY, to)
    return before


def require_not_left(connection: sa.Connection, sealed: SealedKey) -> None:
    """Refused for a key that is sealed under a root key that was left: its process has not heard of the change."""
    left = read_within(connection, _LEFT)
    if left is not None and (found := inspect_sealed_key(sealed).root_key_id) in left.split():
        words = f"all keys were sealed anew under another root key, and this process still has {found}"
        raise Refused("root-key-left", f"{words}: set HYPERKMS_ROOT_KEY and restart it")


def require_known(database: Database, root_key: RootKey, before: RootKey | None) -> None:
    """Refused while keys are being sealed under a root key that this process does not know."""
    under_way = begun(database)
    if under_way is not None and under_way.to not in {root_key.id, before.id if before else None}:
        words = f"keys are being sealed anew under root key {under_way.to}, and this is {root_key.id}"
        raise Refused(
            "reseal-unfinished",
            f"{words}: finish it with `hyperkms wallet reseal --root-key NEW` (of a cosigner: `hyperkms cosigner "
            "reseal`), or set HYPERKMS_ROOT_KEY to the new one and HYPERKMS_ROOT_KEY_BEFORE to this one",
        )
