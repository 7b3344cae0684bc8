"""One account's state: its orders, positions, leverage and scheduled cancellation. No I/O; times in ms."""

from dataclasses import dataclass, field, replace
from decimal import Decimal

from hyperkms.sandbox.actions import Order, OrderRef
from hyperkms.sandbox.funds import Funds


@dataclass(frozen=True)
class OrderRecord:
    """An order that got an oid; `status` is open, or how it ended: filled, canceled or scheduledCancel."""

    oid: int
    order: Order
    placed_ms: int
    status: str
    status_ms: int


@dataclass(frozen=True)
class Position:
    """A perpetual position: signed size and average entry price."""

    size: Decimal = Decimal(0)
    entry: Decimal = Decimal(0)

    def after(self, traded: Decimal, price: Decimal) -> "Position":
        """Return the position after buying (positive) or selling (negative) `traded` at `price`."""
        size = self.size + traded
        if self.size * traded >= 0:
            total = abs(self.size) * self.entry + abs(traded) * price
            return Position(size, total / abs(size) if size else Decimal(0))
        return Position(size, self.entry if self.size * size > 0 else price)


@dataclass(frozen=True)
class Leverage:
    """The leverage set for one perpetual."""

    is_cross: bool = True
    value: int = 20


@dataclass
class Account:
    """Orders by oid (ended ones included), positions and leverage by asset number, funds."""

    records: dict[int, OrderRecord] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)
    leverage: dict[int, Leverage] = field(default_factory=dict)
    cancel_at_ms: int | None = None
    funds: Funds = field(default_factory=Funds)
    builders: dict[str, str] = field(default_factory=dict)
    """The highest fee that was approved, by the builder's address."""

    def add(self, record: OrderRecord) -> None:
        """Keep a new order."""
        self.records[record.oid] = record

    def open_orders(self) -> list[OrderRecord]:
        """Return the open orders, oldest first."""
        return [record for record in self.records.values() if record.status == "open"]

    def find(self, ref: OrderRef) -> OrderRecord | None:
        """Find an order by oid, or the newest with that cloid."""
        if isinstance(ref, int):
            return self.records.get(ref)
        return next((r for r in reversed(self.records.values()) if r.order.cloid == ref), None)

    def find_open(self, ref: OrderRef) -> OrderRecord | None:
        """Find an open order by oid, or the newest open one with that cloid."""
        matching = (r for r in reversed(self.open_orders()) if ref in (r.oid, r.order.cloid))
        return next(matching, None)

    def end(self, record: OrderRecord, status: str, *, now_ms: int) -> None:
        """Note how an order ended."""
        self.records[record.oid] = replace(record, status=status, status_ms=now_ms)

    def trade(self, asset: int, traded: Decimal, *, price: Decimal) -> None:
        """Book a fill of a perpetual; `traded` is signed."""
        position = self.positions.pop(asset, Position()).after(traded, price)
        if position.size:
            self.positions[asset] = position

    def run_schedule(self, *, now_ms: int) -> None:
        """Cancel every open order once the scheduled time has come."""
        if self.cancel_at_ms is None or now_ms < self.cancel_at_ms:
            return
        for record in self.open_orders():
            self.end(record, "scheduledCancel", now_ms=self.cancel_at_ms)
        self.cancel_at_ms = None
