"""What an L1 action says, and the exact form that is hashed.

Each class is one structure of the exchange. `wire` gives it back as the map that msgpack packs: keys in the
order of the official Python SDK 0.24.0, optionals that are unset and flags that are false left out. Prices
and sizes are canonical decimal text, addresses and client order ids lower-case hex: the readers in `fields`
see to that. Assets are numbers: a perpetual's index, or 10000 plus a spot pair's index.
"""

from dataclasses import dataclass

Wire = dict[str, object]
OrderRef = int | str
"""An order named by oid (an integer) or by cloid (0x and 32 hex digits)."""


@dataclass(frozen=True)
class Limit:
    """A limit order's time in force: Gtc, Ioc, Alo or FrontendMarket."""

    tif: str

    def wire(self) -> Wire:
        """Return the hashed form."""
        return {"limit": {"tif": self.tif}}


@dataclass(frozen=True)
class Trigger:
    """A take-profit ("tp") or stop-loss ("sl") that waits for `trigger_px`."""

    is_market: bool
    trigger_px: str
    tpsl: str

    def wire(self) -> Wire:
        """Return the hashed form."""
        return {"trigger": {"isMarket": self.is_market, "triggerPx": self.trigger_px, "tpsl": self.tpsl}}


@dataclass(frozen=True)
class Order:
    """One order as asked for."""

    asset: int
    is_buy: bool
    price: str
    size: str
    reduce_only: bool
    terms: Limit | Trigger
    cloid: str | None

    def wire(self) -> Wire:
        """Return the hashed form."""
        form: Wire = {
            "a": self.asset,
            "b": self.is_buy,
            "p": self.price,
            "s": self.size,
            "r": self.reduce_only,
            "t": self.terms.wire(),
        }
        return form if self.cloid is None else {**form, "c": self.cloid}


@dataclass(frozen=True)
class Builder:
    """Who is paid for routing an order, in tenths of a basis point."""

    address: str
    fee: int

    def wire(self) -> Wire:
        """Return the hashed form."""
        return {"b": self.address, "f": self.fee}


@dataclass(frozen=True)
class PlaceOrders:
    """`order`. An integer grouping is the priority form {"p": n}."""

    orders: tuple[Order, ...]
    grouping: str | int
    builder: Builder | None

    def wire(self) -> Wire:
        """Return the hashed form."""
        grouping: object = {"p": self.grouping} if isinstance(self.grouping, int) else self.grouping
        form: Wire = {
            "type": "order",
            "orders": [order.wire() for order in self.orders],
            "grouping": grouping,
        }
        return form if self.builder is None else {**form, "builder": self.builder.wire()}


@dataclass(frozen=True)
class Cancel:
    """One cancellation: which order, on which asset."""

    asset: int
    order: OrderRef


@dataclass(frozen=True)
class CancelOrders:
    """`cancel`, by oid. `fast` is the optional `f`."""

    cancels: tuple[Cancel, ...]
    fast: bool

    def wire(self) -> Wire:
        """Return the hashed form."""
        form: Wire = {"type": "cancel", "cancels": [{"a": c.asset, "o": c.order} for c in self.cancels]}
        return {**form, "f": True} if self.fast else form


@dataclass(frozen=True)
class CancelOrdersByCloid:
    """`cancelByCloid`. `fast` is the optional `f`."""

    cancels: tuple[Cancel, ...]
    fast: bool

    def wire(self) -> Wire:
        """Return the hashed form."""
        cancels = [{"asset": c.asset, "cloid": c.order} for c in self.cancels]
        form: Wire = {"type": "cancelByCloid", "cancels": cancels}
        return {**form, "f": True} if self.fast else form


@dataclass(frozen=True)
class Modification:
    """One order to be replaced, and what by."""

    target: OrderRef
    order: Order

    def wire(self) -> Wire:
        """Return the hashed form."""
        return {"oid": self.target, "order": self.order.wire()}


@dataclass(frozen=True)
class ModifyOrder:
    """`modify`: one modification, answered without details. `always` is the optional `a`."""

    modification: Modification
    always: bool

    def wire(self) -> Wire:
        """Return the hashed form."""
        form: Wire = {"type": "modify", **self.modification.wire()}
        return {**form, "a": True} if self.always else form


@dataclass(frozen=True)
class ModifyOrders:
    """`batchModify`. `always` is the optional `a`."""

    modifications: tuple[Modification, ...]
    always: bool

    def wire(self) -> Wire:
        """Return the hashed form."""
        form: Wire = {"type": "batchModify", "modifies": [m.wire() for m in self.modifications]}
        return {**form, "a": True} if self.always else form


@dataclass(frozen=True)
class UpdateLeverage:
    """`updateLeverage` of one perpetual."""

    asset: int
    is_cross: bool
    leverage: int

    def wire(self) -> Wire:
        """Return the hashed form."""
        return {
            "type": "updateLeverage",
            "asset": self.asset,
            "isCross": self.is_cross,
            "leverage": self.leverage,
        }


@dataclass(frozen=True)
class ScheduleCancel:
    """`scheduleCancel`: cancel everything at `time` (ms), or forget an earlier one when it is None."""

    time: int | None

    def wire(self) -> Wire:
        """Return the hashed form."""
        return {"type": "scheduleCancel"} if self.time is None else {"type": "scheduleCancel", "time": self.time}


@dataclass(frozen=True)
class Noop:
    """`noop`: uses up a nonce and does nothing else."""

    def wire(self) -> Wire:
        """Return the hashed form."""
        return {"type": "noop"}


Action = (
    PlaceOrders
    | CancelOrders
    | CancelOrdersByCloid
    | ModifyOrder
    | ModifyOrders
    | UpdateLeverage
    | ScheduleCancel
    | Noop
)
