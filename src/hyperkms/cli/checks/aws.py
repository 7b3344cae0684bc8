"""AWS: each call that the service makes, done once with a probe; the right that is missing is named."""

import secrets
from collections.abc import Callable, Iterator
from contextlib import closing

from hyperkms import _core
from hyperkms.cli.checks.finding import Finding, bad, note, tried
from hyperkms.cli.layout import IDENTITY
from hyperkms.cli.places import address_of, has_database
from hyperkms.config import Config
from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.kms import SCHEME as KMS
from hyperkms.custody.aws.kms import AwsKmsRootKey
from hyperkms.custody.aws.secrets import SCHEME as SECRETS
from hyperkms.custody.aws.secrets import AwsSecrets
from hyperkms.custody.aws.secrets_manager import FOLDER as WALLETS
from hyperkms.custody.key_store import NamedStore
from hyperkms.custody.log_keys import stored_log_key
from hyperkms.errors import HyperkmsError
from hyperkms.state.database import open_database
from hyperkms.wallet import WalletId


def aws(config: Config) -> Iterator[Finding]:
    """What the settings name of AWS; each right is tried, and the probe is removed again."""
    before = config.root_key_before or ""
    if not any(name.startswith((KMS, SECRETS)) for name in (config.root_key, before, config.key_store)):
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
    if before.startswith(KMS):
        yield from _root_key_before(account, config, before.removeprefix(KMS))
    if config.key_store.startswith(SECRETS):
        yield from _secrets(*_probed(account, config, probe))


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


def _root_key_before(account: AwsAccount, config: Config, key: str) -> Iterator[Finding]:
    """The one that is being left opens what is under it, and makes nothing: the log key, which moves last."""
    root_key, finding = tried("kms:DescribeKey under HYPERKMS_ROOT_KEY_BEFORE", lambda: AwsKmsRootKey(account, key))
    yield finding
    if root_key is None or not has_database(config):
        return
    with closing(open_database(address_of(config))) as database:
        sealed = stored_log_key(database)
    header = None if sealed is None else _core.inspect_sealed_key(sealed)
    if header is None or header.root_key_id != root_key.id:
        words = "the log key is not under HYPERKMS_ROOT_KEY_BEFORE: keys were sealed anew"
        yield note("aws", words, "leave HYPERKMS_ROOT_KEY_BEFORE out")
        return
    wrapped = header.wrapped
    yield tried(
        "kms:Decrypt under HYPERKMS_ROOT_KEY_BEFORE", lambda: root_key.unwrap(wrapped, _core.Context.of_log_key())
    )[1]


def _probed(account: AwsAccount, config: Config, probe: str) -> tuple[NamedStore, str, str]:
    """Where secrets are, the name of one to try there, and how people call the place."""
    prefix = config.key_store.removeprefix(SECRETS) or config.secrets_prefix
    if not (config.data / IDENTITY).exists():
        return AwsSecrets(account, prefix + WALLETS), f"{probe}/v1", prefix
    from hyperkms.cli.sealed_shares import FOLDER, public_identity, share_secrets_of  # noqa: PLC0415 (as below)
    from hyperkms.state.share_secrets import ShareSecret  # noqa: PLC0415 (as below)
    from hyperkms.threshold.cosigner.sealed_shares import secret_names  # noqa: PLC0415 (as below)

    tried_with = ShareSecret(digest=bytes(32), wallet=WalletId(probe), version=1, epoch=0, pieces=1, noted_at=0)
    [name] = secret_names(public_identity(config), tried_with)
    return share_secrets_of(account, config), name, prefix + FOLDER


def _secrets(store: NamedStore, name: str, place: str) -> Iterator[Finding]:
    sealed = b"a probe of hyperkms doctor, not a key"
    calls: tuple[tuple[str, Callable[[], object]], ...] = (
        ("secretsmanager:CreateSecret", lambda: store.create(name, sealed)),
        ("secretsmanager:GetSecretValue", lambda: store.get(name)),
        ("secretsmanager:DeleteSecret", lambda: store.delete(name)),
    )
    for right, call in calls:
        finding = tried(right, call)[1]
        yield finding
        if finding.do and right == "secretsmanager:CreateSecret":
            return
    yield note("aws", f"secrets are kept below {place}")
