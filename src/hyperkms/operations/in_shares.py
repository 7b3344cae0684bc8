"""Wallets whose keys are in shares: how the operations reach their cosigners."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hyperkms.errors import Conflict, HyperkmsError, NotFound, Refused
from hyperkms.state.log import logger
from hyperkms.state.name_locks import NameLocks
from hyperkms.threshold.coordinator.coordinator import Coordinator, Deployment, Key
from hyperkms.threshold.wire import Asker
from hyperkms.wallet import KeyType, KeyVersion, Wallet, WalletId

if TYPE_CHECKING:
    from hyperkms.operations.parts import Parts

PROTECTS: Mapping[Deployment, str] = {
    "embedded": "protects against one process, not against this machine",
    "separate": "protects against fewer machines than sign together",
}
"""What shares are good for where the cosigners run so; said wherever it could be taken for more."""


class Turns:
    """One call at a time makes or changes the shares of a wallet, over all processes of a data directory."""

    def __init__(self, locks: NameLocks) -> None:
        self._locks = locks
        self._here = threading.Lock()
        self._taken: set[WalletId] = set()

    @contextmanager
    def of(self, wallet: WalletId) -> Iterator[None]:
        """Within this block nobody else is at it; Conflict if somebody is."""
        name = wallet.encode()
        with self._here:
            if wallet in self._taken or not self._locks.take(name):
                words = f"another call makes or changes the key of wallet {wallet} now: look at it, and ask again"
                raise Conflict("wallet-changed", words)
            self._taken.add(wallet)
        try:
            yield
        finally:
            with self._here:
                self._taken.discard(wallet)
                self._locks.give_back(name)


@dataclass(frozen=True, kw_only=True)
class InShares:
    """The cosigners of this service."""

    coordinator: Coordinator
    turns: Turns
    accepts_unaudited: bool
    """Whether secp256k1 keys in shares are made and sign, though the protocol had no public audit."""
    activated: set[tuple[WalletId, int]] = field(default_factory=set)
    """Versions that every cosigner has said to be the current one, since this process was started."""


@dataclass(frozen=True)
class ThresholdKey:
    """Stands where another wallet's key handle does."""

    coordinator: Coordinator
    key: Key


def threshold_key(parts: "Parts", wallet: Wallet, version: KeyVersion) -> ThresholdKey:
    """What signs for a version of a wallet in shares; Refused where this service cannot have it signed.

    Whether these cosigners hold its shares they say themselves: while a member is replaced they sign on.
    """
    here = cosigners_of(parts, wallet.key_type)
    return ThresholdKey(here.coordinator, Key(wallet.id, version.number, version.public_key))


def require_own_group(here: InShares, wallet: Wallet) -> None:
    """Refused unless the wallet is in shares of the group of this service, as it is described now."""
    group = here.coordinator.group
    if wallet.group_id != group.id:
        words = f"wallet {wallet.id} is in shares of another group of cosigners than {group.name} ({group.fingerprint})"
        raise Refused("share-of-another-group", f"{words}: if a member was replaced, `hyperkms mpc replace` moves it")


def require_mpc(wallet: Wallet) -> Wallet:
    """The wallet; NotFound for one with a single key, which the routes of wallets in shares do not have."""
    if not wallet.is_mpc:
        words = f"there is no MPC wallet {wallet.id}: it has a single key, for the routes without /mpc"
        raise NotFound("wallet-not-found", words)
    return wallet


def cosigners_of(parts: "Parts", key_type: KeyType) -> InShares:
    """Refused where there are none, or not for keys of this type."""
    here = parts.in_shares
    if here is None:
        raise Refused("mpc-off", "this key is in shares, and MPC is not enabled here: set MPC_ENABLED=true")
    if key_type is KeyType.SECP256K1 and not here.accepts_unaudited:
        words = "DKLs23, by which secp256k1 keys in shares sign, had no public audit: production signs with it once"
        raise Refused("unaudited-ecdsa", f"{words} HYPERKMS_ACCEPT_UNAUDITED_ECDSA=true says that this is accepted")
    return here


def admit_in_shares(parts: "Parts", wallet: Wallet, number: int, asker: Asker) -> None:
    """Of a wallet in shares, the cosigners sign with this version as well from here on; nothing is done for another.

    What they have current is changed by `activate_in_shares`, once the service has changed over: whichever of the two
    it serves meanwhile, and for however long, is signed.
    """
    if wallet.is_mpc:
        cosigners_of(parts, wallet.key_type).coordinator.admit(wallet.id, number, asker)


def activate_in_shares(parts: "Parts", wallet: Wallet, number: int, asker: Asker) -> None:
    """Of a wallet in shares, the cosigners have current what the service has; nothing is done for another.

    What is left of it is not raised, since the version signs already: the sweep goes on with it.
    """
    if wallet.is_mpc and parts.in_shares is not None:
        have_current(parts.in_shares, wallet.id, number, asker)


def have_current(here: InShares, wallet: WalletId, number: int, asker: Asker) -> Mapping[str, HyperkmsError]:
    """Have the cosigners be at a version that the service has current; where they are not, and why.

    Nobody is asked again once all have said so to this process.
    """
    if (wallet, number) in here.activated:
        return {}
    try:
        left = here.coordinator.activate(wallet, number, asker)
    except HyperkmsError as error:
        left = {"all": error}
    for name, why in left.items():
        logger("hyperkms.cosigners").warning(
            "version-not-activated", wallet=wallet, version=number, cosigner=name, why=why.message
        )
    if not left:
        here.activated.add((wallet, number))
    return left


def cosigners_that_sign_on(parts: "Parts", asker: Asker, wallet: Wallet) -> Mapping[str, str]:
    """Of a wallet that is retired here, let no cosigner sign with it any more; those that do not take part, and why.

    None is named for a wallet with a single key.
    """
    if not wallet.is_mpc:
        return {}
    if parts.in_shares is None:
        return {"all": "MPC is not enabled here, so none of them was told"}
    try:
        left = parts.in_shares.coordinator.retire_wallet(wallet.id, asker)
    except HyperkmsError as error:
        left = {"all": error.message}
    for name, why in left.items():
        logger("hyperkms.cosigners").warning("wallet-not-retired", wallet=wallet.id, cosigner=name, why=why)
    return left


def shares_are_destroyed(parts: "Parts", asker: Asker, wallet: Wallet, number: int) -> bool:
    """Have every cosigner destroy its share; False, and it is tried again later, if one has not."""
    if parts.in_shares is None:
        return False
    try:
        parts.in_shares.coordinator.retire(wallet.id, number, asker)
    except HyperkmsError as error:
        logger("hyperkms.cosigners").warning(
            "shares-left", wallet=wallet.id, version=number, code=error.code, words=error.message
        )
        return False
    return True
