"""The form in which an action is signed: msgpack or typed data, as its type says."""

from hyperkms import _core
from hyperkms.hyperliquid.digest_input import DigestInput


def sign_form(handle: _core.KeyHandle, given: DigestInput) -> tuple[str, str]:
    """Signature and digest of a numbered action; the core hashes."""
    typed = given.typed()
    if typed is None:
        return _core.sign_l1(handle, **given.l1())
    return _core.sign_user_action(handle, **typed)


def kms_form(public_key: bytes, given: DigestInput) -> _core.KmsForm:
    """The same, for a key that AWS KMS keeps: what it is asked to sign."""
    typed = given.typed()
    return (
        _core.KmsForm.l1(public_key, **given.l1()) if typed is None else _core.KmsForm.user_action(public_key, **typed)
    )
