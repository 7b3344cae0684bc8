"""AWS: each call that the service makes, done once with a probe; the right that is missing is named."""

import secrets
from collections.abc import Callable, Iterator

from hyperkms import _core
from hyperkms.cli.checks.finding import Finding, bad, note, tried
from hyperkms.cli.layout import IDENTITY
from hyperkms.config import Config
from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.kms import SCHEME as KMS
from hyperkms.custody.aws.kms import AwsKmsRootKey
from hyperkms.custody.aws.secrets_manager import SCHEME as SECRETS
from hyperkms.custody.aws.secrets_manager import AwsSecretsManagerKeyStore
from hyperkms.errors import HyperkmsError
from hyperkms.wallet import SealedKey, WalletId


def aws(config: Config) -> Iterator[Finding]:
    """What the settings name of AWS; each right is tried, and the probe is removed again."""
    if not (config.root_key.startswith(KMS) or config.key_store.startswith(SECRETS)):
        yield note("aws", "no setting names AWS", "set HYPERKMS_ROOT_KEY=aws-kms:KEY, or AWS_KMS_KEY_ID")
        return
    try:
        account = AwsAccount(config.aws_region)
    except HyperkmsError as error:
        yield bad("aws", str(error), "docs/aws.md says what the role of this service needs")
        return
    probe = f"doctor-{secrets.token_hex(8)}"
    if config.root_key.startswith(KMS):
        yield from _root_key(account, config, probe)
    if config.key_store.startswith(SECRETS):
        prefix = config.key_store.removeprefix(SECRETS) or config.secrets_prefix
        yield from _secrets(AwsSecretsManagerKeyStore(account, prefix), prefix, WalletId(probe))


def _root_key(account: AwsAccount, config: Config, probe: str) -> Iterator[Finding]:
    key = config.root_key.removeprefix(KMS)
    if not (config.data / IDENTITY).exists():
        yield from _kms(account, key, probe)
        return
    from hyperkms.cli.checks.aws_cosigner import kms  # noqa: PLC0415 (the module of shares, for a cosigner alone)

    yield from kms(account, key, config.data, probe)


def _kms(account: AwsAccount, key: str, probe: str) -> Iterator[Finding]:
    root_key, finding = tried("kms:DescribeKey", lambda: AwsKmsRootKey(account, key))
    yield finding
    if root_key is None:
        return
    context = _core.Context(wallet=probe, version=1, key_type="ed25519", network="none", origin="generated")
    fresh, finding = tried("kms:GenerateDataKey", lambda: root_key.new_data_key(context))
    yield finding
    if fresh is not None:
        wrapped = fresh.wrapped
        yield tried("kms:Decrypt", lambda: root_key.unwrap(wrapped, context))[1]


def _secrets(store: AwsSecretsManagerKeyStore, prefix: str, probe: WalletId) -> Iterator[Finding]:
    sealed = SealedKey(b"a probe of hyperkms doctor, not a key")
    calls: tuple[tuple[str, Callable[[], object]], ...] = (
        ("secretsmanager:CreateSecret", lambda: store.create(probe, 1, sealed)),
        ("secretsmanager:GetSecretValue", lambda: store.get(probe, 1)),
        ("secretsmanager:DeleteSecret", lambda: store.delete(probe, 1)),
    )
    for right, call in calls:
        finding = tried(right, call)[1]
        yield finding
        if finding.do and right == "secretsmanager:CreateSecret":
            return
    yield note("aws", f"secrets are kept below {prefix}")
