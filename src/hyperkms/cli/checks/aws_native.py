"""Keys in AWS KMS: the life of one of each kind, from its making to its end; the right that is missing is named."""

import secrets
from collections.abc import Callable, Iterator

from hyperkms import _core
from hyperkms.cli.checks.finding import Finding, bad, note, tried
from hyperkms.config import Config
from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.kms import SCHEME as KMS
from hyperkms.custody.aws.kms import AwsKmsRootKey
from hyperkms.custody.aws.native import DELETED_AFTER_DAYS, AwsKmsNativeKeys
from hyperkms.custody.native import NativePlace
from hyperkms.errors import HyperkmsError
from hyperkms.wallet import KeyType, WalletId

_MESSAGE = b"hyperkms doctor: AWS KMS signs with this key"
_SERVICE = "doctor"


def native(config: Config) -> Iterator[Finding]:
    """Each call that wallets of custody kms-native need, with a key of each kind that is ended again."""
    if not config.root_key.startswith(KMS):
        yield note("kms-native", "the root key is not in AWS KMS: no wallet has its key there")
        return
    try:
        account = AwsAccount(config.aws_region)
        root_key = AwsKmsRootKey(account, config.root_key.removeprefix(KMS))
    except HyperkmsError as error:
        yield bad("kms-native", str(error), "docs/aws.md says what the role of this service needs")
        return
    keys = AwsKmsNativeKeys(account, root_key.id, _SERVICE)
    for key_type in KeyType:
        yield from _life(keys, key_type)


def _life(keys: AwsKmsNativeKeys, key_type: KeyType) -> Iterator[Finding]:
    token = secrets.token_hex(16)
    wallet = WalletId(f"doctor-{token[:16]}")
    place = NativePlace(wallet=wallet, version=1, key_type=key_type, network=None, token=token)
    name, finding = tried(f"kms:CreateKey and kms:TagResource ({key_type.value})", lambda: keys.make(place))
    yield finding
    if name is None:
        return
    public_key, finding = tried("kms:GetPublicKey", lambda: keys.public_key(name, key_type))
    yield finding
    if public_key is not None:
        form = _core.KmsForm.ed25519 if key_type is KeyType.ED25519 else _core.KmsForm.eip191
        yield tried("kms:Sign", lambda: keys.prove(name, key_type, form(public_key, _MESSAGE)))[1]
    ends: tuple[tuple[str, Callable[[], object]], ...] = (
        ("kms:ListResourceTags", lambda: keys.require_marked(name, token)),
        ("kms:ListKeys", lambda: keys.find(token)),
        ("kms:DisableKey and kms:ScheduleKeyDeletion", lambda: keys.withdraw(name)),
    )
    for right, call in ends:
        finding = tried(right, call)[1]
        yield finding
    if finding.do:
        words = f"the key {name} was made by this look and is still there"
        yield bad("kms-native", words, "disable it and schedule its deletion")
        return
    yield note("kms-native", f"the key of this look, {name}, is deleted in {DELETED_AFTER_DAYS} days")
