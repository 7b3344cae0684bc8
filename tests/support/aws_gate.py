"""A gate in front of the emulator that judges every call by the policies of deploy/aws, as AWS would."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from support import aws_door
from support.iam import ACCOUNT, ENDPOINT, REGION, Call, Policy, context_keys, is_allowed

_SERVICES = {"TrentService": "kms", "secretsmanager": "secretsmanager"}


@dataclass
class Gate:
    """Lets through what the policies of the service allow, and keeps the actions of both kinds."""

    policies: Mapping[str, Sequence[Policy]]
    """By service."""
    url: str = ""
    calls: list[Call] = field(default_factory=list)
    """All of them, in order."""
    passed: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)

    def lets(self, target: str, asked: Mapping[str, Any]) -> bool:
        """Whether this call passes."""
        service = _SERVICES[target.partition(".")[0]]
        call = _call(f"{service}:{target.rpartition('.')[2]}", asked)
        self.calls.append(call)
        passes = is_allowed(call, *self.policies[service])
        (self.passed if passes else self.stopped).add(call.action)
        return passes


def _call(action: str, asked: Mapping[str, Any]) -> Call:
    if action.startswith("kms:"):
        keys = {**context_keys(asked.get("EncryptionContext", {})), "aws:SourceVpce": ENDPOINT}
        key = str(asked["KeyId"])
        arn = key if key.startswith("arn:") else f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}"
        return Call(action, arn, keys=keys)
    if action == "secretsmanager:ListSecrets":
        return Call(action, "*")
    name = asked.get("Name") or asked["SecretId"]
    return Call(action, f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf")


@contextmanager
def guarded(upstream: str, policies: Mapping[str, Sequence[Policy]]) -> Iterator[Gate]:
    """The gate in front of the emulator at `upstream`."""
    gate = Gate(policies)

    def decide(call: aws_door.Call, body: bytes) -> None:
        status, answer = 400, b'{"__type":"AccessDeniedException","message":"not authorised"}'
        if gate.lets(call.target, json.loads(body)):
            status, answer = call.forward(body)
        call.answer(status, answer)

    with aws_door.door(upstream, decide) as gate.url:
        yield gate
