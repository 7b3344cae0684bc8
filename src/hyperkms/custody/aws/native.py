"""Keys of wallets in AWS KMS: asymmetric, for signing alone, made there and never to be had.

The rights: kms:CreateKey and kms:TagResource with the tags of `_tags`; kms:GetPublicKey, kms:Sign, kms:DescribeKey,
kms:DisableKey and kms:ScheduleKeyDeletion on keys that bear them; kms:ListKeys and kms:ListResourceTags to find the key
of a call that was cut off. docs/aws.md has the policy.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hyperkms import _core
from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.kms_key import called
from hyperkms.custody.aws.last_fault import LastFault
from hyperkms.custody.aws.observed import Observer, begun, nobody
from hyperkms.custody.native import NativePlace
from hyperkms.errors import HyperkmsError, Tampered, Unavailable, Withdrawn
from hyperkms.state.waiting import about_to_wait
from hyperkms.wallet import KeyType, PublicKey

DELETED_AFTER_DAYS = 30
"""Between the end of a key and its deletion an administrator of the account can still have it back; KMS's longest."""
MAKING = "hyperkms:making"
_SPEC = {KeyType.ED25519: "ECC_NIST_EDWARDS25519", KeyType.SECP256K1: "ECC_SECG_P256K1"}
_MESSAGE = {KeyType.ED25519: "RAW", KeyType.SECP256K1: "DIGEST"}
_ALGORITHM = {KeyType.ED25519: "ED25519_SHA_512", KeyType.SECP256K1: "ECDSA_SHA_256"}
_USAGE = "SIGN_VERIFY"
_LOOKS, _PAUSE_S = 5, 0.1
"""A key that was made this moment is not known everywhere in KMS yet."""


class AwsKmsNativeKeys:
    """One KMS key a version of a wallet; a call has three attempts, as botocore counts them, and CreateKey one."""

    def __init__(self, account: AwsAccount, root_key: str, service: str, *, observer: Observer = nobody) -> None:
        """`root_key` is the ARN of the root key, `service` the id of this service: by both an operator finds a key."""
        self._client: Any = account.client("kms")
        self._maker: Any = account.client("kms", attempts=1)
        """Asked again, KMS would make a second key for a note that tells of one."""
        self._root_key = root_key.rpartition("/")[2]
        self._service = service
        self._observe = observer
        self._last = LastFault()

    def make(self, place: NativePlace) -> str:
        """A new key (CreateKey), each time it is called; its ARN."""
        network = place.network.value if place.network else "no network"
        words = f"hyperkms: wallet {place.wallet}, version {place.version}, {place.key_type.value}, {network}"
        answer = self._ask(
            "CreateKey",
            "a new key",
            lambda: self._maker.create_key(
                KeySpec=_SPEC[place.key_type], KeyUsage=_USAGE, Description=words, Tags=self._tags(place)
            ),
        )
        made = answer.get("KeyMetadata", {})
        if not isinstance(made.get("Arn"), str) or (made.get("KeySpec"), made.get("KeyUsage")) != (
            _SPEC[place.key_type],
            _USAGE,
        ):
            raise Unavailable("kms-answer-malformed", "AWS KMS was asked for a key for signing, and answered otherwise")
        return str(made["Arn"])

    def find(self, token: str) -> str | None:
        """The key with this token among its tags, whoever looks at all keys of the region; those of others are left."""
        for key in self._keys():
            try:
                tags = self._tags_of(key)
            except Withdrawn:  # no key of this service, or it is gone
                continue
            if tags.get(MAKING) == token:
                return key
        return None

    def public_key(self, key: str, key_type: KeyType) -> PublicKey:
        """That of the key (GetPublicKey), which was made for this alone; Tampered otherwise."""
        answer = self._soon("GetPublicKey", key, lambda: self._client.get_public_key(KeyId=key))
        self._require_own(answer, key)
        if (answer.get("KeySpec"), answer.get("KeyUsage")) != (_SPEC[key_type], _USAGE):
            raise Tampered("kms-public-key-wrong", f"KMS key {key} is no {_SPEC[key_type]} key for signing")
        return PublicKey(_core.read_kms_public_key(key_type.value, bytes(answer.get("PublicKey", b""))))

    def sign(self, key: str, key_type: KeyType, form: _core.KmsForm) -> tuple[str, str]:
        """One call of KMS (Sign). What it answers is nothing before the core has verified it."""
        self._last.require_no_outage()
        try:
            answer = self._ask("Sign", key, self._signing(key, key_type, form))
        except HyperkmsError as fault:
            self._last.note(fault)
            raise
        self._last.note(None)
        return self._accepted(answer, key, key_type, form)

    def prove(self, key: str, key_type: KeyType, form: _core.KmsForm) -> tuple[str, str]:
        """The same by a key that was made this moment."""
        return self._accepted(self._soon("Sign", key, self._signing(key, key_type, form)), key, key_type, form)

    def require_marked(self, key: str, token: str) -> None:
        """That its tags can be read, and have the token: else it would be found by nobody after a crash."""
        page = self._soon("ListResourceTags", key, lambda: self._client.list_resource_tags(KeyId=key))
        if _tags_in(page).get(MAKING) != token:
            raise Tampered("kms-key-mismatch", f"KMS key {key} does not bear the tags that it was made with")

    def withdraw(self, key: str) -> None:
        """Disable it, so that it stays so if its deletion is called off, and schedule that (ScheduleKeyDeletion)."""
        try:
            self._ask("DisableKey", key, lambda: self._client.disable_key(KeyId=key))
            days = DELETED_AFTER_DAYS
            schedule = self._client.schedule_key_deletion
            self._ask("ScheduleKeyDeletion", key, lambda: schedule(KeyId=key, PendingWindowInDays=days))
        except Withdrawn as refused:
            if refused.code == "kms-key-not-found" or (refused.code == "kms-key-disabled" and self._is_ending(key)):
                return
            raise

    def _is_ending(self, key: str) -> bool:
        answer = self._ask("DescribeKey", key, lambda: self._client.describe_key(KeyId=key))
        return bool(answer.get("KeyMetadata", {}).get("KeyState") == "PendingDeletion")

    def _signing(self, key: str, key_type: KeyType, form: _core.KmsForm) -> Callable[[], Mapping[str, Any]]:
        asked = {"MessageType": _MESSAGE[key_type], "SigningAlgorithm": _ALGORITHM[key_type]}
        return lambda: self._client.sign(KeyId=key, Message=form.asked, **asked)

    def _accepted(self, answer: Mapping[str, Any], key: str, key_type: KeyType, form: _core.KmsForm) -> tuple[str, str]:
        self._require_own(answer, key)
        if answer.get("SigningAlgorithm") != _ALGORITHM[key_type]:
            raise Tampered("kms-signature-wrong", f"KMS key {key} signed by another algorithm than it was asked for")
        return form.accept(bytes(answer.get("Signature", b"")))

    def _tags(self, place: NativePlace) -> list[dict[str, str]]:
        tags = {
            "hyperkms:root-key": self._root_key,
            "hyperkms:service": self._service,
            "hyperkms:wallet": place.wallet,
            "hyperkms:version": str(place.version),
            MAKING: place.token,
        }
        return [{"TagKey": name, "TagValue": value} for name, value in tags.items()]

    def _keys(self) -> Iterator[str]:
        asked: dict[str, object] = {"Limit": 1000}
        while True:
            page = self._ask("ListKeys", "the keys of this region", lambda: self._client.list_keys(**asked))
            yield from (str(key["KeyArn"]) for key in page.get("Keys", ()))
            if not page.get("Truncated"):
                return
            asked["Marker"] = page["NextMarker"]

    def _tags_of(self, key: str) -> dict[str, str]:
        return _tags_in(self._ask("ListResourceTags", key, lambda: self._client.list_resource_tags(KeyId=key)))

    def _require_own(self, answer: Mapping[str, Any], key: str) -> None:
        if answer.get("KeyId") is None:  # botocore takes what is no JSON for an answer without members
            raise Unavailable("kms-answer-malformed", "what answered is not AWS KMS, or was cut off")
        if answer["KeyId"] != key:
            raise Tampered("kms-key-mismatch", f"AWS KMS answered for another key than {key}")

    def _soon(self, operation: str, key: str, call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """What is asked of a key that may be new: for a second KMS may not know it everywhere."""
        for look in range(1, _LOOKS):
            try:
                return self._ask(operation, key, call)
            except Withdrawn as fault:
                if fault.code != "kms-key-not-found":
                    raise
            time.sleep(_PAUSE_S * look)
        return self._ask(operation, key, call)

    def _ask(self, operation: str, key: str, call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        about_to_wait()  # also where a signer was found long before, as by a plan
        told = begun(self._observe, "kms", operation)
        answer = called(call, operation, key, told)
        told("ok")
        return answer


def _tags_in(page: Mapping[str, Any]) -> dict[str, str]:
    return {str(tag["TagKey"]): str(tag["TagValue"]) for tag in page.get("Tags", ())}
