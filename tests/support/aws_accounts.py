"""Accounts of AWS that one emulator keeps apart, each with a KMS key, secrets, credentials, and policies that judge."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from support import aws_door
from support.aws import Aws, aws_client, secrets_of
from support.aws_gate import action_of
from support.iam import ENDPOINT, REGION, Call, Policy, context_keys, is_allowed, policy

PREFIX = "hyperliquid/wallets/"
"""Of secrets, unless a setting says otherwise."""
REFUSED = b'{"__type":"AccessDeniedException","message":"not authorised"}'
DISABLED = b'{"__type":"DisabledException","message":"disabled"}'


@dataclass
class Account:
    """One account, and what stands in front of its KMS and its Secrets Manager."""

    number: str
    key_id: str
    """The access key of its cosigner: no other account knows it."""
    access_key: str
    role: str
    cosigner: str = "not-made-yet"
    """The identity key of the cosigner, once it has one: what its policy names."""
    url: str = ""
    away: bool = False
    secrets_away: bool = False
    disabled: bool = False
    without: str = ""
    """A right that its policy does not give."""
    most_data_keys: int | None = None
    """So many may be made still; None: as many as are asked for."""
    passed: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Every call that was answered, with its encryption context."""
    stopped: list[str] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Calls about secrets that were answered, with the name of each."""
    before: Callable[[str, str], None] = lambda *_: None
    """Told of each call about secrets, by its operation and name, before it is decided."""
    after: Callable[[str, str], None] = lambda *_: None
    """Told of it once it is done and nobody has heard of that."""

    @property
    def arn(self) -> str:
        """Of its key."""
        return f"arn:aws:kms:{REGION}:{self.number}:key/{self.key_id}"

    def settings(self) -> dict[str, str]:
        """For its cosigner."""
        return {
            "AWS_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": f"no-secret-of-{self.number}",
            "AWS_EC2_METADATA_DISABLED": "true",
            "HYPERKMS_ROOT_KEY": f"aws-kms:{self.key_id}",
        }

    def policies(self, *files: str) -> Sequence[Policy]:
        """Those of these files, and that which lies over the account."""
        names = {
            "account": self.number,
            "key_id": self.key_id,
            "prefix": PREFIX,
            "cosigner": self.cosigner,
            "cosigner_role": self.role,
        }
        return [policy(name, **names) for name in (*files, "cosigner-account-guard.json")]

    def decide(self, call: aws_door.Call, body: bytes) -> None:
        """As AWS would: who signs is known, each policy has its say, and the key or secret is of this account."""
        asked, action = json.loads(body), action_of(call.target)
        if action.startswith("secretsmanager:"):
            self._decide_of_secrets(call, action, asked, body)
            return
        if self.away:
            call.hang_up()
            return
        if not self.lets(action, asked, call.headers.get("Authorization", "")):
            self.stopped.append(action)
            call.answer(400, REFUSED)
            return
        if self.disabled and action != "kms:DescribeKey":
            call.answer(400, DISABLED)
            return
        call.headers["x-moto-account-id"] = self.number
        self.passed.append((action, asked.get("EncryptionContext", {})))
        call.answer(*call.forward(body))

    def _decide_of_secrets(self, call: aws_door.Call, action: str, asked: dict[str, Any], body: bytes) -> None:
        operation = action.partition(":")[2]
        name = str(asked.get("Name") or asked["SecretId"])
        self.before(operation, name)
        if self.secrets_away:
            call.hang_up()
            return
        arn = f"arn:aws:secretsmanager:{REGION}:{self.number}:secret:{name}-AbCdEf"
        allowed = is_allowed(Call(action, arn, self.role), *self.policies("cosigner-secrets.json"))
        if not (allowed and self._is_known(call.headers.get("Authorization", "")) and action != self.without):
            self.stopped.append(action)
            call.answer(400, REFUSED)
            return
        call.headers["x-moto-account-id"] = self.number
        self.asked.append((operation, name))
        answer = call.forward(body)
        self.after(operation, name)
        call.answer(*answer)

    def _is_known(self, authorization: str) -> bool:
        return f"Credential={self.access_key}/" in authorization

    def lets(self, action: str, asked: dict[str, Any], authorization: str) -> bool:
        """Whether this call of KMS passes."""
        key = asked["KeyId"]
        arn = key if key.startswith("arn:") else f"arn:aws:kms:{REGION}:{self.number}:key/{key}"
        keys = {**context_keys(asked.get("EncryptionContext", {})), "aws:SourceVpce": ENDPOINT}
        if action == "kms:GenerateDataKey" and self.most_data_keys is not None:
            self.most_data_keys -= 1
            if self.most_data_keys < 0:
                return False
        policies = self.policies("cosigner-role.json", "cosigner-root-key-policy.json")
        allowed = is_allowed(Call(action, arn, self.role, keys), *policies)
        return allowed and self._is_known(authorization) and action != self.without

    def secrets(self, upstream: str) -> Any:
        """An administrator's client of its Secrets Manager, whom no policy judges."""
        return aws_client("secretsmanager", upstream, self.number)

    def names(self, upstream: str) -> list[str]:
        """Of all its secrets, in order."""
        return sorted(secrets_of(self.secrets(upstream)))

    def unwrap(self, upstream: str, wrapped: bytes, context: dict[str, str]) -> bytes:
        """The data key itself, as nobody but a test asks for it."""
        kms = aws_client("kms", upstream, self.number)
        plain: bytes = kms.decrypt(CiphertextBlob=wrapped, KeyId=self.arn, EncryptionContext=context)["Plaintext"]
        return plain


@contextmanager
def accounts(aws: Aws, count: int) -> Iterator[list[Account]]:
    """So many, each with a key."""
    made = []
    for place in range(1, count + 1):
        number = f"{place}" * 12
        key_id = str(aws_client("kms", aws.url, number).create_key()["KeyMetadata"]["KeyId"])
        made.append(Account(number, key_id, f"AKIACOSIGNER{place}", f"arn:aws:iam::{number}:role/cosigner"))
    with _doors(aws.url, made):
        yield made


@contextmanager
def _doors(upstream: str, made: Sequence[Account]) -> Iterator[None]:
    if not made:
        yield
        return
    with aws_door.door(upstream, made[0].decide) as made[0].url, _doors(upstream, made[1:]):
        yield
