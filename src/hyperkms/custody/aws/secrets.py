"""Secrets in AWS Secrets Manager by their names: each made once, never overwritten, and deleted at once.

The rights: secretsmanager:CreateSecret, GetSecretValue and DeleteSecret, below the prefix and nowhere else.
"""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hyperkms.custody.aws.account import ATTEMPTS, READ_S, AwsAccount
from hyperkms.custody.aws.observed import Observer, begun, nobody
from hyperkms.custody.aws.refusals import outcome_of, secrets_fault, unreached
from hyperkms.errors import Conflict, NotFound, Tampered, Unavailable

SCHEME = "aws-secrets-manager:"
LARGEST = 65_536
"""Bytes of a secret's value, by the quota of AWS."""


@dataclass(frozen=True)
class Patience:
    """How long a call takes at most, together with a second for each connection."""

    attempts: int = ATTEMPTS
    read_s: float = READ_S


_PATIENT = Patience()


class AwsSecrets:
    """The secret `<prefix><name>`, whose binary value is what was sealed.

    CreateSecret is the put-if-absent. A secret that an administrator has deleted, and could have back, is gone
    to this process, and its name stays taken.
    """

    largest = LARGEST

    def __init__(
        self, account: AwsAccount, prefix: str, *, observer: Observer = nobody, patience: Patience = _PATIENT
    ) -> None:
        self._client: Any = account.client("secretsmanager", attempts=patience.attempts, read_s=patience.read_s)
        self._prefix = prefix
        self._observe = observer

    def create(self, name: str, sealed: bytes) -> None:
        """Store it, durable on return; Conflict if there is another one of that name.

        The token is that of the content: a call that had come through and whose answer was lost is the same call
        again. Whether it was is also asked, for a token is remembered for minutes only.
        """
        secret = self._prefix + name
        token = str(uuid.UUID(bytes=hashlib.sha256(secret.encode() + b"\0" + sealed).digest()[:16]))
        try:
            self._ask("CreateSecret", secret, Name=secret, SecretBinary=bytes(sealed), ClientRequestToken=token)
        except _Exists as taken:
            if not self._is_ours(name, sealed):
                raise Conflict("sealed-key-exists", f"there is another sealed key in the secret {secret}") from taken

    def get(self, name: str) -> bytes:
        """What was stored; NotFound if nothing was, or it was deleted."""
        secret = self._prefix + name
        try:
            answer = self._ask("GetSecretValue", secret, SecretId=secret)
        except _Exists as deleted:
            raise NotFound("sealed-key-not-found", f"the secret {secret} was deleted") from deleted
        value = answer.get("SecretBinary")
        if not isinstance(value, bytes) or not 0 < len(value) <= LARGEST:
            raise Tampered("sealed-key-foreign", f"the secret {secret} is no sealed key of hyperkms")
        return value

    def delete(self, name: str) -> None:
        """Forget it; harmless if it is not there. Gone for this process at once, and nobody has it back."""
        secret = self._prefix + name
        try:
            self._ask("DeleteSecret", secret, SecretId=secret, ForceDeleteWithoutRecovery=True)
        except (NotFound, _Exists):  # it is not there, or is being deleted already
            return

    def _is_ours(self, name: str, sealed: bytes) -> bool:
        try:
            return self.get(name) == sealed
        except NotFound:
            return False

    def _ask(self, operation: str, name: str, **asked: object) -> Mapping[str, Any]:
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 (loaded with the account)

        call = {
            "CreateSecret": self._client.create_secret,
            "GetSecretValue": self._client.get_secret_value,
            "DeleteSecret": self._client.delete_secret,
        }[operation]
        told = begun(self._observe, "secretsmanager", operation)
        try:
            answer: Mapping[str, Any] = call(**asked)
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in ("ResourceExistsException", "InvalidRequestException"):
                told("refused")
                raise _Exists from None
            fault = secrets_fault(code, operation, name)
            told(outcome_of(fault))
            raise fault from None
        except BotoCoreError as error:
            told("failed")
            raise unreached(error, "secrets-unavailable", "AWS Secrets Manager") from None
        if answer.get("Name") != name:  # botocore takes what is no JSON for an answer without members
            told("failed")
            raise Unavailable("secrets-answer-malformed", "what answered is not AWS Secrets Manager, or was cut off")
        told("ok")
        return answer


class _Exists(Exception):
    """There is a secret of that name, or one that is being deleted."""
