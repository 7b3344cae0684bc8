"""What schemathesis is told beside the OpenAPI document: names that exist, and which refusals no schema foresees."""

import re
from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, HookContext, Response

_GRAMMAR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
PREPARED = {"bot-1": "secp256k1", "bytes": "ed25519", "leaver": "ed25519", "rotated": "secp256k1"}
"""Wallets that are there, and their key types; `bot-1` stands in the document's examples. Clients are named so too."""
PENDING = {"version": 2}
"""The version of the wallet `rotated` that is pending at first."""

BY_RULES = frozenset(
    {
        "already-expired",
        "malformed-client-name",
        "malformed-policy",
        "mpc-disabled",
        "network-not-used",
        "network-required",
        "nonce-outside-window",
        "stale-timestamp",
        "unknown-coin",
        "wrong-key-type",
    }
)
"""Codes of 400 that a body of the documented form may get: they come of the wallet, the clock or other members.
The inner form of a policy stands in docs/policy.schema.json."""

_INSIDE = re.compile(r"(action|orderPayload|metadata|vaultAddress|allow|wallets)\b")
"""Members whose inner form the document leaves to docs/api.md, and those that only one role has."""


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:
    """Every second body names a wallet, or a version, that exists."""
    if not isinstance(body, dict):
        return body
    if _label(context).endswith("/activate") and body.get("version") is not None:
        return {**body, **PENDING}
    wallet = body.get("walletId")
    if _label(context).endswith("/generate"):
        return body
    if isinstance(wallet, str) and _GRAMMAR.fullmatch(wallet):
        existing = ("bot-1",) if "action" in body else ("bot-1", "bytes")
        return {**body, "walletId": _instead(wallet, *existing)}
    return body


@schemathesis.hook
def map_path_parameters(context: HookContext, path_parameters: Any) -> Any:
    """Every second path names a wallet or a client that exists; what ends one gets one that may end."""
    *_, last = _label(context).split("/")
    existing = {"retire": ("leaver",), "revoke": ("leaver",), "activate": ("rotated",)}.get(last, ("bot-1", "bytes"))
    return {
        name: _instead(value, *existing) if name in ("wallet_id", "name") and _GRAMMAR.fullmatch(str(value)) else value
        for name, value in (path_parameters or {}).items()
    }


def _label(context: HookContext) -> str:
    return context.operation.label if context.operation is not None else ""


def _instead(text: str, *existing: str) -> str:
    choice = sum(text.encode()) % (2 * len(existing))
    return existing[choice] if choice < len(existing) else text


@schemathesis.check
def refused_by_a_rule_at_most(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """What fits the document is not called malformed, unless the document cannot say why."""
    del ctx
    meta = case.meta
    if response.status_code == 400 and meta is not None and meta.generation.mode.is_positive:
        told = response.json()
        number = told["detail"].endswith("got `number`")  # 1.0 is an integer to JSON Schema, not to us
        if told["code"] not in BY_RULES and not number and not _INSIDE.match(told.get("field", "")):
            raise AssertionError(f"{told['code']}: {told['detail']}")


@schemathesis.check
def a_problem_says_what_it_is(ctx: CheckContext, response: Response, case: Case[Any]) -> None:
    """Every refusal is a problem document of this request, whose type leads to its code."""
    del ctx, case
    if response.status_code >= 400:
        told = response.json()
        assert response.headers["content-type"] == ["application/problem+json"], response.headers
        assert told["type"] == f"/problems/{told['code']}"
        assert told["status"] == response.status_code
        assert [told["requestId"]] == response.headers["x-request-id"]
