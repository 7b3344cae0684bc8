"""The first system in AWS: its records in Secrets Manager, its keys encrypted by KMS. Nothing is written to either.

The rights: secretsmanager:GetSecretValue on the secrets below its prefix, kms:DescribeKey and kms:Decrypt on its key,
and secretsmanager:ListSecrets, which is for no resource, to find them all.
"""

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

from hyperkms._core import (
    Context,
    FirstSystemAnswer,
    FirstSystemShare,
    KmsClient,
    ask_first_system,
    copy_first_system_share,
)
from hyperkms.custody.aws.account import CONNECT_S, READ_S, AwsAccount
from hyperkms.custody.aws.kms_key import attempted, described
from hyperkms.custody.aws.observed import Observer, Told, begun, nobody
from hyperkms.custody.aws.refusals import kms_fault, outcome_of, secrets_fault, unreached
from hyperkms.custody.root_key import FreshDataKey
from hyperkms.errors import HyperkmsError, NotFound, Tampered, Unavailable
from hyperkms.wallet import PublicKey, SealedKey

_WITHIN_MS = (CONNECT_S + READ_S) * 1000
_PAGE = 100


class FirstSystemInAws:
    """The secrets below a prefix, and the KMS key under which their private keys were encrypted, without a context.

    Nothing is called before it is needed. Only the core receives a plaintext.
    """

    def __init__(
        self, account: Callable[[], AwsAccount], prefix: str, key: str, *, observer: Observer = nobody
    ) -> None:
        self._open_account = account
        self._prefix = prefix
        self._key = key
        self._observe = observer

    def names(self) -> Iterator[str]:
        """The names below the prefix, page by page; a secret that is new or on its way out may be missing."""
        asked: dict[str, object] = {"MaxResults": _PAGE, "Filters": [{"Key": "name", "Values": [self._prefix]}]}
        while True:
            page = self._called("ListSecrets", self._prefix, lambda: self._secrets.list_secrets(**asked))
            for secret in page.get("SecretList", ()):
                name = str(secret.get("Name", ""))
                if name.startswith(self._prefix) and name != self._prefix:  # the filter does not mind the case
                    yield name.removeprefix(self._prefix)
            if not page.get("NextToken"):
                return
            asked["NextToken"] = page["NextToken"]

    def read(self, name: str) -> str | None:
        """The text of the secret; None if there is none, or it is being deleted."""
        secret = self._prefix + name
        try:
            answer = self._called("GetSecretValue", secret, lambda: self._secrets.get_secret_value(SecretId=secret))
        except NotFound:
            return None
        if answer.get("Name") != secret:
            raise Unavailable("secrets-answer-malformed", "what answered is not AWS Secrets Manager, or was cut off")
        text = answer.get("SecretString")
        if not isinstance(text, str):
            words = f"the record {name} of the first system is no text"
            raise Tampered("first-system-record-malformed", words)
        return text

    def public_key(self, ciphertext: bytes, recorded: PublicKey | None) -> PublicKey:
        """That of the key; Tampered if it does not open, is none, or is not the recorded one."""
        return PublicKey(self._decrypt(ciphertext).public_key(recorded))

    def seal(
        self, ciphertext: bytes, recorded: PublicKey | None, context: Context, fresh: FreshDataKey, root_key_id: str
    ) -> SealedKey:
        """The key, sealed with a fresh data key; Tampered as above."""
        answer = self._decrypt(ciphertext)
        return SealedKey(answer.seal(context, fresh.data_key, fresh.wrapped, root_key_id, recorded=recorded))

    def copy_share(self, ciphertext: bytes, wallet: str, recipient: str) -> bytes:
        """The share, encrypted to the recipient by the core, which keeps nothing of it."""
        client, endpoint, _ = self._kms
        body = self._asked(ciphertext)

        def once() -> bytes:
            request = self._account.signed(endpoint, "Decrypt", body)
            signed = (request.url, request.headers, request.body)
            answer = copy_first_system_share(client, signed, within_ms=_WITHIN_MS, wallet=wallet, recipient=recipient)
            self._require_answered(answer)
            if answer.copy is None:
                raise Tampered("first-system-share-malformed", "what KMS decrypts is no share of the first system")
            return answer.copy

        return attempted(once, "Decrypt", self._observe)

    @cached_property
    def _account(self) -> AwsAccount:
        return self._open_account()

    @cached_property
    def _secrets(self) -> Any:
        return self._account.client("secretsmanager")

    @cached_property
    def _kms(self) -> tuple[KmsClient, str, str]:
        """The core's client, the address of KMS and the ARN of the key."""
        describer: Any = self._account.client("kms")
        endpoint = f"{describer.meta.endpoint_url.rstrip('/')}/"
        trusted, proxy = self._account.trusted(), self._account.proxy(endpoint)
        arn = described(describer, self._key, self._observe)
        return KmsClient(trusted=trusted, proxy=proxy, connect_ms=CONNECT_S * 1000), endpoint, arn

    def _decrypt(self, ciphertext: bytes) -> FirstSystemAnswer:
        body = self._asked(ciphertext)
        return attempted(lambda: self._decrypt_once(body), "Decrypt", self._observe)

    def _asked(self, ciphertext: bytes) -> bytes:
        blob = base64.b64encode(ciphertext).decode()
        return json.dumps({"CiphertextBlob": blob, "KeyId": self._kms[2]}).encode()

    def _decrypt_once(self, body: bytes) -> FirstSystemAnswer:
        client, endpoint, _ = self._kms
        request = self._account.signed(endpoint, "Decrypt", body)
        answer = ask_first_system(client, request.url, request.headers, request.body, within_ms=_WITHIN_MS)
        self._require_answered(answer)
        return answer

    def _require_answered(self, answer: FirstSystemAnswer | FirstSystemShare) -> None:
        if answer.status != 200:  # noqa: PLR2004
            raise self._foreign(answer.refusal or "")
        if answer.key_id != self._kms[2]:
            raise Tampered("kms-key-mismatch", f"AWS KMS answered for another key than {self._kms[2]}")

    def _foreign(self, code: str) -> HyperkmsError:
        fault = kms_fault(code, "Decrypt", self._kms[2])
        if not isinstance(fault, Tampered):
            return fault
        words = (
            f"AWS KMS does not open this private key under {self._kms[2]}: it was encrypted under another KMS key, "
            "was changed, or was cut off"
        )
        return Tampered("first-system-key-foreign", words)

    def _called(self, operation: str, name: str, call: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (loaded with the account)

        told = self._begun(operation)
        try:
            answer = call()
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code == "InvalidRequestException":  # it is being deleted
                code = "ResourceNotFoundException"
            fault = secrets_fault(code, operation, name)
            told(outcome_of(fault))
            raise fault from None
        except BotoCoreError as error:
            told("failed")
            raise unreached(error, "secrets-unavailable", "AWS Secrets Manager") from None
        told("ok")
        return answer

    def _begun(self, operation: str) -> Told:
        is_counted = operation != "ListSecrets"  # a command's alone, and no operation of a service
        return begun(self._observe if is_counted else nobody, "secretsmanager", operation)
