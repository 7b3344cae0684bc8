"""The root key in AWS KMS: it wraps data keys there, and never leaves it."""

from hyperkms._core import Context, DataKey, KmsClient
from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.kms_key import SCHEME, KmsKey
from hyperkms.custody.aws.observed import Observer, nobody
from hyperkms.custody.root_key import FreshDataKey

__all__ = ["SCHEME", "AwsKmsRootKey", "encryption_context"]


class AwsKmsRootKey:
    """A symmetric KMS key; data keys of wallets' keys are made and unwrapped by it. Only the core receives them."""

    def __init__(self, account: AwsAccount, key: str, *, observer: Observer = nobody) -> None:
        """`key` is an id, an ARN or an alias, which is resolved now."""
        self._key: KmsKey[DataKey] = KmsKey(account, key, KmsClient, observer=observer)

    @property
    def id(self) -> str:
        """`aws-kms:` and the ARN of the key."""
        return self._key.id

    def new_data_key(self, context: Context) -> FreshDataKey:
        """A fresh data key of 32 bytes, bound to the context."""
        return FreshDataKey(*self._key.new_data_key(encryption_context(context)))

    def unwrap(self, wrapped: bytes, context: Context) -> DataKey:
        """The data key that was wrapped under this key and context; Tampered otherwise."""
        return self._key.unwrap(wrapped, encryption_context(context))

    def check(self) -> None:
        """What the last call met, if it was a fault; a fault of more than 5 s is looked into again (DescribeKey)."""
        self._key.check()


def encryption_context(context: Context) -> dict[str, str]:
    """What KMS binds a data key to, and CloudTrail shows: docs/formats.md."""
    return {
        "hyperkms:purpose": context.purpose.replace(" ", "-"),
        "hyperkms:wallet": context.wallet,
        "hyperkms:version": str(context.version),
        "hyperkms:key-type": context.key_type,
        "hyperkms:network": context.network,
        "hyperkms:origin": context.origin,
    }
