"""What a client's signed request asks for, read for a cosigner with the parsers of the routes."""

from collections.abc import Callable, Mapping

import msgspec

from hyperkms.errors import Malformed, Refused
from hyperkms.http.conversion import convert
from hyperkms.http.quick_body import read_quickly
from hyperkms.http.signing_table import SIGNING_ROUTES, SigningRoute
from hyperkms.hyperliquid.market import Market
from hyperkms.operations.refusals import ACTION, MESSAGE
from hyperkms.operations.settle import ActionRequest
from hyperkms.operations.sign_order import order_action
from hyperkms.strict_json import ecmascript, parse
from hyperkms.threshold.cosigner.asked import AskedFor
from hyperkms.threshold.wire import SignedRequest
from hyperkms.wallet import KeyType

_ROUTES: Mapping[str, SigningRoute] = {route.path: route for route in SIGNING_ROUTES}
_MPC = "/mpc"
"""The routes of the first system for wallets in shares take the same bodies."""


def asked_for(
    request: SignedRequest, position: int, key_type: KeyType, market_of: Callable[[], Market], now: int
) -> AskedFor:
    """See `ReadAsked`: what stands at this position of the request's body."""
    route = _route(request)
    body = _read(request.body, route)
    if route.each is not None:
        route, body = route.each, _one_of(body, position)
    elif position:
        raise Malformed.at("intent.position", "the client's request is of one signature alone")
    work = route.work(body)
    if route.kind is ACTION:
        (wanted,) = work.arguments
        return _action(wanted)
    wallet, content, version = work.arguments
    if route.kind is MESSAGE:
        return AskedFor(operation=MESSAGE.operation, wallet=wallet, version=version, message=content)
    order = route.kind.operation
    if key_type is KeyType.ED25519:
        return AskedFor(operation=order, wallet=wallet, version=version, message=ecmascript(content).encode())
    return AskedFor(operation=order, wallet=wallet, version=version, action=order_action(content, market_of, now))


def _route(request: SignedRequest) -> SigningRoute:
    path = request.target.partition(b"?")[0].decode("latin-1")
    route = _ROUTES.get(path) or _ROUTES.get(path.removeprefix(_MPC))
    if route is None or request.method != b"POST":
        raise Refused("intent-differs", "the client's request asks for no signature")
    return route


def _read(raw: bytes, route: SigningRoute) -> msgspec.Struct:
    quickly = read_quickly(raw, route.body)
    if quickly is not None:
        return quickly
    value = parse(raw, "The body of the client's request")
    if not isinstance(value, dict):
        raise Malformed("malformed-body", "The body of the client's request must be a JSON object.")
    return convert(value, route.body)


def _one_of(body: msgspec.Struct, position: int) -> msgspec.Struct:
    requests: list[msgspec.Struct] = body.requests  # type: ignore[attr-defined]  # both bodies of several have it
    if position >= len(requests):
        raise Malformed.at("intent.position", f"the client's request is of {len(requests)} signatures")
    return requests[position]


def _action(wanted: ActionRequest) -> AskedFor:
    return AskedFor(
        operation=ACTION.operation,
        wallet=wanted.wallet,
        version=wanted.version,
        action=wanted.action,
        nonce=wanted.nonce,
        vault_address=wanted.vault_address,
        expires_after=wanted.expires_after,
        network=wanted.network,
        approvals=wanted.approvals,
    )
