"""How a route shows its bodies in the OpenAPI document."""

from collections.abc import Mapping
from typing import Any

import msgspec

from hyperkms.http.client_schemas import (
    AddKeyRequest,
    CreateClientRequest,
    EndGrantRequest,
    GrantRequest,
    RevokeClientRequest,
    RotateClientRequest,
)
from hyperkms.http.mpc_schemas import RefreshRequest, ReplaceRequest
from hyperkms.http.policy_schemas import ApplyPolicyRequest, ChoosePolicyRequest, DoubtPolicyRequest, ExplainRequest
from hyperkms.http.schemas import (
    ActivateRequest,
    GenerateRequest,
    MigrateRequest,
    RetireRequest,
    RotateRequest,
    SignActionBatchRequest,
    SignActionRequest,
    SignBatchRequest,
    SignOrderRequest,
    SignRequest,
)

_ORDER = {"a": 0, "b": True, "p": "60000", "s": "0.001", "r": False, "t": {"limit": {"tif": "Gtc"}}}
_PUBLIC_KEY = "ed25519:d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
"""The first of RFC 8032, whose private key everybody knows."""
EXAMPLES: Mapping[type[msgspec.Struct], Mapping[str, Any]] = {
    GenerateRequest: {"a wallet that trades": {"walletId": "bot-1", "keyType": "secp256k1"}},
    SignBatchRequest: {"two messages": {"requests": [{"walletId": "bot-1", "message": text} for text in ("a", "b")]}},
    SignActionBatchRequest: {
        "two orders": {
            "requests": [
                {"walletId": "bot-1", "action": {"type": "order", "orders": [_ORDER], "grouping": "na"}}
                for _ in range(2)
            ]
        }
    },
    SignRequest: {"a message": {"walletId": "bot-1", "message": "hello"}},
    SignOrderRequest: {
        "an order": {
            "walletId": "bot-1",
            "orderPayload": {
                "action": "order",
                "coin": "BTC",
                "isBuy": True,
                "sz": "0.001",
                "limitPx": "60000",
                "timestamp": 1780000000000,
            },
        }
    },
    SignActionRequest: {
        "an order": {"walletId": "bot-1", "action": {"type": "order", "orders": [_ORDER], "grouping": "na"}},
        "a cancel": {"walletId": "bot-1", "action": {"type": "cancel", "cancels": [{"a": 0, "o": 82382}]}},
        "nothing, to use up a nonce": {"walletId": "bot-1", "action": {"type": "noop"}},
    },
    CreateClientRequest: {
        "a bot that trades with one wallet": {
            "name": "bot-07",
            "wallets": ["bot-1"],
            "allow": ["trade"],
            "expiresInDays": 90,
        },
        "a second administrator": {"name": "alex", "role": "administrator"},
    },
    RevokeClientRequest: {"at once": {}},
    GrantRequest: {
        "cancels, for a week": {
            "allow": ["trade"],
            "wallets": ["bot-1"],
            "actions": ["cancel"],
            "expiresInDays": 7,
        },
        "orders of 1,000 USD at most": {
            "allow": ["trade"],
            "wallets": ["bot-1"],
            "limits": {"format": 1, "rules": [{"name": "size", "max_order_notional": 1000}]},
        },
    },
    EndGrantRequest: {"from now on": {}},
    ApplyPolicyRequest: {
        "two coins, 10,000 USD an order": {
            "policy": {
                "format": 1,
                "allow": ["trade-only"],
                "rules": [{"name": "coins", "coins": ["BTC", "ETH"]}, {"name": "size", "max_order_notional": 10000}],
            },
            "reason": "first limits",
        }
    },
    DoubtPolicyRequest: {
        "a coin that is not listed": {
            "policy": {"format": 1, "allow": ["trade-only"], "rules": [{"name": "coins", "coins": ["btc"]}]}
        }
    },
    ExplainRequest: {
        "an order": {"walletId": "bot-1", "action": {"type": "order", "orders": [_ORDER], "grouping": "na"}},
        "a withdrawal": {
            "walletId": "bot-1",
            "action": {
                "type": "withdraw3",
                "destination": "0x1719884eb866cb12b2287399b15f7db5e7d775ea",
                "amount": "100",
            },
        },
    },
    ChoosePolicyRequest: {"the first one again": {"version": 1}, "trade-only again": {"version": None}},
    RotateClientRequest: {"a day to change over": {"overlapHours": 24}, "the old key leaked": {"overlapHours": 0}},
    AddKeyRequest: {"the key of a second instance": {"publicKey": _PUBLIC_KEY}},
    RotateRequest: {
        "a new key": {"walletId": "bot-1", "reason": "quarterly"},
        "a new address, current at once": {"walletId": "bot-1", "activate": True},
    },
    ActivateRequest: {"once the exchange knows the new address": {"version": 2}},
    RetireRequest: {
        "the whole wallet": {"reason": "the bot is shut down"},
        "one version, before its grace ends": {"version": 1, "reason": "the key may be known"},
        "the whole wallet, and its keys at once": {"destroy": True},
    },
    RefreshRequest: {"the current version": {}, "one in grace": {"version": 1}},
    ReplaceRequest: {"from the first wallet on": {}, "where an answer said `next`": {"after": "bot-1"}},
    MigrateRequest: {"a wallet": {"walletId": "bot-1"}},
}
"""Bodies that work as they stand, once the wallet is there (and with a timestamp of now)."""

_PROBLEMS = {
    "400": "Malformed: `field` names the place.",
    "401": "No valid API key or request signature.",
    "403": "Refused by a rule, which `code` names.",
    "404": "No such wallet or client.",
    "409": "It exists already, or came second.",
    "413": "The body is larger than 64 KiB.",
    "429": "More than a limit allows; Retry-After says when to ask again.",
    "500": "Stored bytes are not what was stored, or nobody expected it; the log says more.",
    "503": "Something needed is away; try again.",
}
_TOO_LARGE = "413"


def documented(answer: type[msgspec.Struct], body: type[msgspec.Struct] | None = None) -> dict[str, Any]:
    """The `openapi_extra` of a route with these bodies."""
    responses = refused(*(status for status in _PROBLEMS if body is not None or status != _TOO_LARGE))
    responses["200"] = {"description": "Done.", "content": _json(answer)}
    extra: dict[str, Any] = {"responses": responses}
    if body is not None:
        content = _json(body)
        content["application/json"]["examples"] = {name: {"value": value} for name, value in EXAMPLES[body].items()}
        required = any(member.required for member in msgspec.structs.fields(body))
        extra["requestBody"] = {"required": required, "content": content}
    return extra


def describe_key(operation: dict[str, Any]) -> None:
    """Add to a POST of the document what every POST takes and answers."""
    parameter = {
        "name": "Idempotency-Key",
        "in": "header",
        "required": False,
        "description": "Done once under this key of the client's, and answered the same for 24 hours.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    }
    others = [one for one in operation.get("parameters", []) if one["name"] != parameter["name"]]
    operation["parameters"] = [*others, parameter]
    if "200" in operation["responses"]:
        told = {"description": "`true` where the answer was given before.", "schema": {"const": "true"}}
        operation["responses"]["200"]["headers"] = {"Idempotency-Replayed": told}


def described(answer: type[msgspec.Struct], *refusals: str) -> dict[str, Any]:
    """The `openapi_extra` of an open route that answers this as JSON, or the same as a page."""
    page = {"text/html": {"schema": {"type": "string"}}}
    responses: dict[str, Any] = {
        "200": {"description": "JSON or a page, by Accept.", "content": {**_json(answer), **page}}
    }
    for status in refusals:
        responses[status] = {"description": "This release has no such code.", "content": _problem()}
    return {"responses": responses}


def open_answer(answer: type[msgspec.Struct]) -> dict[str, Any]:
    """The `openapi_extra` of an open route that answers this."""
    return {"responses": {"200": {"description": "Done.", "content": _json(answer)}}}


def open_route(*refusals: str) -> dict[str, Any]:
    """The `openapi_extra` of an open route that answers 200 or these problems."""
    return {"responses": refused(*refusals)}


def refused(*statuses: str) -> dict[str, Any]:
    """The refusals of a route, for its `responses`."""
    return {status: {"description": _PROBLEMS[status], "content": _problem()} for status in statuses}


def _problem() -> dict[str, Any]:
    return {"application/problem+json": {"schema": _reference_name("ProblemView")}}


def _json(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": _reference_name(kind.__name__)}}


def _reference_name(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
