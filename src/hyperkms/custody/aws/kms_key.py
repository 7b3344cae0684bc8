"""A key in AWS KMS by which data keys are made and unwrapped, whichever module receives its answers."""

import base64
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from hyperkms.custody.aws.account import ATTEMPTS, CONNECT_S, READ_S, AwsAccount
from hyperkms.custody.aws.last_fault import LastFault
from hyperkms.custody.aws.observed import Observer, Told, begun, nobody
from hyperkms.custody.aws.refusals import is_worth_another, kms_fault, outcome_of, unreached
from hyperkms.errors import HyperkmsError, Refused, Tampered, Unavailable, Withdrawn

SCHEME = "aws-kms:"
_WITHIN_MS = (CONNECT_S + READ_S) * 1000
_PAUSE_S = 0.1
_USAGE, _SPEC = "ENCRYPT_DECRYPT", "SYMMETRIC_DEFAULT"
_LOOKED_AT_S = 5.0
"""How long a fault is believed before KMS is asked again whether it stands."""

T = TypeVar("T")
Key = TypeVar("Key")
Key_co = TypeVar("Key_co", covariant=True)


class Answer(Protocol[Key_co]):
    """What KMS answered, with its data key, opaque; as `KmsAnswer` of the core and of the module of shares."""

    @property
    def status(self) -> int:
        """That of HTTP."""

    @property
    def refusal(self) -> str | None:
        """The code of an error."""

    @property
    def key_id(self) -> str | None:
        """The ARN of the key that was used."""

    @property
    def wrapped(self) -> bytes | None:
        """The data key, wrapped."""

    def take_data_key(self) -> Key_co | None:
        """The data key, once."""


class Client(Protocol[Key_co]):
    """Sends a signed request, over a connection of its own; as `KmsClient`."""

    def send(self, url: str, headers: Sequence[tuple[str, str]], body: bytes, *, within_ms: int) -> Answer[Key_co]:
        """Whatever was answered; Unavailable without an answer."""


class Connect(Protocol[Key_co]):
    """Makes a client; as the class `KmsClient` itself."""

    def __call__(self, *, trusted: bytes, proxy: str | None, connect_ms: int) -> Client[Key_co]:
        """PEM certificates, the address of a proxy, milliseconds for a connection."""


class KmsKey(Generic[Key]):
    """A symmetric KMS key; data keys are made and unwrapped by it, each under an encryption context.

    Only the client receives its answers: of the core, or of the module of shares, each of which keeps data keys to
    itself. Every call names the key by its ARN, and every answer must name the same. A call
    has at most 3 attempts of 3 s; what KMS definitely refuses is asked once.
    """

    def __init__(self, account: AwsAccount, key: str, client: Connect[Key], *, observer: Observer = nobody) -> None:
        """`key` is an id, an ARN or an alias, which is resolved now: once moved, an alias changes nothing here."""
        self._account = account
        self._observe = observer
        self._describer: Any = account.client("kms")
        self._endpoint = f"{self._describer.meta.endpoint_url.rstrip('/')}/"
        trusted, proxy = account.trusted(), account.proxy(self._endpoint)
        self._client = client(trusted=trusted, proxy=proxy, connect_ms=CONNECT_S * 1000)
        self._last = LastFault()
        self._arn = self._resolve(key)

    @property
    def id(self) -> str:
        """`aws-kms:` and the ARN of the key."""
        return f"{SCHEME}{self._arn}"

    def new_data_key(self, context: Mapping[str, str]) -> tuple[Key, bytes]:
        """A fresh data key of 32 bytes (GenerateDataKey, AES_256), bound to the encryption context; and it wrapped."""
        asked = {"KeyId": self._arn, "KeySpec": "AES_256", "EncryptionContext": context}
        answer = self._ask("GenerateDataKey", asked)
        data_key, wrapped = answer.take_data_key(), answer.wrapped
        if data_key is None or wrapped is None:
            raise Unavailable("kms-answer-malformed", "AWS KMS answered without a data key")
        return data_key, wrapped

    def unwrap(self, wrapped: bytes, context: Mapping[str, str]) -> Key:
        """The data key that was wrapped under this key and encryption context (Decrypt); Tampered otherwise."""
        blob = base64.b64encode(wrapped).decode()
        asked = {"CiphertextBlob": blob, "KeyId": self._arn, "EncryptionContext": context}
        data_key = self._ask("Decrypt", asked).take_data_key()
        if data_key is None:
            raise Unavailable("kms-answer-malformed", "AWS KMS answered without a data key")
        return data_key

    def check(self) -> None:
        """What the last call met, if it was a fault; a fault of more than 5 s is looked into again (DescribeKey)."""
        fault = self._last.fault
        if fault is None:
            return
        if self._last.is_younger_than(_LOOKED_AT_S):
            raise fault
        self._last.look_again()
        self._resolve(self._arn)
        self._last.note(None)

    def _ask(self, operation: str, asked: Mapping[str, object]) -> Answer[Key]:
        self._last.require_no_outage()
        body = json.dumps(asked).encode()
        try:
            answer = attempted(lambda: self._ask_once(operation, body), operation, self._observe)
        except Unavailable as fault:  # of the key as a whole: one wrapped key that does not open says nothing of it
            self._last.note(fault)
            raise
        self._last.note(None)
        return answer

    def _ask_once(self, operation: str, body: bytes) -> Answer[Key]:
        request = self._account.signed(self._endpoint, operation, body)
        answer = self._client.send(request.url, request.headers, request.body, within_ms=_WITHIN_MS)
        if answer.status != 200:  # noqa: PLR2004
            raise kms_fault(answer.refusal or "", operation, self._arn)
        if answer.key_id != self._arn:
            words = f"AWS KMS answered for another key than {self._arn}"
            raise Tampered("kms-key-mismatch", words)
        return answer

    def _resolve(self, key: str) -> str:
        return described(self._describer, key, self._observe)


def attempted(call: Callable[[], T], operation: str, observe: Observer) -> T:
    """What the call answers, asked again where it may pass: three times in all. The observer is told of each."""
    for attempt in range(1, ATTEMPTS + 1):
        told = begun(observe, "kms", operation)
        try:
            answer = call()
        except HyperkmsError as fault:
            told(outcome_of(fault))
            if attempt == ATTEMPTS or not is_worth_another(fault):
                raise
            time.sleep(_PAUSE_S * attempt * random.uniform(0.5, 1.5))  # noqa: S311 (spread, no secret)
        else:
            told("ok")
            return answer
    raise AssertionError("unreachable")


def called(call: Callable[[], T], operation: str, key: str, told: Told) -> T:
    """What botocore answers; a fault is told here, an answer by whoever finds that it is one."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (loaded with the account)

    try:
        return call()
    except ClientError as error:
        fault = kms_fault(str(error.response.get("Error", {}).get("Code", "")), operation, key)
        told(outcome_of(fault))
        raise fault from None
    except BotoCoreError as error:
        told("failed")
        raise unreached(error, "kms-unreachable", "AWS KMS") from None


def described(describer: Any, key: str, observe: Observer) -> str:
    """The ARN of a key, by id, ARN or alias; Refused or Withdrawn if it is none that wraps, or is not enabled."""
    told = begun(observe, "kms", "DescribeKey")
    try:
        found = called(lambda: describer.describe_key(KeyId=key), "DescribeKey", key, told)["KeyMetadata"]
        arn, state = str(found["Arn"]), str(found["KeyState"])
        usage, spec = found.get("KeyUsage", _USAGE), found.get("KeySpec", _SPEC)
    except (KeyError, TypeError) as error:
        raise Unavailable("kms-answer-malformed", "what answered is not AWS KMS") from error
    told("ok")
    if (usage, spec) != (_USAGE, _SPEC):
        words = f"KMS key {arn} is {usage} {spec}: a root key is {_USAGE} {_SPEC}"
        raise Refused("kms-key-unfit", words)
    if state != "Enabled":
        raise Withdrawn("kms-key-disabled", f"KMS key {arn} is {state}: enable it, or cancel its deletion")
    return arn
