"""Sealed keys of wallets in AWS Secrets Manager: one secret a key version and sealing."""

from collections.abc import Callable
from functools import partial

from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.observed import Observer, nobody
from hyperkms.custody.aws.secrets import AwsSecrets
from hyperkms.custody.key_store import KeyStore
from hyperkms.wallet import SealedKey, WalletId

FOLDER = "hyperkms/"


class AwsSecretsManagerKeyStore:
    """The secret `<prefix>hyperkms/<wallet>/v<version>`, whose binary value is the sealed key.

    A slash is in no wallet id, so that no two places share a name, nor one with the names that the first system used.
    Keys that were sealed anew have names of their own, which end in `/r<how often>`.
    """

    def __init__(self, secrets: AwsSecrets, sealing: int = 0) -> None:
        """`sealing`: how often keys were sealed anew."""
        self._secrets = secrets
        self._ending = f"/r{sealing}" if sealing else ""

    @staticmethod
    def sealings(account: AwsAccount, prefix: str, *, observer: Observer = nobody) -> Callable[[int], KeyStore]:
        """The store of each sealing below a prefix."""
        return partial(AwsSecretsManagerKeyStore, AwsSecrets(account, prefix + FOLDER, observer=observer))

    def create(self, wallet: WalletId, version: int, sealed: SealedKey) -> None:
        """Store it, durable on return; Conflict if that place is taken."""
        self._secrets.create(self._name(wallet, version), sealed)

    def get(self, wallet: WalletId, version: int) -> SealedKey:
        """What was stored; NotFound if nothing was, or it was deleted."""
        return SealedKey(self._secrets.get(self._name(wallet, version)))

    def delete(self, wallet: WalletId, version: int) -> None:
        """Forget it; harmless if it is not there. Gone for this service at once."""
        self._secrets.delete(self._name(wallet, version))

    def _name(self, wallet: WalletId, version: int) -> str:
        return f"{wallet}/v{version}{self._ending}"
