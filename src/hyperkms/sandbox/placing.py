"""What becomes of orders, by a few fixed rules.

* There is no other side. Gtc and Alo orders rest whatever their price; nothing ever crosses.
* Ioc and FrontendMarket orders fill wholly, at once, at their own limit price. A fill of a perpetual moves
  the position; spot balances, fees and margin are not kept.
* Trigger orders wait for ever. Alone they answer "resting"; grouped with a parent (normalTpsl)
  "waitingForFill" or, once the parent has filled, "waitingForTrigger"; with a position (positionTpsl)
  "waitingForTrigger".
* An order that is refused does not stop the others of its batch, but takes its normalTpsl children along.
* A reduce-only order is held to its promise when it fills: it closes at most the position.

Validity follows the exchange's page on tick and lot size. A price has at most 5 significant figures and 6
(perpetual) or 8 (spot) decimals less szDecimals, whole prices are always allowed; a size has at most
szDecimals decimals; an order that is not reduce-only is worth at least 10 USD at its limit price.
"""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from hyperkms.sandbox.account import Account, OrderRecord, Position
from hyperkms.sandbox.actions import Limit, Order, PlaceOrders, Trigger
from hyperkms.sandbox.market import Market, market_of
from hyperkms.sandbox.refusals import Refused

Status = dict[str, object] | str

MIN_ORDER_USD = 10
SIGNIFICANT_FIGURES = 5


@dataclass(frozen=True)
class Moment:
    """The time in ms and the source of fresh oids, as every change of an account needs them."""

    now_ms: int
    next_oid: Callable[[], int]


def place_orders(action: PlaceOrders, account: Account, moment: Moment) -> list[Status]:
    """Place a batch; one status for each order, in order."""
    statuses: list[Status] = []
    for order in action.orders:
        parent = statuses[0] if statuses and action.grouping == "normalTpsl" else None
        if isinstance(parent, dict) and "error" in parent:
            statuses.append(parent)
            continue
        try:
            status = place_order(order, account, moment)
        except Refused as refusal:
            status = {"error": str(refusal)}
        statuses.append(_waiting(order, action.grouping, parent, status))
    return statuses


def place_order(order: Order, account: Account, moment: Moment) -> Status:
    """Place one order: {"resting": ...} or {"filled": ...}; or raise `Refused`, and nothing changed."""
    market = market_of(order.asset)
    check_order(order, market)
    if isinstance(order.terms, Limit) and order.terms.tif in ("Ioc", "FrontendMarket"):
        return _fill(order, market, account, moment)
    oid = moment.next_oid()
    account.add(OrderRecord(oid, order, moment.now_ms, "open", moment.now_ms))
    return {"resting": _with_cloid({"oid": oid}, order)}


def check_order(order: Order, market: Market) -> None:
    """Refuse, in the exchange's words, a price, trigger price or size that it would not take."""
    if not _is_valid_price(order.price, market):
        raise Refused("Order has invalid price.")
    if isinstance(order.terms, Trigger) and not _is_valid_price(order.terms.trigger_px, market):
        raise Refused(f"Invalid TP/SL price. asset={order.asset}")
    if order.size == "0" or _decimals(order.size) > market.size_decimals:
        raise Refused("Order has invalid size.")
    if not order.reduce_only and Decimal(order.price) * Decimal(order.size) < MIN_ORDER_USD:
        least = f"{MIN_ORDER_USD} USDC" if market.is_spot else f"${MIN_ORDER_USD}"
        raise Refused(f"Order must have minimum value of {least}. asset={order.asset}")


def plain(number: Decimal) -> str:
    """Write a number without exponent or needless zeros."""
    return f"{number.normalize():f}" if number else "0"


def _is_valid_price(price: str, market: Market) -> bool:
    if "." not in price:
        return price != "0"
    significant = price.replace(".", "").lstrip("0")
    return len(significant) <= SIGNIFICANT_FIGURES and _decimals(price) <= market.price_decimals


def _decimals(canonical: str) -> int:
    return len(canonical.partition(".")[2])


def _fill(order: Order, market: Market, account: Account, moment: Moment) -> Status:
    size = _fillable(order, account)
    if not market.is_spot:
        account.trade(order.asset, size if order.is_buy else -size, price=Decimal(order.price))
    oid = moment.next_oid()
    account.add(OrderRecord(oid, order, moment.now_ms, "filled", moment.now_ms))
    return {"filled": _with_cloid({"totalSz": plain(size), "avgPx": order.price, "oid": oid}, order)}


def _fillable(order: Order, account: Account) -> Decimal:
    wanted = Decimal(order.size)
    if not order.reduce_only:
        return wanted
    held = account.positions.get(order.asset, Position()).size
    if held == 0 or (held > 0) == order.is_buy:
        raise Refused(f"Reduce only order would increase position. asset={order.asset}")
    return min(wanted, abs(held))


def _waiting(order: Order, grouping: str | int, parent: Status | None, status: Status) -> Status:
    if isinstance(order.terms, Limit) or not isinstance(status, dict) or "error" in status:
        return status
    if grouping == "positionTpsl":
        return "waitingForTrigger"
    if parent is None:
        return status
    return "waitingForTrigger" if "filled" in parent else "waitingForFill"


def _with_cloid(answer: dict[str, object], order: Order) -> dict[str, object]:
    return answer if order.cloid is None else {**answer, "cloid": order.cloid}
