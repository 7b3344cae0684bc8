"""Sealed keys in AWS Secrets Manager: one secret a key version, made once and never overwritten."""

import hashlib
import uuid
from collections.abc import Mapping
from typing import Any

from hyperkms.custody.aws.account import AwsAccount
from hyperkms.custody.aws.observed import Observer, begun, nobody
from hyperkms.custody.aws.refusals import outcome_of, secrets_fault, unreached
from hyperkms.errors import Conflict, NotFound, Tampered, Unavailable
from hyperkms.wallet import SealedKey, WalletId

SCHEME = "aws-secrets-manager:"
_FOLDER = "hyperkms"
_LARGEST = 65_536


class AwsSecretsManagerKeyStore:
    """The secret `<prefix>hyperkms/<wallet>/v<version>`, whose binary value is the sealed key.

    A slash is in no wallet id, so that no two places share a name, nor one with the names that the first system used.
    CreateSecret is the put-if-absent. A secret that an administrator has deleted, and could have back, is gone
    to this service, and its place stays taken.
    """

    def __init__(self, account: AwsAccount, prefix: str, *, observer: Observer = nobody) -> None:
        self._client: Any = account.client("secretsmanager")
        self._prefix = prefix
        self._observe = observer

    def create(self, wallet: WalletId, version: int, sealed: SealedKey) -> None:
        """Store it, durable on return; Conflict if that place is taken.

        The token is that of the content: a call that had come through and whose answer was lost is the same call
        again. Whether it was is also asked, for a token is remembered for minutes only.
        """
        name = self._name(wallet, version)
        token = str(uuid.UUID(bytes=hashlib.sha256(name.encode() + b"\0" + sealed).digest()[:16]))
        try:
            self._ask("CreateSecret", name, Name=name, SecretBinary=bytes(sealed), ClientRequestToken=token)
        except _Exists as taken:
            if not self._is_ours(wallet, version, sealed):
                raise Conflict(
                    "sealed-key-exists", f"wallet {wallet} version {version} has a sealed key in the secret {name}"
                ) from taken

    def get(self, wallet: WalletId, version: int) -> SealedKey:
        """What was stored; NotFound if nothing was, or it was deleted."""
        name = self._name(wallet, version)
        try:
            answer = self._ask("GetSecretValue", name, SecretId=name)
        except _Exists as deleted:
            raise NotFound("sealed-key-not-found", f"the secret {name} was deleted") from deleted
        value = answer.get("SecretBinary")
        if not isinstance(value, bytes) or not 0 < len(value) <= _LARGEST:
            raise Tampered("sealed-key-foreign", f"the secret {name} is no sealed key of hyperkms")
        return SealedKey(value)

    def delete(self, wallet: WalletId, version: int) -> None:
        """Forget it; harmless if it is not there. Gone for this service at once."""
        name = self._name(wallet, version)
        try:
            self._ask("DeleteSecret", name, SecretId=name, ForceDeleteWithoutRecovery=True)
        except (NotFound, _Exists):  # it is not there, or is being deleted already
            return

    def _is_ours(self, wallet: WalletId, version: int, sealed: SealedKey) -> bool:
        try:
            return self.get(wallet, version) == sealed
        except NotFound:
            return False

    def _name(self, wallet: WalletId, version: int) -> str:
        return f"{self._prefix}{_FOLDER}/{wallet}/v{version}"

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
