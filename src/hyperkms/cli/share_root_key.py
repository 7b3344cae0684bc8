"""Which root key stands behind the Protocol of a cosigner's shares, by the settings."""

import hyperkms_cosign as cosign

from hyperkms.cli.root_key import file_of
from hyperkms.config import Config
from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.kms_key import SCHEME as KMS
from hyperkms.operations.parts import Parts
from hyperkms.threshold.cosigner.aws_root_key import AwsShareRootKey
from hyperkms.threshold.cosigner.root_key import ShareRootKey


def share_root_key(config: Config, parts: Parts) -> ShareRootKey:
    """The one that the directory is under; of KMS by its ARN, whatever an alias has come to name meanwhile."""
    standing = parts.keyring.root_key_id
    return _opened(standing if standing.startswith(KMS) else config.root_key, config, parts)


def share_root_key_before(config: Config, parts: Parts) -> ShareRootKey:
    """The one that is being left; the core has opened the same, and knows that it stands."""
    return _opened(config.root_key_before or config.root_key, config, parts)


def identified(root_key: ShareRootKey, identity: cosign.Identity) -> ShareRootKey:
    """The same one, for the shares of the cosigner of this identity."""
    return root_key.identified(identity.public_key) if isinstance(root_key, AwsShareRootKey) else root_key


def _opened(uri: str, config: Config, parts: Parts) -> ShareRootKey:
    if uri.startswith(KMS):
        account = AwsAccount(config.aws_region)
        return AwsShareRootKey.of(account, uri.removeprefix(KMS), parts.metrics.aws_called)
    return cosign.LocalRootKey.open(file_of(uri, config.data))
