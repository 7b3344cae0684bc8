"""Which root key and which key store stand behind their Protocols, by the settings."""

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hyperkms.cli.root_key import file_of, standing_root_key
from hyperkms.config import DATABASE_AS_KEY_STORE, Config
from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.first_system import FirstSystemInAws
from hyperkms.custody.aws.kms import SCHEME as KMS
from hyperkms.custody.aws.kms import AwsKmsRootKey
from hyperkms.custody.aws.native import AwsKmsNativeKeys
from hyperkms.custody.aws.observed import Observer
from hyperkms.custody.aws.secrets_manager import AwsSecretsManagerKeyStore
from hyperkms.custody.database import DatabaseKeyStore
from hyperkms.custody.key_store import KeyStore
from hyperkms.custody.keyring import Conditions
from hyperkms.custody.leases import Terms
from hyperkms.custody.local_file import LocalFileRootKey
from hyperkms.custody.moving import MovingKeyStore
from hyperkms.custody.native import NativeKeys
from hyperkms.custody.root_change import require_known
from hyperkms.custody.root_key import RootKey
from hyperkms.custody.sealings import Sealings, settle_key_store
from hyperkms.errors import Conflict, Malformed, Tampered
from hyperkms.state import facts
from hyperkms.state.database import Database


@dataclass(frozen=True)
class Custody:
    """Where keys come from, and for how long one that was opened is used."""

    root_key: RootKey
    key_store: KeyStore
    conditions: Conditions
    account: AwsAccount | None = None
    """The one in which they are; None where neither is in AWS."""


def open_custody(config: Config, database: Database, observer: Observer) -> Custody:
    """Open both; Tampered unless the root key is the one under which this directory was made."""
    named = (config.root_key, config.key_store, config.root_key_before or "")
    uses_aws = any(name.startswith("aws-") for name in named)
    account = AwsAccount(config.aws_region) if uses_aws else None
    scheme, _, rest = config.root_key.partition(":")
    before = _before(config, account, observer)
    root_key: RootKey
    if scheme == "file":
        root_key = _root_file(file_of(config.root_key, config.data), database)
    elif scheme == "aws-kms" and account and rest:
        root_key = AwsKmsRootKey(account, rest, observer=observer)
    else:
        words = f"{scheme}: is not one of the root keys: file:, aws-kms:KEY"
        raise Malformed("malformed-setting", f"HYPERKMS_ROOT_KEY: {words}", {"setting": "HYPERKMS_ROOT_KEY"})
    _settle(database, root_key, before)
    terms = None if scheme == "file" else Terms(config.key_lease_s)
    return Custody(root_key, _key_store(config, database, account, observer), Conditions(before, terms), account)


def native_keys_of(config: Config, custody: Custody, service: str, observer: Observer) -> NativeKeys | None:
    """AWS KMS for keys that stay there; None where the root key is elsewhere."""
    if custody.account is None or not config.root_key.startswith(KMS):
        return None
    return AwsKmsNativeKeys(custody.account, custody.root_key.id, service, observer=observer)


def first_system_of(config: Config, observer: Observer) -> FirstSystemInAws | None:
    """Where the first system kept its keys, asked once it is needed; None where no setting names its KMS key."""
    if config.first_system_key is None:
        return None
    return FirstSystemInAws(
        partial(AwsAccount, config.aws_region), config.secrets_prefix, config.first_system_key, observer=observer
    )


def _root_file(path: Path, database: Database) -> RootKey:
    if not path.exists():
        if facts.read(database, "root_key_id") is not None:
            raise Tampered("root-key-missing", f"the root key file {path} is gone; without it no key opens")
        with suppress(Conflict):  # another process that starts here now made it
            LocalFileRootKey.create(path)
    return LocalFileRootKey.open(path)


def _before(config: Config, account: AwsAccount | None, observer: Observer) -> RootKey | None:
    if config.root_key_before is None:
        return None
    if config.root_key_before.startswith(KMS) and account:
        return AwsKmsRootKey(account, config.root_key_before.removeprefix(KMS), observer=observer)
    return standing_root_key(config.root_key_before, config.data, "HYPERKMS_ROOT_KEY_BEFORE")


def _settle(database: Database, root_key: RootKey, before: RootKey | None) -> None:
    standing = facts.settle(database, "root_key_id", root_key.id)
    require_known(database, root_key, before)
    if standing not in {root_key.id, before.id if before else None}:
        words = f"HYPERKMS_ROOT_KEY is root key {root_key.id}; this data directory is under {standing}"
        raise Tampered("wrong-root-key", words)


def _key_store(config: Config, database: Database, account: AwsAccount | None, observer: Observer) -> KeyStore:
    scheme, _, rest = config.key_store.partition(":")
    store: KeyStore
    if config.key_store == DATABASE_AS_KEY_STORE:
        store, name = DatabaseKeyStore(database), config.key_store
    elif scheme == "aws-secrets-manager" and account:
        prefix = rest or config.secrets_prefix
        secrets = AwsSecretsManagerKeyStore.sealings(account, prefix, observer=observer)
        store, name = MovingKeyStore(secrets, Sealings(database)), f"{scheme}:{prefix}"
    else:
        words = f"{scheme}: is not one of the key stores: database:, aws-secrets-manager:[PREFIX]"
        raise Malformed("malformed-setting", f"HYPERKMS_KEY_STORE: {words}", {"setting": "HYPERKMS_KEY_STORE"})
    settle_key_store(database, name)
    return store
