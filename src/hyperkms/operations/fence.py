"""Let a directory that was put back sign again, behind everything that may have been signed since its backup."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from hyperkms import _core
from hyperkms.audit.merkle import leaf_hash
from hyperkms.audit.reading.decisions import Query, decisions
from hyperkms.audit.reading.folder import lines_of
from hyperkms.audit.record import DatabaseRecord, FenceRecord
from hyperkms.audit.segments import MANIFEST
from hyperkms.custody.store_keys import new_store_key_of, store_within
from hyperkms.errors import NotFound, Refused
from hyperkms.hyperliquid.nonces import WINDOW_FUTURE_MS, raise_floor_within, take_within
from hyperkms.operations.changing import Actor
from hyperkms.operations.parts import Parts
from hyperkms.operations.restore import FOLDER, LISTED
from hyperkms.state import facts
from hyperkms.state.frozen import thaw_within
from hyperkms.state.full_windows import fill_windows_within
from hyperkms.state.incarnation import FACT
from hyperkms.state.request_rows import void_within
from hyperkms.state.row_signatures import RowSignatures
from hyperkms.wallet import WalletId

_SECP256K1 = re.compile(r"0x[0-9a-f]{66}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Fenced:
    """What stands behind the fence."""

    nonce_floor: int
    """Milliseconds; every nonce from here on is above it."""
    voided: int
    """Requests that were unfinished."""
    at: int
    """Milliseconds; limits over time are fully used until their period has passed since then."""
    rows: int
    """Wallets, clients and policies that were accepted as they stand."""
    missing: Sequence[tuple[WalletId, int]]
    """Versions that are listed and whose sealed key is gone: retired since, where the keys are older than the rows."""


@dataclass(frozen=True, kw_only=True)
class Behind:
    """What is put behind the fence."""

    data: Path
    record: Path | None
    """A folder with the record of what was signed since the backup, as far as it is left."""


def fence(parts: Parts, behind: Behind, actor: Actor) -> Fenced:
    """Signing goes on after the next start; nobody may be signing on the directory. It is one transaction.

    1. Nonces begin above all that may have been allocated (`raise_floor_within`); those further ahead, which callers
       chose, are taken as far as a record has them.
    2. Requests that were begun and not answered are void.
    3. Limits over time are fully used, since what was signed after the backup is not known.
    4. The rows of wallets, clients and policies are accepted as they stand, though the record may know later ones: they
       are signed anew under a new store key, and signatures of the one before are void. What was altered stays so.
    5. The line of it in the record is durable; then all of it holds.
    A process killed between the line and the commit has left a line of a fence that does not stand: run it again.
    """
    missing = _missing_keys(parts)
    now = parts.clock()
    with parts.database.write() as connection:
        floor = raise_floor_within(connection, now)  # (1)
        for address, nonce in _used_ahead(behind.record, now, floor):
            take_within(connection, address, nonce)
        voided = void_within(connection)  # (2)
        fill_windows_within(connection, now)  # (3)
        thaw_within(connection)
        accepted = _accept_rows_within(connection, parts, now)  # (4)
        parts.record.append(_record(parts, behind.data, actor, (floor, voided), accepted)).wait()  # (5)
    return Fenced(nonce_floor=floor, voided=voided, at=now, rows=accepted.rows, missing=missing)


def accept_database(parts: Parts, actor: Actor) -> None:
    """Let a database that was moved or promoted hold as it stands: somebody knows that it has all that was committed.

    Refused where more than the database was put back. The line in the record is durable before it holds.
    """
    why = parts.frozen
    if why is None or why.was is None:
        words = "a backup was restored here, or a lost directory replaced: what was signed since is not in it"
        raise Refused("something-lost", f"{words}. Fence it without --nothing-lost")
    with parts.database.write() as connection:
        thaw_within(connection)
        line = DatabaseRecord(
            time=parts.clock(),
            request_id=actor.request_id,
            client=actor.client,
            operation="accept-database",
            before=why.was,
            now=str(facts.read_within(connection, FACT)),
        )
        parts.record.append(line).wait()


def _missing_keys(parts: Parts) -> list[tuple[WalletId, int]]:
    with parts.database.read() as connection:
        listed = [(WalletId(row.wallet), int(row.number)) for row in connection.execute(LISTED)]
    return [place for place in sorted(listed) if not _is_kept(parts, *place)]


def _is_kept(parts: Parts, wallet: WalletId, number: int) -> bool:
    try:
        parts.key_store.get(wallet, number)
    except NotFound:
        return False
    return True


def _accept_rows_within(connection: sa.Connection, parts: Parts, now: int) -> "_Accepted":
    _, wrong = parts.rows.examine_within(connection, floors={})
    new = new_store_key_of(parts.keyring)
    signed = RowSignatures(new.key).sign_all_within(connection, but=frozenset(wrong))
    store_within(connection, new, now)
    return _Accepted(new.key.id, len(signed))


def _used_ahead(folder: Path | None, now: int, floor: int) -> Iterator[tuple[str, int]]:
    """Signers and nonces above the floor that stand in a record; a caller's own is at most a day ahead."""
    if folder is None or not folder.is_dir():
        return
    for decision in decisions(folder, Query(since=now - WINDOW_FUTURE_MS, refused=False)):
        signed, public_key = decision.record.get("signed"), str(decision.record.get("publicKey"))
        nonce = signed.get("nonce") if isinstance(signed, dict) else None
        if isinstance(nonce, int) and nonce > floor and _SECP256K1.fullmatch(public_key):
            yield "0x" + _core.address(bytes.fromhex(public_key[2:])).hex(), nonce


class _Accepted(NamedTuple):
    store_key: str
    rows: int


def _record(parts: Parts, data: Path, actor: Actor, done: tuple[int, int], accepted: _Accepted) -> FenceRecord:
    floor, voided = done
    why, path = parts.frozen, data / FOLDER / MANIFEST
    lines = [leaf_hash(text).hex() for text in lines_of(path)] if why is not None and path.exists() else []
    return FenceRecord(
        time=parts.clock(),
        request_id=actor.request_id,
        client=actor.client,
        operation="fence",
        backup=None if why is None else why.backup,
        taken_at=None if why is None else why.taken_at,
        manifest=len(lines) if lines else None,
        manifest_hash=lines[-1] if lines else None,
        nonce_floor=floor,
        voided=voided,
        store_key=accepted.store_key,
        rows_accepted=accepted.rows,
    )
