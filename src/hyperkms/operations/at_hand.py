"""Signers that were found, for the next request of the same client for the same wallet."""

from typing import NamedTuple, TypeAlias

import msgspec

from hyperkms import _core
from hyperkms.access.authority import Authority
from hyperkms.access.clients import Client
from hyperkms.operations.in_shares import ThresholdKey
from hyperkms.operations.native import NativeKey
from hyperkms.state.remembered import Remembered
from hyperkms.wallet import KeyVersion, Wallet, WalletId

MOST_SIGNERS = 4_096


class Signer(msgspec.Struct, frozen=True):
    """A key version that may sign now."""

    wallet: Wallet
    version: KeyVersion
    handle: _core.KeyHandle | ThresholdKey | NativeKey
    generation: int | None
    """That of the wallets when it was found."""
    authority: Authority | None = None
    """What decides over actions; None for what signs none."""


class Found(NamedTuple):
    """A signer, and whose it is."""

    signer: Signer
    client: Client
    """Kept, so that nobody else can have the id under which this is remembered."""


SignerName: TypeAlias = tuple[int, WalletId, int | None, str]
"""The id of the client object, the wallet, the version that was asked for, the operation."""
SignersAtHand: TypeAlias = Remembered[SignerName, Found]
"""Holds as long as no wallet changes; a client that changes is another object."""
