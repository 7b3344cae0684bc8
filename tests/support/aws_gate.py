"""A gate in front of the emulator that judges every call by the policies of deploy/aws, as AWS would."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from support import aws_door
from support.aws import aws_client
from support.iam import ACCOUNT, ENDPOINT, REGION, Call, Policy, context_keys, is_allowed

_SERVICES = {"TrentService": "kms", "secretsmanager": "secretsmanager"}


@dataclass
class Gate:
    """Lets through what the policies of the service allow, and keeps the actions of both kinds."""

    policies: Mapping[str, Sequence[Policy]]
    """By service."""
    url: str = ""
    upstream: str = ""
    calls: list[Call] = field(default_factory=list)
    """All of them, in order."""
    passed: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)

    def lets(self, target: str, asked: Mapping[str, Any]) -> bool:
        """Whether this call passes."""
        service = _SERVICES[target.partition(".")[0]]
        call = _call(f"{service}:{target.rpartition('.')[2]}", asked, self._tags_of)
        self.calls.append(call)
        passes = is_allowed(call, *self.policies[service])
        if passes and action_of(target) == "kms:CreateKey" and asked.get("Tags"):  # which asks for this right as well
            call = Call("kms:TagResource", "*", keys=call.keys)
            passes = is_allowed(call, *self.policies[service])
            (self.passed if passes else self.stopped).add(call.action)
        (self.passed if passes else self.stopped).add(action_of(target))
        return passes

    def _tags_of(self, key: str) -> Mapping[str, str]:
        tags = aws_client("kms", self.upstream).list_resource_tags(KeyId=key)["Tags"]
        return {tag["TagKey"]: tag["TagValue"] for tag in tags}


def action_of(target: str) -> str:
    """Of an operation, as the JSON protocols of AWS say it."""
    service, _, operation = target.partition(".")
    return f"{_SERVICES[service]}:{operation}"


def _call(action: str, asked: Mapping[str, Any], tags_of: Callable[[str], Mapping[str, str]]) -> Call:
    if action.startswith("kms:"):
        keys = {**context_keys(asked.get("EncryptionContext", {})), "aws:SourceVpce": ENDPOINT, **_native_keys(asked)}
        if "KeyId" not in asked:
            return Call(action, "*", keys=keys)
        key = str(asked["KeyId"])
        arn = key if key.startswith("arn:") else f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}"
        resource = {f"aws:ResourceTag/{name}": value for name, value in tags_of(key).items()}
        return Call(action, arn, keys={**keys, **resource})
    if action == "secretsmanager:ListSecrets":
        return Call(action, "*")
    name = asked.get("Name") or asked["SecretId"]
    return Call(action, f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf")


def _native_keys(asked: Mapping[str, Any]) -> dict[str, str | Sequence[str]]:
    """What a policy sees of calls about keys of wallets."""
    tags = {tag["TagKey"]: tag["TagValue"] for tag in asked.get("Tags", ())}
    seen: dict[str, str | Sequence[str]] = {f"aws:RequestTag/{name}": value for name, value in tags.items()}
    names = {
        "KeyUsage": "kms:KeyUsage",
        "KeySpec": "kms:KeySpec",
        "SigningAlgorithm": "kms:SigningAlgorithm",
        "MessageType": "kms:MessageType",
        "PendingWindowInDays": "kms:ScheduleKeyDeletionPendingWindowInDays",
    }
    seen.update({key: str(asked[member]) for member, key in names.items() if member in asked})
    return {**seen, "aws:TagKeys": list(tags)} if tags else seen


@contextmanager
def guarded(upstream: str, policies: Mapping[str, Sequence[Policy]]) -> Iterator[Gate]:
    """The gate in front of the emulator at `upstream`."""
    gate = Gate(policies, upstream=upstream)

    def decide(call: aws_door.Call, body: bytes) -> None:
        status, answer = 400, b'{"__type":"AccessDeniedException","message":"not authorised"}'
        if gate.lets(call.target, json.loads(body)):
            status, answer = call.forward(body)
        call.answer(status, answer)

    with aws_door.door(upstream, decide) as gate.url:
        yield gate
