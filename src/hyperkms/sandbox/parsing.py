"""From a posted body to a `Request`, strictly; any departure is `MalformedBody`.

The key order of the post does not matter. An action's unknown members are refused: the exchange would drop
them before hashing, so a signature over them could not be right.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hyperkms.sandbox.account_actions import ACCOUNT_TYPES, AccountAction, read_account_action
from hyperkms.sandbox.actions import (
    Action,
    Builder,
    Cancel,
    CancelOrders,
    CancelOrdersByCloid,
    Limit,
    Modification,
    ModifyOrder,
    ModifyOrders,
    Noop,
    Order,
    OrderRef,
    PlaceOrders,
    ScheduleCancel,
    Trigger,
    UpdateLeverage,
)
from hyperkms.sandbox.fields import (
    Fields,
    address,
    cloid,
    decimal_text,
    flag,
    list_of,
    one_of,
    scalar,
    uint32,
    uint64,
)
from hyperkms.sandbox.refusals import MalformedBody
from hyperkms.sandbox.signature import Signature
from hyperkms.sandbox.user_actions import USER_TYPES, UserAction, read_user_action


@dataclass(frozen=True)
class Request:
    """One post to /exchange, in canonical form. Times are milliseconds since 1970."""

    action: Action | AccountAction | UserAction
    nonce: int
    signature: Signature
    vault_address: str | None
    expires_after: int | None


def parse_request(body: object) -> Request:
    """Read {action, nonce, signature, vaultAddress?, expiresAfter?}; `isFrontend` (web client) is ignored."""
    fields = Fields(body)
    request = Request(
        action=fields.take("action", _posted_action),
        nonce=fields.take("nonce", uint64),
        signature=fields.take("signature", _signature),
        vault_address=fields.take_optional("vaultAddress", address),
        expires_after=fields.take_optional("expiresAfter", uint64),
    )
    fields.take_optional("isFrontend", flag)
    fields.finish()
    return request


def parse_action(value: object) -> Action:
    """Read an action that trades, of one of the types in the table below; every other type is refused as malformed."""
    fields = Fields(value)
    action = _BY_TYPE[fields.take("type", one_of(*_BY_TYPE))](fields)
    fields.finish()
    return action


def order_ref(value: object) -> OrderRef:
    """Read an oid (integer) or a cloid (hex text)."""
    return cloid(value) if isinstance(value, str) else uint64(value)


def _posted_action(value: object) -> Action | AccountAction | UserAction:
    fields = Fields(value)
    name = fields.take("type", one_of(*_BY_TYPE, *ACCOUNT_TYPES, *USER_TYPES))
    if name in _BY_TYPE:
        return parse_action(value)
    action = read_user_action(name, fields) if name in USER_TYPES else read_account_action(name, fields)
    fields.finish()
    return action


def _signature(value: object) -> Signature:
    fields = Fields(value)
    r, s, v = fields.take("r", scalar), fields.take("s", scalar), fields.take("v", uint32)
    fields.finish()
    if v not in (27, 28):
        raise MalformedBody("v must be 27 or 28")
    return Signature(r=r, s=s, v=v)


def _place_orders(fields: Fields) -> Action:
    return PlaceOrders(
        orders=fields.take("orders", list_of(_order)),
        grouping=fields.take("grouping", _grouping),
        builder=fields.take_optional("builder", _builder),
    )


def _order(value: object) -> Order:
    fields = Fields(value)
    order = Order(
        asset=fields.take("a", uint32),
        is_buy=fields.take("b", flag),
        price=fields.take("p", decimal_text),
        size=fields.take("s", decimal_text),
        reduce_only=fields.take("r", flag),
        terms=fields.take("t", _terms),
        cloid=fields.take_optional("c", cloid),
    )
    fields.finish()
    return order


def _terms(value: object) -> Limit | Trigger:
    fields = Fields(value)
    terms = fields.take_optional("limit", _limit) or fields.take("trigger", _trigger)
    fields.finish()
    return terms


def _limit(value: object) -> Limit:
    fields = Fields(value)
    limit = Limit(tif=fields.take("tif", one_of("Gtc", "Ioc", "Alo", "FrontendMarket")))
    fields.finish()
    return limit


def _trigger(value: object) -> Trigger:
    fields = Fields(value)
    trigger = Trigger(
        is_market=fields.take("isMarket", flag),
        trigger_px=fields.take("triggerPx", decimal_text),
        tpsl=fields.take("tpsl", one_of("tp", "sl")),
    )
    fields.finish()
    return trigger


def _grouping(value: object) -> str | int:
    if not isinstance(value, dict):
        return one_of("na", "normalTpsl", "positionTpsl")(value)
    fields = Fields(value)
    priority = fields.take("p", uint64)
    fields.finish()
    return priority


def _builder(value: object) -> Builder:
    fields = Fields(value)
    builder = Builder(address=fields.take("b", address), fee=fields.take("f", uint64))
    fields.finish()
    return builder


def _cancel_orders(fields: Fields) -> Action:
    cancels = fields.take("cancels", list_of(_cancel("a", "o", uint64)))
    return CancelOrders(cancels, fast=_optional_flag(fields, "f"))


def _cancel_orders_by_cloid(fields: Fields) -> Action:
    cancels = fields.take("cancels", list_of(_cancel("asset", "cloid", cloid)))
    return CancelOrdersByCloid(cancels, fast=_optional_flag(fields, "f"))


def _cancel(asset: str, order: str, read: Callable[[object], OrderRef]) -> Callable[[object], Cancel]:
    def read_cancel(value: object) -> Cancel:
        fields = Fields(value)
        cancel = Cancel(asset=fields.take(asset, uint32), order=fields.take(order, read))
        fields.finish()
        return cancel

    return read_cancel


def _modify_order(fields: Fields) -> Action:
    target, order = fields.take("oid", order_ref), fields.take("order", _order)
    return ModifyOrder(Modification(target, order), always=_optional_flag(fields, "a"))


def _modify_orders(fields: Fields) -> Action:
    return ModifyOrders(fields.take("modifies", list_of(_modification)), always=_optional_flag(fields, "a"))


def _modification(value: object) -> Modification:
    fields = Fields(value)
    modification = Modification(target=fields.take("oid", order_ref), order=fields.take("order", _order))
    fields.finish()
    return modification


def _update_leverage(fields: Fields) -> Action:
    return UpdateLeverage(
        asset=fields.take("asset", uint32),
        is_cross=fields.take("isCross", flag),
        leverage=fields.take("leverage", uint32),
    )


def _schedule_cancel(fields: Fields) -> Action:
    return ScheduleCancel(time=fields.take_optional("time", uint64))


def _noop(_fields: Fields) -> Action:
    return Noop()


def _optional_flag(fields: Fields, name: str) -> bool:
    return fields.take_optional(name, flag) or False


_BY_TYPE: dict[str, Callable[[Fields], Action]] = {
    "order": _place_orders,
    "cancel": _cancel_orders,
    "cancelByCloid": _cancel_orders_by_cloid,
    "modify": _modify_order,
    "batchModify": _modify_orders,
    "updateLeverage": _update_leverage,
    "scheduleCancel": _schedule_cancel,
    "noop": _noop,
}
