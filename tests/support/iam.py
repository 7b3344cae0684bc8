"""How AWS judges a call by policies, as far as those in deploy/aws go, read from IAM's documentation.

An explicit denial wins; otherwise every policy that allows anything must allow it. That is stricter than IAM, which is
content with one of the role's policy and the key's: here each of them has to be right by itself.
"""

import fnmatch
import json
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[2] / "deploy" / "aws"
ACCOUNT = "123456789012"
REGION = "eu-west-1"
SERVICE = f"arn:aws:iam::{ACCOUNT}:role/hyperkms"
BREAK_GLASS = f"arn:aws:iam::{ACCOUNT}:role/break-glass"
ENDPOINT = "vpce-0123"
NAMES = {
    "account": ACCOUNT,
    "region": REGION,
    "key_id": "11111111-2222-3333-4444-555555555555",
    "first_system_key_id": "66666666-7777-8888-9999-000000000000",
    "prefix": "desk/",
    "service_role": SERVICE,
    "break_glass_role": BREAK_GLASS,
    "admin_role": f"arn:aws:iam::{ACCOUNT}:role/administrator",
    "deploy_role": f"arn:aws:iam::{ACCOUNT}:role/deploy",
    "kms_endpoint": ENDPOINT,
    "oidc": "oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF",
    "cosigner": "84db259468889d345919ecdf7094d8e1e26c71cbbbe01df1b36d5d02e62895a5",
    "cosigner_role": f"arn:aws:iam::{ACCOUNT}:role/cosigner",
}

Policy = Mapping[str, Any]


@dataclass(frozen=True)
class Call:
    """Who calls what, with the keys that conditions ask for."""

    action: str
    resource: str
    principal: str = SERVICE
    keys: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def key(self, name: str) -> str | Sequence[str] | None:
        return self.principal if name == "aws:PrincipalArn" else self.keys.get(name)


def policy(name: str, **names: str) -> Policy:
    """One of deploy/aws with its names filled in."""
    found: Policy = json.loads(string.Template((FOLDER / name).read_text()).substitute({**NAMES, **names}))
    return found


def is_allowed(call: Call, *policies: Policy) -> bool:
    """What AWS would say."""
    if any(_matches(call, statement) for each in policies for statement in _with(each, "Deny")):
        return False
    return all(
        any(_matches(call, statement) for statement in _with(each, "Allow"))
        for each in policies
        if _with(each, "Allow")
    )


def context_keys(context: Mapping[str, str]) -> dict[str, str | Sequence[str]]:
    """What a policy sees of an encryption context; of none it sees no key."""
    named: dict[str, str | Sequence[str]] = {f"kms:EncryptionContext:{name}": value for name, value in context.items()}
    return {**named, "kms:EncryptionContextKeys": list(context)} if context else named


def listed(value: str | Sequence[str]) -> Sequence[str]:
    """IAM takes one or a list."""
    return [value] if isinstance(value, str) else value


def _with(document: Policy, effect: str) -> list[Policy]:
    return [statement for statement in document["Statement"] if statement["Effect"] == effect]


def _matches(call: Call, statement: Policy) -> bool:
    principals = listed(_principal(statement))
    resources = listed(statement["Resource"])
    return (
        any(fnmatch.fnmatchcase(call.action, wanted) for wanted in listed(statement["Action"]))
        and any(fnmatch.fnmatchcase(call.resource, wanted) for wanted in resources)
        and any(wanted in ("*", call.principal) for wanted in principals)
        and all(
            _CONDITIONS[operator](call.key(key), listed(wanted))
            for operator, tests in statement.get("Condition", {}).items()
            for key, wanted in tests.items()
        )
    )


def _principal(statement: Policy) -> str | Sequence[str]:
    named = statement.get("Principal", "*")
    found: str | Sequence[str] = named if isinstance(named, str) else named["AWS"]
    return found


def _some(value: str | Sequence[str] | None, wanted: Sequence[str]) -> bool:
    return value is not None and any(fnmatch.fnmatchcase(str(value), each) for each in wanted)


_CONDITIONS: Mapping[str, Callable[[Any, Sequence[str]], bool]] = {
    "StringEquals": lambda value, wanted: value in wanted,
    "StringNotEquals": lambda value, wanted: value not in wanted,
    "ArnNotEquals": lambda value, wanted: not _some(value, wanted),
    "BoolIfExists": lambda value, wanted: value is None or value in wanted,
    "Null": lambda value, wanted: ("true" if value is None else "false") in wanted,
    "NumericGreaterThanEquals": lambda value, wanted: value is not None and float(value) >= float(wanted[0]),
    "ForAllValues:StringEquals": lambda value, wanted: all(each in wanted for each in value or ()),
}
