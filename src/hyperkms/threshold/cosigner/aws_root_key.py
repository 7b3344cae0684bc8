"""The root key of a cosigner in AWS KMS: one of its own, in an account that no other cosigner is let into."""

from collections.abc import Mapping

import hyperkms_cosign as cosign

from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.kms_key import KmsKey
from hyperkms.custody.aws.observed import Observer


class AwsShareRootKey:
    """A symmetric KMS key, by which data keys of shares are made and unwrapped, for the module of shares."""

    def __init__(self, key: KmsKey[cosign.DataKey], identity: bytes | None = None) -> None:
        """`identity` is the cosigner's public key; until it is known nothing but the identity key is sealed."""
        self._key = key
        self._identity = identity

    @classmethod
    def of(cls, account: AwsAccount, key: str, observer: Observer) -> "AwsShareRootKey":
        """`key` is an id, an ARN or an alias, which is resolved now."""
        return cls(KmsKey(account, key, cosign.KmsClient, observer=observer))

    def identified(self, identity: bytes) -> "AwsShareRootKey":
        """The same key, for the shares of the cosigner of this identity."""
        return AwsShareRootKey(self._key, identity)

    @property
    def id(self) -> str:
        """`aws-kms:` and the ARN of the key."""
        return self._key.id

    def new_data_key(self, context: cosign.ShareContext | None) -> tuple[cosign.DataKey, bytes]:
        """A fresh data key of 32 bytes, bound to the share, or to the identity key."""
        return self._key.new_data_key(self._bound_to(context))

    def unwrap(self, wrapped: bytes, context: cosign.ShareContext | None) -> cosign.DataKey:
        """The data key that was wrapped under this key and context; Tampered otherwise."""
        return self._key.unwrap(wrapped, self._bound_to(context))

    def _bound_to(self, context: cosign.ShareContext | None) -> Mapping[str, str]:
        if context is None:
            return context_of_identity()
        if self._identity is None:
            raise TypeError("no share is sealed or opened before the identity key of its cosigner is")
        return context_of_share(context, self._identity)


def context_of_identity() -> Mapping[str, str]:
    """What KMS binds the data key of an identity key to, whose public part nobody knows yet: docs/formats.md."""
    return {"hyperkms:purpose": "cosigner-identity", "hyperkms:cosigner": "identity"}


def context_of_share(context: cosign.ShareContext, identity: bytes) -> Mapping[str, str]:
    """What KMS binds the data key of a share to, and CloudTrail shows: docs/formats.md.

    `hyperkms:cosigner` is in no data key of a service: a policy tells them apart by it, and one cosigner from another.
    """
    return {
        "hyperkms:purpose": "share",
        "hyperkms:cosigner": identity.hex(),
        "hyperkms:group": context.group.hex(),
        "hyperkms:index": str(context.index),
        "hyperkms:wallet": context.wallet,
        "hyperkms:version": str(context.version),
        "hyperkms:epoch": str(context.epoch),
        "hyperkms:key-type": context.key_type,
        "hyperkms:network": context.network,
    }
