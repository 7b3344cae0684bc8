"""What an action says, in one plain sentence: for the record, for approvers, for whoever reads a refusal.

Pure, and quick for a limit order: it is made for every one that is signed.
"""

from collections.abc import Mapping
from typing import Any

from hyperkms.hyperliquid.actions import Action
from hyperkms.hyperliquid.explain_accounts import ACCOUNT_SENTENCES
from hyperkms.hyperliquid.explain_user_signed import USER_SENTENCES
from hyperkms.hyperliquid.wording import Explain, Names, listed, moment, shortened, usd

_Wire = Mapping[str, Any]

_LIMITS = {
    "Gtc": "or better, good till cancelled",
    "Ioc": "or better, at once or not at all",
    "Alo": "or better, adding liquidity only",
    "FrontendMarket": "or better, as a market order",
}
_GROUPINGS = {
    "na": "",
    "normalTpsl": ", take-profit and stop-loss tied to the first order",
    "positionTpsl": ", tied to the position",
}
_TRIGGERS = {"tp": "take-profit", "sl": "stop-loss"}


def explain(action: Action, names: Names) -> str:
    """One English sentence of at most 300 characters; `names` knows the coin of an asset number, or None.

    Never raises for an action that `parse_action` has read.
    """
    return shortened(_SENTENCES[action.type](action.wire, names))


def _coin(asset: int, names: Names) -> str:
    return names(asset) or f"asset {asset}"


def _order(order: _Wire, names: Names) -> str:
    asset = order["a"]
    coin, side = names(asset) or f"asset {asset}", "buy" if order["b"] else "sell"
    end = ", reduce-only" if order["r"] else ""
    terms = order["t"]
    if "limit" in terms:
        return f"{side} {order['s']} {coin} at {order['p']} {_LIMITS[terms['limit']['tif']]}{end}"
    trigger = terms["trigger"]
    price = "at market, no worse than" if trigger["isMarket"] else "at a limit of"
    when = f"once the price reaches {trigger['triggerPx']} ({_TRIGGERS[trigger['tpsl']]})"
    return f"{side} {_size(order)} {coin} {price} {order['p']} {when}{end}"


def _size(order: _Wire) -> str:
    return "the whole position of" if order["s"].strip("-0.") == "" else str(order["s"])


def _brief(order: _Wire, names: Names) -> str:
    """One of several orders."""
    what = f"{'buy' if order['b'] else 'sell'} {_size(order)} {_coin(order['a'], names)} at {order['p']}"
    trigger = order["t"].get("trigger")
    when = f" from {trigger['triggerPx']} on" if trigger else ""
    return f"{what}{when}{', reduce-only' if order['r'] else ''}"


def _orders(wire: _Wire, names: Names) -> str:
    orders, grouping = wire["orders"], wire["grouping"]
    group = f", priority {grouping['p']}" if isinstance(grouping, dict) else _GROUPINGS[grouping]
    if len(orders) == 1:
        what = _order(orders[0], names)
    else:
        what = f"{len(orders)} orders: {listed((_brief(order, names) for order in orders), len(orders), '; ')}"
    return f"{_paying(wire['builder'])}{what}{group}" if "builder" in wire else what + group


def _paying(builder: _Wire) -> str:
    """In front, where nothing cuts it off: a fee that goes to somebody. `f` is in tenths of a basis point."""
    tenths = builder["f"]
    return f"paying builder {builder['b']} {tenths // 10}.{tenths % 10} bp: "


def _cancel(wire: _Wire, names: Names) -> str:
    cancels = wire["cancels"]
    return _cancelled((f"{one['o']} of {_coin(one['a'], names)}" for one in cancels), len(cancels), wire)


def _cancel_by_cloid(wire: _Wire, names: Names) -> str:
    cancels = wire["cancels"]
    return _cancelled((f"{one['cloid']} of {_coin(one['asset'], names)}" for one in cancels), len(cancels), wire)


def _cancelled(orders: Any, count: int, wire: _Wire) -> str:
    what = "order" if count == 1 else f"{count} orders:"
    return f"cancel {what} {listed(orders, count)}{', fast' if 'f' in wire else ''}"


def _modify(wire: _Wire, names: Names) -> str:
    return f"replace order {wire['oid']}: {_order(wire['order'], names)}"


def _batch_modify(wire: _Wire, names: Names) -> str:
    entries = wire["modifies"]
    if len(entries) == 1:
        return _modify(entries[0], names)
    each = (f"{entry['oid']}: {_brief(entry['order'], names)}" for entry in entries)
    return f"replace {len(entries)} orders: {listed(each, len(entries), '; ')}"


def _twap(wire: _Wire, names: Names) -> str:
    twap, details = wire["twap"], wire.get("details") or {"t": None, "s": None}
    start, stop = details["t"], details["s"]
    said = f"{'buy' if twap['b'] else 'sell'} {twap['s']} {_coin(twap['a'], names)} in parts over {twap['m']} minutes"
    said += ", at random times" if twap["t"] else ""
    said += f", beginning when the price is {'above' if start['a'] else 'below'} {start['p']}" if start else ""
    said += f", ending at the price {stop}" if stop else ""
    return said + (", reduce-only" if twap["r"] else "")


def _leverage(wire: _Wire, names: Names) -> str:
    mode = "cross" if wire["isCross"] else "isolated"
    return f"set leverage of {_coin(wire['asset'], names)} to {wire['leverage']}x {mode}"


def _isolated_margin(wire: _Wire, names: Names) -> str:
    amount, coin = usd(wire["ntli"]), _coin(wire["asset"], names)
    side = "long" if wire["isBuy"] else "short"
    if wire["ntli"] < 0:
        return f"take {amount} from the isolated margin of {coin} ({side})"
    return f"add {amount} to the isolated margin of {coin} ({side})"


def _schedule(wire: _Wire, _names: Names) -> str:
    if "time" not in wire:
        return "call off the scheduled cancellation of all orders"
    return f"cancel all orders at {moment(wire['time'])} unless told otherwise before"


_SENTENCES: Mapping[str, Explain] = {
    "order": _orders,
    "cancel": _cancel,
    "cancelByCloid": _cancel_by_cloid,
    "modify": _modify,
    "batchModify": _batch_modify,
    "updateLeverage": _leverage,
    "scheduleCancel": _schedule,
    "noop": lambda _wire, _names: "use up a nonce and do nothing else",
    "twapOrder": _twap,
    "twapCancel": lambda wire, names: f"end the order in parts {wire['t']} of {_coin(wire['a'], names)}",
    "updateIsolatedMargin": _isolated_margin,
    "topUpIsolatedOnlyMargin": lambda wire, names: (
        f"add margin to {_coin(wire['asset'], names)} until its leverage is {wire['leverage']}x"
    ),
    **ACCOUNT_SENTENCES,
    **USER_SENTENCES,
}
