"""Marks are the exchange's, as young as is asked for, or there is none."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec
import pytest

from hyperkms.hyperliquid.market import Market
from hyperkms.hyperliquid.marks import MarketPrices, Marks
from hyperkms.state.waiting import MustWait, without_waiting

NOW = 1_780_000_000_000
ANSWERS: dict[str, object] = {
    "meta": {"universe": [{"name": name, "szDecimals": 0} for name in ("BTC", "ETH", "SOL", "DOGE", "AVAX", "BNB")]},
    "spotMeta": {"tokens": [], "universe": []},
    "allMids": {"BTC": "60000.5", "ETH": "0", "SOL": "NaN", "DOGE": "1e999999", "AVAX": "9" * 41, "BNB": "-1"},
}


class Clock:
    """Milliseconds that only move when told."""

    now = NOW

    def __call__(self) -> int:
        return self.now


@contextmanager
def exchange(answers: dict[str, object]) -> Iterator[str]:
    """Answers /info; its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            kind = msgspec.json.decode(self.rfile.read(int(self.headers["Content-Length"])))["type"]
            raw = msgspec.json.encode(answers[kind])
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name it has there)
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def prices(clock: Clock) -> Iterator[MarketPrices]:
    with exchange(ANSWERS) as url:
        yield _prices(url, clock)


def _prices(url: str, clock: Callable[[], int]) -> MarketPrices:
    market = Market(url, clock)
    return MarketPrices(market, Marks(url, market, clock))


def test_a_mark_is_the_price_of_its_asset(prices: MarketPrices) -> None:
    assert prices.mark(0, now=NOW, max_age_ms=500) == Decimal("60000.5")


@pytest.mark.parametrize("asset", [1, 2, 3, 4, 5, 6])
def test_what_is_no_price_above_0_or_too_long_for_one_is_no_mark(prices: MarketPrices, asset: int) -> None:
    assert prices.mark(asset, now=NOW, max_age_ms=500) is None
    assert prices.mark(0, now=NOW, max_age_ms=500) is not None


def test_who_may_not_wait_is_told_so_until_there_is_one(prices: MarketPrices) -> None:
    with pytest.raises(MustWait), without_waiting():
        prices.mark(0, now=NOW, max_age_ms=500)
    prices.mark(0, now=NOW, max_age_ms=500)
    with without_waiting():
        assert prices.mark(0, now=NOW, max_age_ms=500) is not None


def test_where_nothing_answers_there_is_no_mark(clock: Clock) -> None:
    assert _prices("http://127.0.0.1:9", clock).mark(0, now=NOW, max_age_ms=300_000) is None


def test_nobody_waits_for_an_exchange_that_is_known_to_be_away(clock: Clock) -> None:
    prices = _prices("http://127.0.0.1:9", clock)
    assert prices.mark(0, now=NOW, max_age_ms=500) is None
    with without_waiting():
        assert prices.mark(0, now=NOW, max_age_ms=500) is None
