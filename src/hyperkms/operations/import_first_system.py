"""Import a wallet of the first system: its keys, versions, rotations and what else is known of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import sqlalchemy as sa

from hyperkms import _core
from hyperkms.custody.first_system.store import FirstSystem
from hyperkms.custody.first_system.wallets import FoundVersion, FoundWallet, find_wallet
from hyperkms.custody.key_store import require_kept
from hyperkms.errors import Conflict, NotFound
from hyperkms.operations.changing import Actor, Deed, write_down
from hyperkms.operations.generate import check_metadata, require_asked, store
from hyperkms.operations.parts import Parts
from hyperkms.state.completion import Completion, nothing_more
from hyperkms.state.wallets import wallet_exists
from hyperkms.wallet import (
    KeyType,
    KeyVersion,
    Origin,
    PublicKey,
    SealedKey,
    VersionState,
    Wallet,
    WalletId,
    key_context,
    no_such_wallet,
)
from hyperkms.wallet_life import Rotation, WalletHistory

CLIENT = "first-system"
"""Who asked for the rotations of that time, as far as is known."""


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A wallet of the first system that is here."""

    history: WalletHistory
    is_new: bool
    """False: an earlier call had imported it, or it was always here."""


@dataclass(frozen=True)
class _Sealed:
    """The key of a version, sealed for its place."""

    version: FoundVersion
    context: _core.Context
    sealed: SealedKey
    public_key: PublicKey


def migrate(
    parts: Parts, actor: Actor, wallet: WalletId, *, completion: Completion[Imported] = nothing_more
) -> Imported:
    """The wallet of that id: as it is here, else imported from the first system; NotFound where neither has it."""
    if parts.wallets.find(wallet) is not None:
        return Imported(history=parts.wallets.history(wallet), is_new=False)
    if parts.first_system is None:
        raise no_such_wallet(wallet)
    try:
        found = find_wallet(parts.first_system, wallet, now=parts.clock())
    except NotFound:
        raise no_such_wallet(wallet) from None
    return import_first_system(parts, actor, parts.first_system, found, completion=completion)


def check_first_system(first: FirstSystem, found: FoundWallet) -> Sequence[PublicKey]:
    """The public keys of its versions; refused as the import would be, whose calls of KMS are made and nothing else."""
    keys = [
        first.public_key(version.key.ciphertext, version.recorded)
        for version in found.versions
        if version.key is not None
    ]
    _require_same_beside(first, found)
    return keys


def import_first_system(
    parts: Parts,
    actor: Actor,
    first: FirstSystem,
    found: FoundWallet,
    *,
    completion: Completion[Imported] = nothing_more,
) -> Imported:
    """Atomic and repeatable: whatever is killed, the id names the whole wallet, or nothing. The old records stay.

    1. A wallet of this id with the same keys is the answer; with others it is a Conflict.
    2. Each version that still signs: have its key decrypted, held against its public key and sealed in the core. What
       is wrong with one is known before any is stored.
    3. Store the sealed keys: durable, and never in the place of another.
    4. Open each as it is stored, as a later signature will.
    5. List the wallet with all versions and rotations: one transaction, once the line of the record is durable.

    A process killed between 3 and 5 leaves sealed keys that no wallet names. The next call finds the same keys at 3 and
    goes on with them; the sweep removes them if none comes.
    """
    here = standing(parts, found)  # (1)
    if here is not None:
        require_same(first, here, found)
        return Imported(history=here, is_new=False)
    metadata = check_metadata(found.metadata)
    _require_same_beside(first, found)  # (2)
    made = [_seal(parts, first, found.id, version) for version in found.versions if version.key]
    kept = [_keep(parts, found.id, one) for one in made]  # (3) (4)
    history = _history(parts, found, {one.version.number: one.public_key for one in kept}, metadata)
    imported = Imported(history=history, is_new=True)

    def complete(connection: sa.Connection, listed: WalletHistory, /) -> None:
        for one in kept:
            require_kept(parts.key_store, found.id, one.version.number, one.sealed)
        completion(connection, imported)
        deed = Deed(operation="import", reason="from the first system")
        write_down(parts, actor, found.id, listed.versions, deed)

    parts.wallets.create_with_history(history, complete)  # (5)
    return imported


def standing(parts: Parts, found: FoundWallet) -> WalletHistory | None:
    """The wallet as it is here, which may have been rotated since; Conflict if a recorded public key is another."""
    if parts.wallets.find(found.id) is None:
        return None
    history = parts.wallets.history(found.id)
    here = {version.number: version.public_key for version in history.versions}
    recorded = {version.number: version.recorded for version in found.versions if version.recorded is not None}
    if history.wallet.signs_elsewhere or any(here.get(number) != public_key for number, public_key in recorded.items()):
        raise wallet_exists(found.id)
    return history


def require_same(first: FirstSystem, here: WalletHistory, found: FoundWallet) -> None:
    """Conflict if the key is another: of a wallet from before there were versions only the key itself tells that."""
    for version in found.versions:
        if version.recorded is None and version.key is not None:
            key = first.public_key(version.key.ciphertext, None)
            if here.version(version.number).public_key != key:
                raise wallet_exists(found.id)


def _seal(parts: Parts, first: FirstSystem, wallet: WalletId, version: FoundVersion) -> _Sealed:
    if version.key is None:
        raise AssertionError("a retired version is not imported")
    context = key_context(wallet, KeyType.ED25519, None, Origin.IMPORTED, version=version.number)
    made = parts.keyring.import_first_system(first, version.key.ciphertext, version.recorded, context)
    public_key = PublicKey(_core.inspect_sealed_key(made).public_key)
    parts.wallets.require_new_key(wallet, public_key)
    return _Sealed(version, context, made, public_key)


def _keep(parts: Parts, wallet: WalletId, one: _Sealed) -> _Sealed:
    """As it is in the key store, which may have it from a call that was cut off."""
    stored = store(parts, wallet, one.version.number, one.sealed)
    require_asked(_core.inspect_sealed_key(stored), one.context, one.sealed)
    parts.keyring.open(stored, one.context)
    return replace(one, sealed=stored)


def _require_same_beside(first: FirstSystem, found: FoundWallet) -> None:
    """What is left from before there were versions must be the key of one of them: none is left behind unseen."""
    if found.beside is None:
        return
    beside = first.public_key(found.beside.ciphertext, found.beside.public_key)
    if beside not in {version.recorded for version in found.versions}:
        words = (
            f"the first system has the record {found.beside.name}, from before wallet {found.id} had versions, with a "
            "key that none of them has: look which one holds funds"
        )
        raise Conflict("first-system-two-keys", words)


def _history(
    parts: Parts, found: FoundWallet, keys: Mapping[int, PublicKey], metadata: Mapping[str, object]
) -> WalletHistory:
    versions = tuple(_version_here(version, keys, parts.clock()) for version in found.versions)
    wallet = Wallet(
        id=found.id,
        key_type=KeyType.ED25519,
        network=None,
        current=versions[-1],
        created_at=versions[0].created_at,
        metadata=metadata,
    )
    rotations = sorted(found.rotations, key=lambda one: one.to_version)
    return WalletHistory(
        wallet=wallet,
        versions=versions,
        rotations=tuple(
            Rotation(
                from_version=one.from_version,
                to_version=one.to_version,
                rotated_at=found.versions[one.to_version - 1].activated_at
                if one.rotated_at is None
                else one.rotated_at,
                reason=one.reason,
                client=CLIENT,
            )
            for one in rotations
        ),
    )


def _version_here(version: FoundVersion, keys: Mapping[int, PublicKey], now: int) -> KeyVersion:
    public_key = keys.get(version.number) or version.recorded
    if public_key is None:
        raise AssertionError("a version without a key has a recorded public key")
    is_retired = version.state is VersionState.RETIRED
    return KeyVersion(
        number=version.number,
        state=version.state,
        public_key=public_key,
        origin=Origin.IMPORTED,
        created_at=version.created_at,
        activated_at=version.activated_at,
        expires_at=version.expires_at,
        retired_at=version.retired_at,
        destroyed_at=now if is_retired else None,
    )
