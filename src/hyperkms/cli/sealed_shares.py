"""Where the sealed shares of a cosigner are, by the settings: beside its wallets, or in AWS Secrets Manager."""

from hyperkms.cli.layout import IDENTITY
from hyperkms.config import DATABASE_AS_KEY_STORE, Config
from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.observed import Observer, nobody
from hyperkms.custody.aws.secrets import SCHEME, AwsSecrets, Patience
from hyperkms.operations.parts import Parts
from hyperkms.state.share_secrets import ShareSecrets
from hyperkms.threshold.cosigner.sealed_shares import SealedShares, SharesInRows, SharesInSecrets

FOLDER = "hyperkms-cosigner/"
"""What no wallet of a service has its secrets below, whatever its id."""
_SHORT = Patience(attempts=2, read_s=1.5)
"""A coordinator waits 5 s for a signature: it hears of an outage before that, and asks others."""


def sealed_shares(config: Config, parts: Parts, identity: bytes) -> SealedShares:
    """Those of the cosigner with this public key; `parts` has found that it is the place with which it began."""
    if config.key_store == DATABASE_AS_KEY_STORE:
        return SharesInRows()
    store = share_secrets_of(AwsAccount(config.aws_region), config, parts.metrics.aws_called)
    return SharesInSecrets(store, ShareSecrets(parts.database), identity, parts.clock)


def share_secrets_of(account: AwsAccount, config: Config, observer: Observer = nobody) -> AwsSecrets:
    """The secrets of cosigners below the prefix of the settings."""
    prefix = config.key_store.removeprefix(SCHEME) or config.secrets_prefix
    return AwsSecrets(account, prefix + FOLDER, observer=observer, patience=_SHORT)


def public_identity(config: Config) -> bytes:
    """The identity of a directory as its file says, without its root key."""
    from hyperkms import _core  # noqa: PLC0415 (for who opens no root key)

    return _core.inspect_sealed_key((config.data / IDENTITY).read_bytes()).public_key
