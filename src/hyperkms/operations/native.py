"""Wallets whose keys AWS KMS made and keeps: how the operations reach them. Each signature is a call of KMS."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hyperkms import _core
from hyperkms.custody.native import NativeKeys, NativePlace
from hyperkms.errors import HyperkmsError, Refused, Unavailable
from hyperkms.hyperliquid.digest_input import DigestInput
from hyperkms.operations.signed_form import kms_form
from hyperkms.state.log import logger
from hyperkms.wallet import KeyType, KeyVersion, Network, PublicKey, Wallet, WalletId

if TYPE_CHECKING:
    from hyperkms.operations.parts import Parts

_PROOF = b"hyperkms: AWS KMS signs with this key"


@dataclass(frozen=True)
class NativeKey:
    """Stands where another wallet's key handle does."""

    keys: NativeKeys
    name: str
    """The ARN of the key."""
    key_type: KeyType
    public_key: PublicKey


@dataclass(frozen=True)
class MadeKey:
    """A key that KMS has made, and that no version names yet."""

    token: str
    name: str
    public_key: PublicKey


def native_keys_of(parts: "Parts") -> NativeKeys:
    """Refused where the root key is not in AWS KMS: nobody is asked there for anything."""
    if parts.native is None:
        words = "keys in AWS KMS are for a service whose root key is there too: set HYPERKMS_ROOT_KEY=aws-kms:KEY"
        raise Refused("kms-native-off", words)
    return parts.native


def native_key(parts: "Parts", wallet: Wallet, version: KeyVersion) -> NativeKey:
    """What signs for a version of such a wallet."""
    if version.kms_key is None:
        raise AssertionError("a version of a kms-native wallet has its key")
    return NativeKey(native_keys_of(parts), version.kms_key, wallet.key_type, version.public_key)


def sign_message_in_kms(key: NativeKey, message: bytes) -> tuple[str, str]:
    """Signature and digest: raw by an Ed25519 key, at most 4096 bytes; in EIP-191 form by a secp256k1 key."""
    return key.keys.sign(key.name, key.key_type, _message_form(key.key_type, key.public_key, message))


def sign_action_in_kms(key: NativeKey, given: DigestInput) -> tuple[str, str]:
    """Signature and digest of a numbered action; the core hashes."""
    return key.keys.sign(key.name, key.key_type, kms_form(key.public_key, given))


def make_key(parts: "Parts", wallet: WalletId, number: int, key_type: KeyType, network: Network | None) -> MadeKey:
    """A new key in KMS for a version that is not listed yet; it is known to sign.

    1. Note that KMS is about to be asked, under a token that the key will bear.
    2. Have it made.  3. Note it.
    4. See that it bears the token, read its public key, and have it sign something that is no action of anybody.
    Killed anywhere, or refused, it leaves a note: the sweep withdraws the key, and looks for it if 3 was not reached.
    """
    keys, token = native_keys_of(parts), secrets.token_hex(16)
    place = NativePlace(wallet=wallet, version=number, key_type=key_type, network=network, token=token)
    parts.kms_keys.begin(token, wallet, number, now=parts.clock())  # (1)
    name = keys.make(place)  # (2)
    parts.kms_keys.note(token, name)  # (3)
    keys.require_marked(name, token)  # (4)
    public_key = keys.public_key(name, key_type)
    keys.prove(name, key_type, _message_form(key_type, public_key, _PROOF))
    return MadeKey(token, name, public_key)


@contextmanager
def withdrawn_unless_listed(parts: "Parts", made: MadeKey) -> Iterator[None]:
    """Within this block a version is listed with the key; if it is not, the key is withdrawn."""
    try:
        yield
    except HyperkmsError:
        _withdraw_unlisted(parts, made)
        raise


def key_is_withdrawn(parts: "Parts", wallet: WalletId, version: KeyVersion) -> bool:
    """Have KMS disable the key and schedule its deletion; False, and it is tried again later, if that failed."""
    if version.kms_key is None or parts.native is None:
        return False
    try:
        parts.native.withdraw(version.kms_key)
    except HyperkmsError as error:
        _tell_left(wallet, version.number, error)
        return False
    return True


def withdraw_left(parts: "Parts", *, begun_before: int) -> Iterator[tuple[WalletId, int]]:
    """Withdraw the keys of calls that were cut off before they listed a version; which versions they were for.

    1. Claim those that were begun long ago: no version is listed with their keys from here on.
    2. Find the key, if nobody has noted it, and withdraw it.  3. Forget it.
    One that cannot be withdrawn now keeps no other from it.
    """
    if parts.native is None:
        return
    for left in parts.kms_keys.claim(begun_before=begun_before, now=parts.clock()):  # (1)
        try:
            name = left.kms_key or parts.native.find(left.token)  # (2)
            if name is not None:
                parts.native.withdraw(name)
        except HyperkmsError as error:
            _tell_left(left.wallet, left.version, error)
            continue
        parts.kms_keys.forget(left.token)  # (3)
        if name is None:
            logger("hyperkms.kms").warning("kms-key-never-made", wallet=left.wallet, version=left.version)
        else:
            yield left.wallet, left.version


def _tell_left(wallet: WalletId, version: int, error: HyperkmsError) -> None:
    told = {"wallet": wallet, "version": version, "code": error.code, "words": error.message}
    logger("hyperkms.kms").warning("kms-key-left", **told)


def _withdraw_unlisted(parts: "Parts", made: MadeKey) -> None:
    """Only what no version was listed with: a commit may have come through whose answer was lost."""
    try:
        if parts.native is not None and parts.kms_keys.claim_one(made.token, now=parts.clock()):
            parts.native.withdraw(made.name)
            parts.kms_keys.forget(made.token)
    except Unavailable:  # the sweep does it
        return


def _message_form(key_type: KeyType, public_key: PublicKey, message: bytes) -> _core.KmsForm:
    if key_type is KeyType.ED25519:
        return _core.KmsForm.ed25519(public_key, message)
    return _core.KmsForm.eip191(public_key, message)
