"""AWS: each call that the service makes, done once with a probe; the right that is missing is named."""

import secrets
from collections.abc import Callable, Iterator
from typing import TypeVar

from hyperkms import _core
from hyperkms.cli.checks.finding import Finding, bad, good, note
from hyperkms.config import Config
from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.kms import SCHEME as KMS
from hyperkms.custody.aws.kms import AwsKmsRootKey
from hyperkms.custody.aws.secrets_manager import SCHEME as SECRETS
from hyperkms.custody.aws.secrets_manager import AwsSecretsManagerKeyStore
from hyperkms.errors import HyperkmsError
from hyperkms.wallet import SealedKey, WalletId

T = TypeVar("T")


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
        yield from _kms(account, config.root_key.removeprefix(KMS), probe)
    if config.key_store.startswith(SECRETS):
        prefix = config.key_store.removeprefix(SECRETS) or config.secrets_prefix
        yield from _secrets(AwsSecretsManagerKeyStore(account, prefix), prefix, WalletId(probe))


def _kms(account: AwsAccount, key: str, probe: str) -> Iterator[Finding]:
    root_key, finding = _tried("kms:DescribeKey", lambda: AwsKmsRootKey(account, key))
    yield finding
    if root_key is None:
        return
    context = _core.Context(wallet=probe, version=1, key_type="ed25519", network="none", origin="generated")
    fresh, finding = _tried("kms:GenerateDataKey", lambda: root_key.new_data_key(context))
    yield finding
    if fresh is not None:
        wrapped = fresh.wrapped
        yield _tried("kms:Decrypt", lambda: root_key.unwrap(wrapped, context))[1]


def _secrets(store: AwsSecretsManagerKeyStore, prefix: str, probe: WalletId) -> Iterator[Finding]:
    sealed = SealedKey(b"a probe of hyperkms doctor, not a key")
    calls: tuple[tuple[str, Callable[[], object]], ...] = (
        ("secretsmanager:CreateSecret", lambda: store.create(probe, 1, sealed)),
        ("secretsmanager:GetSecretValue", lambda: store.get(probe, 1)),
        ("secretsmanager:DeleteSecret", lambda: store.delete(probe, 1)),
    )
    for right, call in calls:
        finding = _tried(right, call)[1]
        yield finding
        if finding.do and right == "secretsmanager:CreateSecret":
            return
    yield note("aws", f"secrets are kept below {prefix}")


def _tried(right: str, call: Callable[[], T]) -> tuple[T | None, Finding]:
    try:
        done = call()
    except HyperkmsError as error:
        return None, bad(right, str(error), "docs/aws.md has the policy that the role needs")
    return done, good(right, "allowed")
