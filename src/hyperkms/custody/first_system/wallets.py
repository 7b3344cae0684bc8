"""The wallets of the first system, put together from its records; nothing is decrypted for it.

What the records say of a wallet counts as long as it does not contradict itself:

    its current version                    is active here
    another one whose expiry is to come    is in grace until then
    every other one                        is retired: its public key is kept, and its private key is not imported
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hyperkms.custody.first_system.names import MOST_SHARES, share_of, version_of, versions_of
from hyperkms.custody.first_system.records import (
    KeyRecord,
    RotationEntry,
    VersionEntry,
    VersionsRecord,
    read_key,
    read_share,
    read_versions,
    says_who,
)
from hyperkms.custody.first_system.store import FirstSystem
from hyperkms.errors import NotFound, Refused, Tampered
from hyperkms.wallet import PublicKey, VersionState, WalletId, parse_wallet_id

_ENDED = frozenset({"deleted", "disabled", "expired", "inactive", "retired", "revoked"})
"""Words for a version that signs no more, whatever its expiry."""


@dataclass(frozen=True, kw_only=True)
class FoundVersion:
    """A key version as it would stand here; times are milliseconds since 1970."""

    number: int
    state: VersionState
    recorded: PublicKey | None
    """None where nothing but the encrypted key itself names it: a wallet from before there were versions."""
    key: KeyRecord | None
    """None of a retired one."""
    created_at: int
    activated_at: int
    expires_at: int | None = None
    retired_at: int | None = None


@dataclass(frozen=True, kw_only=True)
class FoundWallet:
    """A wallet of the first system as it would stand here."""

    id: WalletId
    versions: tuple[FoundVersion, ...]
    """In order, without gaps; the last one is current."""
    rotations: tuple[RotationEntry, ...]
    metadata: Mapping[str, object]
    beside: KeyRecord | None
    """What is left from before the wallet had versions; its key must be one of theirs."""
    records: frozenset[str]
    """The names of all records that it is made of."""

    @property
    def current(self) -> FoundVersion:
        """The version that signs."""
        return self.versions[-1]


def find_wallet(first: FirstSystem, name: str, *, now: int) -> FoundWallet:
    """The wallet of that name; NotFound if there is none, and otherwise what is wrong with it, by name.

    1. The record of its versions, if it is this wallet's.  2. Without one: the record from before there were versions,
    or a first version that is alone.  3. Shares are refused: they are put together elsewhere.
    """
    wallet = parse_wallet_id(name)
    versions = _versions(first, name)  # (1)
    single = _key(first, name)
    if versions is not None:
        return _with_versions(first, wallet, versions, single, now=now)
    alone = single or _only_version(first, name)  # (2)
    if alone is not None:
        return _from_one(wallet, alone, now=now)
    if first.read(share_of(name, 1)) is not None or first.read(share_of(name, 2)) is not None:  # (3)
        words = f"wallet {name} of the first system is in shares: docs/recovery.md says how its key is put together"
        raise Refused("first-system-in-shares", words)
    raise NotFound("first-system-not-found", f"the first system has no wallet {name}")


def shares_of(first: FirstSystem, wallet: str) -> Sequence[bytes]:
    """The encrypted shares of a wallet, by number from 1; NotFound if there are none. A number may be missing."""
    texts = {name: first.read(name) for name in (share_of(wallet, number) for number in (1, 2, 3))}
    number = len(texts)
    while texts[share_of(wallet, number)] is not None and number < MOST_SHARES:
        number += 1
        texts[share_of(wallet, number)] = first.read(share_of(wallet, number))
    found = [read_share(name, text) for name, text in texts.items() if text is not None]
    if not found:
        raise NotFound("first-system-not-found", f"the first system has no shares of wallet {wallet}")
    return found


def _versions(first: FirstSystem, wallet: str) -> VersionsRecord | None:
    """None where another wallet's record took the name: `x-version` has one called like that of `x`."""
    name = versions_of(wallet)
    text = first.read(name)
    if text is None or says_who(name, text) != wallet:
        return None
    return read_versions(name, text)


def _key(first: FirstSystem, wallet: str) -> KeyRecord | None:
    """A wallet's record from before there were versions; what else stands under that name is another wallet's."""
    text = first.read(wallet)
    if text is None or says_who(wallet, text) != wallet:
        return None
    record = read_key(wallet, text)
    return record if record.version is None else None


def _version_key(first: FirstSystem, wallet: str, number: int) -> KeyRecord | None:
    name = version_of(wallet, number)
    text = first.read(name)
    if text is None:
        return None
    record = read_key(name, text)
    if (record.wallet, record.version) == (wallet, None):  # the first release with versions left it out
        return record
    if (record.wallet, record.version) != (wallet, number):
        words = f"the record {name} of the first system says that it is of another wallet or version"
        raise Tampered("first-system-record-misplaced", words)
    return record


def _only_version(first: FirstSystem, wallet: str) -> KeyRecord | None:
    """Version 1 of a wallet without a record of its versions; Refused if it is not the only one."""
    found = _version_key(first, wallet, 1)
    if found is not None and first.read(version_of(wallet, 2)) is not None:
        words = f"wallet {wallet} of the first system has several versions and no record of which one is current"
        raise Refused("first-system-current-unknown", words)
    return found


def _from_one(wallet: WalletId, record: KeyRecord, *, now: int) -> FoundWallet:
    _require_kept(record)
    created = min(record.created_at or now, now)
    version = FoundVersion(
        number=1,
        state=VersionState.ACTIVE,
        recorded=record.public_key,
        key=record,
        created_at=created,
        activated_at=created,
    )
    return FoundWallet(
        id=wallet,
        versions=(version,),
        rotations=(),
        metadata=record.metadata,
        beside=None,
        records=frozenset({record.name}),
    )


def _with_versions(
    first: FirstSystem, wallet: WalletId, record: VersionsRecord, beside: KeyRecord | None, *, now: int
) -> FoundWallet:
    _require_consistent(wallet, record)
    versions = tuple(_version(first, wallet, record, entry, now=now) for entry in record.versions)
    current = versions[-1].key
    assert current is not None  # noqa: S101 (for mypy: `_version` refuses a current one without)
    return FoundWallet(
        id=wallet,
        versions=versions,
        rotations=tuple(record.rotations),
        metadata=current.metadata,
        beside=beside,
        records=frozenset(
            {versions_of(wallet), *(version_of(wallet, one.number) for one in versions), *([wallet] if beside else [])}
        ),
    )


def _require_consistent(wallet: str, record: VersionsRecord) -> None:
    """Versions from 1 without gaps, of which the last is current, each with a key of its own, and rotations of them."""

    def refuse(what: str) -> Tampered:
        return Tampered("first-system-versions-contradict", f"wallet {wallet} of the first system: {what}")

    numbers = [entry.number for entry in record.versions]
    if numbers != list(range(1, len(numbers) + 1)) or not numbers:
        raise refuse("its versions are not numbered from 1 without gaps")
    if record.current != numbers[-1]:
        raise refuse(f"version {record.current} is recorded as current, and there is a version {numbers[-1]}")
    if len({entry.public_key for entry in record.versions}) != len(numbers):
        raise refuse("two of its versions have one public key")
    targets = [rotation.to_version for rotation in record.rotations]
    known = all(1 <= one.from_version < one.to_version <= numbers[-1] for one in record.rotations)
    if not known or len(set(targets)) != len(targets):
        raise refuse("its rotations are not between its versions, one for each")


def _version(first: FirstSystem, wallet: str, record: VersionsRecord, entry: VersionEntry, *, now: int) -> FoundVersion:
    rotation = next((one for one in record.rotations if one.to_version == entry.number), None)
    created = min(entry.created_at or (rotation and rotation.rotated_at) or now, now)
    activated = min((rotation and rotation.rotated_at) or created, now)
    is_current = entry.number == record.current
    if is_current and entry.status in _ENDED:
        raise _deleted(wallet)
    in_grace = entry.expires_at is not None and entry.expires_at > now and entry.status not in _ENDED
    if is_current or in_grace:
        return FoundVersion(
            number=entry.number,
            state=VersionState.ACTIVE if is_current else VersionState.RETIRING,
            recorded=entry.public_key,
            key=_require_key(first, wallet, entry),
            created_at=created,
            activated_at=activated,
            expires_at=None if is_current else entry.expires_at,
        )
    ended = min(entry.expires_at or entry.rotated_at or now, now)
    return FoundVersion(
        number=entry.number,
        state=VersionState.RETIRED,
        recorded=entry.public_key,
        key=None,
        created_at=created,
        activated_at=activated,
        expires_at=entry.expires_at,
        retired_at=ended,
    )


def _require_key(first: FirstSystem, wallet: str, entry: VersionEntry) -> KeyRecord:
    record = _version_key(first, wallet, entry.number)
    if record is None:
        words = f"wallet {wallet} of the first system has a version {entry.number}, and no record with its key"
        raise Tampered("first-system-record-missing", words)
    if record.public_key not in (None, entry.public_key):
        words = f"the records of wallet {wallet} of the first system name two public keys of version {entry.number}"
        raise Tampered("first-system-versions-contradict", words)
    _require_kept(record)
    return record


def _require_kept(record: KeyRecord) -> None:
    if record.is_deleted:
        raise _deleted(record.wallet)


def _deleted(wallet: str) -> Refused:
    words = f"wallet {wallet} was deleted in the first system, and is not imported: its key is still in the record"
    return Refused("first-system-deleted", words)
