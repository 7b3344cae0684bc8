"""Make a wallet: a new key, or one that is imported."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sqlalchemy as sa

from hyperkms import _core
from hyperkms.custody.key_copies import KeyCopies
from hyperkms.custody.key_store import require_kept
from hyperkms.errors import Conflict, Malformed, NotFound, Refused, Unavailable
from hyperkms.mode import Mode
from hyperkms.operations.changing import Actor, Deed, write_down
from hyperkms.operations.in_shares import cosigners_of
from hyperkms.operations.new_wallet import FIRST, NewWallet, first_version
from hyperkms.operations.parts import Defaults, Parts
from hyperkms.state.completion import Completion, nothing_more
from hyperkms.state.wallets import wallet_exists
from hyperkms.threshold.coordinator.ceremonies import NewKey
from hyperkms.wallet import (
    Custody,
    KeyType,
    KeyVersion,
    Network,
    Origin,
    PublicKey,
    SealedKey,
    VersionState,
    Wallet,
    WalletId,
    key_context,
)

MAX_METADATA = 4096


@dataclass(frozen=True)
class _Source:
    """Where the key of a new wallet comes from, and how the record calls that."""

    origin: Origin
    operation: str
    make: Callable[[_core.Context], SealedKey]


def generate(
    parts: Parts, actor: Actor, request: NewWallet, *, completion: Completion[Wallet] = nothing_more
) -> Wallet:
    """A wallet with a fresh key; Conflict if the id exists. See `_create` for what a crash leaves."""
    source = _Source(Origin.GENERATED, "generate", parts.keyring.generate)
    return _create(parts, actor, request, source, completion)


def generate_in_shares(
    parts: Parts, actor: Actor, request: NewWallet, *, completion: Completion[Wallet] = nothing_more
) -> Wallet:
    """A wallet whose key is made in shares by the cosigners, and is nowhere; Conflict if the id exists.

    1. Settle key type and network; refuse an id that is taken, or that another call is at.
    2. Have the key made: in force at every cosigner, after every quorum has signed with it.
    3. List the wallet: the one insert that decides who made it, once the line of the record is durable.

    A process killed between 2 and 3 leaves a key that no wallet names and nobody was shown. The next one to ask for the
    same under that id finds it at 2 and lists it; one who asks for something else is refused.
    """
    key_type, network = settle(request, parts.defaults, parts.mode)  # (1)
    metadata = check_metadata(request.metadata)
    if request.custody is not Custody.STANDARD:
        words = "this route makes keys in shares: a kms-native wallet is made by POST /wallets/generate"
        raise Malformed.at("custody", words)
    here = cosigners_of(parts, key_type)
    with here.turns.of(request.id):
        if parts.wallets.find(request.id):
            raise wallet_exists(request.id)
        wanted = NewKey(
            wallet=request.id, version=FIRST, key_type=key_type.value, network=network.value if network else "none"
        )
        made = here.coordinator.generate(wanted, actor.asker)  # (2)
        now = parts.clock()
        current = first_version(PublicKey(made.public_key), now=now)
        wallet = Wallet(
            id=request.id,
            key_type=key_type,
            network=network,
            current=current,
            created_at=now,
            metadata=metadata,
            custody=Custody.MPC,
            group_id=here.coordinator.group.id,
        )

        def complete(connection: sa.Connection, listed: Wallet, /) -> None:
            completion(connection, listed)
            write_down(parts, actor, request.id, [listed.current], Deed(operation="generate"))

        parts.wallets.create(wallet, complete)  # (3)
    return wallet


def import_key(parts: Parts, actor: Actor, request: NewWallet, key_file: Path) -> Wallet:
    """A wallet with the key of a file (`-`: standard input), which only the core reads."""
    if request.custody is not Custody.STANDARD:
        words = "AWS KMS makes a kms-native key itself: one that exists elsewhere is imported with standard custody"
        raise Refused("kms-native-not-imported", words)
    source = _Source(Origin.IMPORTED, "import", partial(parts.keyring.import_file, key_file))
    return _create(parts, actor, request, source, nothing_more)


def _create(parts: Parts, actor: Actor, request: NewWallet, source: _Source, completion: Completion[Wallet]) -> Wallet:
    """Create-only and atomic: whatever is killed, the id names a wallet that signs, or nothing.

    1. Settle key type and network; refuse an id that is taken.
    2. Make and seal the key; refuse one that another wallet has, or ever had.
    3. Store the sealed key: durable, and never in the place of another.
    4. Open what is stored, as a later signature will; of a master key make the second copy, durable.
    5. List the wallet: the one insert that decides who made it, if its key is still what is stored, and once
       the line of the record is durable.

    A process killed between 3 and 5 leaves a sealed key that no wallet names. The next one to ask for
    the same under that id finds it at 3 and lists it: the key was never used, and its seal says what it
    is. One who asks for something else is refused, and told what stands there.
    """
    key_type, network = settle(request, parts.defaults, parts.mode)  # (1)
    metadata = check_metadata(request.metadata)
    if parts.wallets.find(request.id):
        raise wallet_exists(request.id)
    copies = _copies_for(parts, request, key_type)
    context = key_context(request.id, key_type, network, source.origin, version=FIRST)
    made = source.make(context)  # (2)
    parts.wallets.require_new_key(request.id, PublicKey(_core.inspect_sealed_key(made).public_key))
    stored = store(parts, request.id, FIRST, made)  # (3)
    header = _core.inspect_sealed_key(stored)
    require_asked(header, context, made)
    parts.keyring.open(stored, context)  # (4)
    if copies is not None:
        copy = parts.keyring.copy(stored, context, copies.recipient)
        copies.keep(copy, copies.path_of(request.id, FIRST, header.public_key))
    wallet = _wallet(request.id, header, metadata, parts.clock())

    def complete(connection: sa.Connection, listed: Wallet, /) -> None:
        require_kept(parts.key_store, request.id, FIRST, stored)
        completion(connection, listed)
        write_down(parts, actor, request.id, [listed.current], Deed(operation=source.operation))

    parts.wallets.create(wallet, complete)  # (5)
    return wallet


def _copies_for(parts: Parts, request: NewWallet, key_type: KeyType) -> KeyCopies | None:
    """Where the second copy of a master key goes; Refused before the key is made if there is no recipient."""
    if not request.master:
        return None
    if key_type is not KeyType.SECP256K1:
        raise Malformed.at("master", "a master account has a secp256k1 key", "wrong-key-type")
    if parts.copies is None:
        words = "a master key is made with a second copy for a recipient who is offline, and none is set"
        raise Refused("no-recovery-recipient", f"{words}: set HYPERKMS_RECOVERY_RECIPIENT (docs/recovery.md)")
    return parts.copies


def require_asked(stored: _core.SealedHeader, context: _core.Context, made: SealedKey) -> None:
    """Refuse a stored key that is not what this call is about; the caller's own always is."""
    same = stored.context == context
    if same and context.origin == "imported":
        same = stored.public_key == _core.inspect_sealed_key(made).public_key
    if not same:
        found = stored.context
        raise Conflict(
            "wallet-unfinished",
            f"a call for wallet {context.wallet} was cut off, or is under way, after its {found.origin} "
            f"{found.key_type} key (network {found.network}) was stored: ask for exactly that to finish it, "
            "or take another id",
        )


def settle(request: NewWallet, defaults: Defaults, mode: Mode) -> tuple[KeyType, Network | None]:
    """Key type and network of a new wallet; Malformed if they do not fit or nobody says."""
    key_type = request.key_type or defaults.key_type
    if key_type is KeyType.ED25519:
        if request.network:
            raise Malformed.at("network", "an ed25519 wallet signs opaque bytes and has no network", "network-not-used")
        return key_type, None
    network = request.network or defaults.network
    if network is None:
        words = "a secp256k1 wallet is bound to mainnet or testnet: say which, or set HYPERKMS_NETWORK"
        raise Malformed.at("network", words, "network-required")
    if network is Network.ANY and mode is not Mode.DEVELOPMENT:
        raise Malformed.at("network", "any is for development only: say mainnet or testnet", "network-required")
    return key_type, network


def check_metadata(metadata: Mapping[str, object]) -> Mapping[str, object]:
    """What will be stored, so that the answer shows what a later one does."""
    text = json.dumps(dict(metadata), default=float, ensure_ascii=False, separators=(",", ":"))
    if len(text.encode()) > MAX_METADATA:
        raise Malformed.at("metadata", f"is more than {MAX_METADATA} bytes")
    stored: Mapping[str, object] = json.loads(text)
    return stored


def store(parts: Parts, wallet: WalletId, version: int, made: SealedKey) -> SealedKey:
    """What stands in the place of the version now: what was made, or what a call left that was cut off."""
    try:
        parts.key_store.create(wallet, version, made)
    except Conflict:
        try:
            return parts.key_store.get(wallet, version)
        except NotFound as removed:
            words = f"what a cut-off call left of wallet {wallet} was being removed: ask again"
            raise Unavailable("sealed-key-being-removed", words) from removed
    return made


def _wallet(wallet: WalletId, header: _core.SealedHeader, metadata: Mapping[str, object], now: int) -> Wallet:
    context = header.context
    current = KeyVersion(
        number=context.version,
        state=VersionState.ACTIVE,
        public_key=PublicKey(header.public_key),
        origin=Origin(context.origin),
        created_at=now,
        activated_at=now,
    )
    return Wallet(
        id=wallet,
        key_type=KeyType(context.key_type),
        network=None if context.network == "none" else Network(context.network),
        current=current,
        created_at=now,
        metadata=metadata,
    )
