"""Carrying out an accepted action on an account, and the exchange's answer to it.

Beside orders (see `placing`): a modification cancels its target and places the new order under a new oid, and
leaves the target alone if the new order is refused; a leverage is from 1 to the market's maximum; a scheduled
cancellation is at least 5 seconds ahead (its daily limit and its volume requirement are not kept); a no-op
does nothing. The words for an unknown asset, a leverage and a schedule out of range are the stand-in's own.
"""

from collections.abc import Sequence

from hyperkms.sandbox.account import Account, Leverage
from hyperkms.sandbox.actions import (
    Action,
    Cancel,
    CancelOrders,
    CancelOrdersByCloid,
    Modification,
    ModifyOrder,
    ModifyOrders,
    PlaceOrders,
    ScheduleCancel,
    UpdateLeverage,
)
from hyperkms.sandbox.market import market_of
from hyperkms.sandbox.placing import Moment, Status, place_order, place_orders
from hyperkms.sandbox.refusals import Refused

SCHEDULE_AHEAD_MS = 5_000

Reply = dict[str, object]


def apply(action: Action, account: Account, moment: Moment) -> Reply:
    """Change the account as the action says and return the answer, or raise `Refused` for all of it."""
    match action:
        case PlaceOrders():
            return _statuses("order", place_orders(action, account, moment))
        case CancelOrders() | CancelOrdersByCloid():
            return _statuses("cancel", [_cancel(c, account, moment) for c in action.cancels])
        case ModifyOrder():
            _modify(action.modification, account, moment)
        case ModifyOrders():
            return _statuses("order", _modify_each(action.modifications, account, moment))
        case UpdateLeverage():
            _update_leverage(action, account)
        case ScheduleCancel():
            _schedule_cancel(action, account, moment)
    return {"type": "default"}


def _statuses(kind: str, statuses: list[Status]) -> Reply:
    return {"type": kind, "data": {"statuses": statuses}}


def _cancel(cancel: Cancel, account: Account, moment: Moment) -> Status:
    record = account.find_open(cancel.order)
    if record is None or record.order.asset != cancel.asset:
        return {"error": f"Order was never placed, already canceled, or filled. asset={cancel.asset}"}
    account.end(record, "canceled", now_ms=moment.now_ms)
    return "success"


def _modify(modification: Modification, account: Account, moment: Moment) -> Status:
    target = account.find_open(modification.target)
    if target is None:
        raise Refused("Cannot modify canceled or filled order")
    status = place_order(modification.order, account, moment)
    account.end(target, "canceled", now_ms=moment.now_ms)
    return status


def _modify_each(modifications: Sequence[Modification], account: Account, moment: Moment) -> list[Status]:
    statuses: list[Status] = []
    for modification in modifications:
        try:
            statuses.append(_modify(modification, account, moment))
        except Refused as refusal:
            statuses.append({"error": str(refusal)})
    return statuses


def _update_leverage(action: UpdateLeverage, account: Account) -> None:
    market = market_of(action.asset)
    if market.is_spot or not 1 <= action.leverage <= market.max_leverage:
        raise Refused(f"Invalid leverage value. asset={action.asset}")
    account.leverage[action.asset] = Leverage(action.is_cross, action.leverage)


def _schedule_cancel(action: ScheduleCancel, account: Account, moment: Moment) -> None:
    if action.time is not None and action.time < moment.now_ms + SCHEDULE_AHEAD_MS:
        raise Refused("Scheduled cancel time must be at least 5 seconds after the current time")
    account.cancel_at_ms = action.time
