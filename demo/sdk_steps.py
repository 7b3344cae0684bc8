"""What a bot does with the official SDK: the SDK's own calls, with nothing in them about signing."""

import time
from collections.abc import Iterator
from typing import Any

from hyperliquid.utils.types import Cloid

from demo.errors import ExchangeFailed
from demo.replies import Line, lines_of, resting_oid
from hyperkms.client.hyperliquid_sdk import RemoteExchange

WHO = "SDK"
GTC: Any = {"limit": {"tif": "Gtc"}}


def trade(exchange: RemoteExchange) -> Iterator[Line]:
    """Place, change and cancel orders, one by one and in a batch; a line for each part of each post."""
    placed = exchange.order("ETH", is_buy=True, sz=0.1, limit_px=2900.5, order_type=GTC)
    yield from _lines(exchange, placed)
    changed = exchange.modify_order(resting_oid(placed), "ETH", is_buy=True, sz=0.2, limit_px=2901, order_type=GTC)
    yield from _lines(exchange, changed)
    yield from _lines(exchange, exchange.cancel("ETH", resting_oid(changed)))
    yield from _batch(exchange)
    yield from _lines(exchange, exchange.update_leverage(5, "ETH", is_cross=False))
    yield from _lines(exchange, exchange.schedule_cancel(_now_ms() + 60_000))
    # A number of the caller's choice: ahead of those that the service may already have given out.
    yield from _lines(exchange, exchange.noop(_now_ms() + 10_000))


def _batch(exchange: RemoteExchange) -> Iterator[Line]:
    cloid = Cloid.from_int(1)
    entry: Any = {"is_buy": True, "order_type": GTC, "reduce_only": False}
    orders: Any = [
        {**entry, "coin": "BTC", "sz": 0.02, "limit_px": 57500, "cloid": cloid},
        {**entry, "coin": "SOL", "sz": 3, "limit_px": 152.4, "is_buy": False},
    ]
    yield from _lines(exchange, exchange.bulk_orders(orders))
    yield from _lines(exchange, exchange.cancel_by_cloid("BTC", cloid))


def _lines(exchange: RemoteExchange, reply: object) -> list[Line]:
    signed = exchange.last_signed
    if signed is None:
        raise ExchangeFailed("nothing was posted yet")
    coins = {asset: coin for coin, asset in exchange.info.coin_to_asset.items()}
    return lines_of(WHO, signed.address, signed.post(), reply, coins)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
