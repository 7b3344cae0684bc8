"""Requests for a signature that permission or a rule refuses: written down before the refusal is told.

A refusal is a decision as a signature is. It leaves once its line is durable; where that cannot be made, the request is
answered that the record cannot be written. What is no decision has no line: a malformed request, a limit, a caller that
is not known, a part that is away.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import msgspec

from hyperkms.access.limits import What
from hyperkms.audit.record import RefusalRecord
from hyperkms.audit.sink import Position
from hyperkms.errors import Forbidden, HyperkmsError, Malformed, NotFound, Refused, Unauthorized
from hyperkms.hyperliquid.actions import parse_action
from hyperkms.hyperliquid.explain import explain
from hyperkms.hyperliquid.wire import Numbers
from hyperkms.operations.caller import Caller
from hyperkms.operations.parts import Parts
from hyperkms.operations.pending import Pending
from hyperkms.operations.settle import ActionRequest
from hyperkms.strict_json import ecmascript
from hyperkms.wallet import WalletId

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,39}", re.ASCII)
"""What may be the name of an action; anything else could be a secret in the wrong place."""


class Asked(msgspec.Struct, frozen=True):
    """What a request asks for: `operation(parts, caller, *arguments)`."""

    wallet: WalletId
    operation: Callable[..., Pending[Any]]
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Kind:
    """What requests of one kind are called in the record, and what it says of one that was refused."""

    operation: str
    describe: Callable[..., Mapping[str, Any] | None]
    """Takes the arguments of the operation."""
    explain: Callable[..., str | None] = lambda *_: None
    """The same, after the parts and the refusal: what it would have done, in a sentence."""


def decided(parts: Parts, caller: Caller, kind: Kind, asked: Asked) -> Pending[Any]:
    """What the operation comes to; a refusal is raised by the pending answer, once its line is durable."""
    try:
        return asked.operation(parts, caller, *asked.arguments)
    except HyperkmsError as error:
        if not is_decision(error):
            raise
        return refused(parts, caller, kind, asked, error)


def is_decision(error: HyperkmsError) -> bool:
    """Whether permission or a rule refused it: then it is written down.

    A wallet that is not there is one that is not the client's: the record tells the two apart no more than the answer.
    """
    return isinstance(error, Refused | NotFound) and not isinstance(error, Unauthorized)


def forbidden(parts: Parts, caller: Caller, kind: Kind, error: Forbidden) -> Pending[NoReturn]:
    """A client that may ask for nothing of this kind; it takes the limit too, so that it fills no disk.

    Limited if there is no room.
    """
    parts.limits.take(caller.client.number, What.SIGN)
    return refused(parts, caller, kind, None, error)


def refused(parts: Parts, caller: Caller, kind: Kind, asked: Asked | None, error: HyperkmsError) -> Pending[NoReturn]:
    """This refusal, which may leave once it is written down; `asked` is None where that was not read at all."""
    rule, policy = error.details.get("rule"), error.details.get("policy")
    record = RefusalRecord(
        time=parts.clock(),
        request_id=caller.request_id,
        client=caller.client.name,
        wallet=asked.wallet if asked else None,
        operation=kind.operation,
        code=error.code,
        reason=error.message,
        rule=rule if isinstance(rule, str) else None,
        detail=error.details,
        policy=policy if isinstance(policy, str) else None,
        signed=kind.describe(*asked.arguments) if asked else None,
        explained=kind.explain(parts, error, *asked.arguments) if asked else None,
    )

    def finish(_position: Position) -> NoReturn:
        raise error

    return Pending(parts.record.append(record), finish)


def _of_message(_wallet: WalletId, message: bytes, _version: int | None) -> Mapping[str, Any]:
    return {"messageBytes": len(message)}


def _of_order(_wallet: WalletId, payload: Mapping[str, object], _version: int | None) -> Mapping[str, Any]:
    """An Ed25519 wallet would have signed the text of it, a secp256k1 wallet an order made of it."""
    action = payload.get("action")
    return {
        "messageBytes": len(ecmascript(dict(payload)).encode("utf-8", "surrogatepass")),
        "action": {"type": action if _is_name(action) else None},
    }


def _of_action(request: ActionRequest) -> Mapping[str, Any] | None:
    try:
        action = parse_action(request.action, Numbers.AS_WRITTEN).wire
    except Malformed:
        kind = request.action.get("type") if isinstance(request.action, Mapping) else None
        action = {"type": kind if _is_name(kind) else None}
    return {
        "action": action,
        "nonce": request.nonce,
        "vaultAddress": request.vault_address,
        "expiresAfter": request.expires_after,
        "network": request.network.value if request.network else None,
    }


def _explained(parts: Parts, error: HyperkmsError, request: ActionRequest) -> str | None:
    """None for what is no action that could be signed.

    A wallet that is not the client's is not looked for: a missing one would take longer than a foreign one.
    """
    try:
        action = parse_action(request.action, Numbers.CANONICAL)
    except Malformed:
        return None
    wallet = None if isinstance(error, NotFound) else parts.wallets.find(request.wallet)
    network = request.network or (wallet.network if wallet else None)
    return explain(action, parts.prices[network].name if network in parts.prices else _nameless)


def _nameless(_asset: int) -> None:
    return None


def _is_name(value: object) -> bool:
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


MESSAGE = Kind("sign-message", _of_message)
ORDER = Kind("sign-order", _of_order)
ACTION = Kind("sign-action", _of_action, _explained)
