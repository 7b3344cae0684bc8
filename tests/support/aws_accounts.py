"""Accounts of AWS that one emulator keeps apart, each with a KMS key, its own credentials, and policies that judge."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from support import aws_door
from support.aws import Aws, aws_client
from support.iam import ENDPOINT, REGION, Call, Policy, context_keys, is_allowed, policy

REFUSED = b'{"__type":"AccessDeniedException","message":"not authorised"}'
DISABLED = b'{"__type":"DisabledException","message":"disabled"}'


@dataclass
class Account:
    """One account, and what stands in front of its KMS."""

    number: str
    key_id: str
    """The access key of its cosigner: no other account knows it."""
    access_key: str
    role: str
    cosigner: str = "not-made-yet"
    """The identity key of the cosigner, once it has one: what its policy names."""
    url: str = ""
    away: bool = False
    disabled: bool = False
    without: str = ""
    """A right that its policy does not give."""
    most_data_keys: int | None = None
    """So many may be made still; None: as many as are asked for."""
    passed: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Every call that was answered, with its encryption context."""
    stopped: list[str] = field(default_factory=list)

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

    def policies(self) -> Sequence[Policy]:
        """Of the role, of the key, and over the account."""
        names = {"account": self.number, "key_id": self.key_id, "cosigner": self.cosigner, "cosigner_role": self.role}
        files = ("cosigner-role.json", "cosigner-root-key-policy.json", "cosigner-account-guard.json")
        return [policy(name, **names) for name in files]

    def decide(self, call: aws_door.Call, body: bytes) -> None:
        """As AWS would: who signs is known, each policy has its say, and the key is of this account."""
        if self.away:
            call.hang_up()
            return
        asked = json.loads(body)
        action = f"kms:{call.target.rpartition('.')[2]}"
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

    def lets(self, action: str, asked: dict[str, Any], authorization: str) -> bool:
        """Whether this call passes."""
        key = asked["KeyId"]
        arn = key if key.startswith("arn:") else f"arn:aws:kms:{REGION}:{self.number}:key/{key}"
        keys = {**context_keys(asked.get("EncryptionContext", {})), "aws:SourceVpce": ENDPOINT}
        if action == "kms:GenerateDataKey" and self.most_data_keys is not None:
            self.most_data_keys -= 1
            if self.most_data_keys < 0:
                return False
        is_known = f"Credential={self.access_key}/" in authorization
        return is_known and action != self.without and is_allowed(Call(action, arn, self.role, keys), *self.policies())

    def unwrap(self, upstream: str, wrapped: bytes, context: dict[str, str]) -> bytes:
        """The data key itself, as nobody but a test asks for it."""
        kms = _client(upstream, self.number)
        plain: bytes = kms.decrypt(CiphertextBlob=wrapped, KeyId=self.arn, EncryptionContext=context)["Plaintext"]
        return plain


@contextmanager
def accounts(aws: Aws, count: int) -> Iterator[list[Account]]:
    """So many, each with a key."""
    made = []
    for place in range(1, count + 1):
        number = f"{place}" * 12
        key_id = str(_client(aws.url, number).create_key()["KeyMetadata"]["KeyId"])
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


def _client(url: str, number: str) -> Any:
    kms = aws_client("kms", url)
    kms.meta.events.register(
        "before-sign.kms", lambda request, **_: request.headers.add_header("x-moto-account-id", number)
    )
    return kms
