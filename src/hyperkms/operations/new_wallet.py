"""A wallet that is wanted."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hyperkms.wallet import Custody, KeyType, Network, WalletId


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
