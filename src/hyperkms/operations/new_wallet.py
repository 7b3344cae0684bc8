"""A wallet that is wanted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hyperkms.wallet import Custody, KeyType, KeyVersion, Network, Origin, PublicKey, VersionState, WalletId

FIRST = 1
"""The number of a wallet's first version."""


@dataclass(frozen=True, kw_only=True)
class NewWallet:
    """What is asked for."""

    id: WalletId
    key_type: KeyType | None = None
    network: Network | None = None
    metadata: Mapping[str, object] = field(default_factory=dict)
    custody: Custody = Custody.STANDARD
    """standard or kms-native; keys in shares are asked for elsewhere."""
    master: bool = False
    """Of a master account: a second copy of its key is made for the recovery recipient before the wallet is listed."""


def first_version(public_key: PublicKey, *, now: int, kms_key: str | None = None) -> KeyVersion:
    """The first version of a wallet whose key was made elsewhere, in force from now on."""
    return KeyVersion(
        number=FIRST,
        state=VersionState.ACTIVE,
        public_key=public_key,
        origin=Origin.GENERATED,
        created_at=now,
        activated_at=now,
        kms_key=kms_key,
    )
