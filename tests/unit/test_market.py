"""Coin names and decimals come from the exchange, and an exchange that is away or lies does no harm."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from hyperkms.errors import Malformed, Unavailable
from hyperkms.hyperliquid.actions import parse_action
from hyperkms.hyperliquid.market import FRESH_MS, RETRY_MS, Asset, Market
from hyperkms.hyperliquid.wire import Numbers
from support.service import START_S

META = b'{"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 40}, {"name": "ETH", "szDecimals": 4}]}'
SPOT = (
    b'{"tokens": [{"name": "USDC", "szDecimals": 8, "index": 0}, {"name": "PURR", "szDecimals": 0, "index": 1},'
    b' {"name": "HFUN", "szDecimals": 2, "index": 2}],'
    b' "universe": [{"name": "PURR/USDC", "tokens": [1, 0], "index": 0},'
    b' {"name": "@1", "tokens": [2, 0], "index": 1}]}'
)


class Clock:
    """Milliseconds that only move when told."""

    now = 1_000_000

    def __call__(self) -> int:
        return self.now


class Exchange:
    """An exchange that answers /info with what it is given, and counts."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers = {b"meta": META, b"spotMeta": SPOT}
        self.asked = 0
        self.answering = threading.Event()
        self.answering.set()


@contextmanager
def _exchange() -> Iterator[Exchange]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            running.asked += 1
            assert running.answering.wait(START_S)
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = running.answers[b"spotMeta" if b"spotMeta" in body else b"meta"]
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name it has there)
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    running = Exchange(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with _exchange() as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(
    ("coin", "asset"),
    [
        ("BTC", Asset("BTC", 0, 5)),
        ("ETH", Asset("ETH", 1, 4)),
        ("PURR/USDC", Asset("PURR/USDC", 10_000, 0)),
        ("@1", Asset("@1", 10_001, 2)),
        ("HFUN/USDC", Asset("HFUN/USDC", 10_001, 2)),
    ],
)
def test_a_coin_name_is_its_asset(exchange: Exchange, clock: Clock, coin: str, asset: Asset) -> None:
    assert Market(exchange.url, clock).asset(coin) == asset


def test_an_unknown_coin_is_refused_with_the_three_nearest_names(exchange: Exchange, clock: Clock) -> None:
    with pytest.raises(Malformed) as refused:
        Market(exchange.url, clock).asset("BTCC")
    nearest = refused.value.details["nearest"]
    assert isinstance(nearest, list)
    assert (refused.value.code, nearest[0], len(nearest)) == ("unknown-coin", "BTC", 3)


@pytest.mark.parametrize(
    ("coin", "first"), [("btc", "BTC"), ("Eth", "ETH"), ("purr/usdc", "PURR/USDC"), ("hfun", "HFUN/USDC")]
)
def test_a_name_in_another_case_is_the_nearest(exchange: Exchange, clock: Clock, coin: str, first: str) -> None:
    with pytest.raises(Malformed) as refused:
        Market(exchange.url, clock).asset(coin)
    nearest = refused.value.details["nearest"]
    assert isinstance(nearest, list)
    assert nearest[0] == first


def test_the_list_is_read_once_while_it_is_fresh(exchange: Exchange, clock: Clock) -> None:
    market = Market(exchange.url, clock)
    market.asset("BTC")
    clock.now += FRESH_MS - 1
    market.asset("ETH")
    assert exchange.asked == 2
    clock.now += 1
    market.asset("ETH")
    _finish_readings()
    assert exchange.asked == 4


def test_a_new_listing_is_found_without_waiting_for_the_refresh(exchange: Exchange, clock: Clock) -> None:
    market = Market(exchange.url, clock)
    market.asset("BTC")
    exchange.answers[b"meta"] = META.replace(b"ETH", b"NEW")
    clock.now += RETRY_MS
    assert market.asset("NEW").index == 1


@pytest.mark.parametrize("answer", [b"", b"[]", b"{}", b"[" * 100_000, b'{"universe": [{"name": 1}]}', b"\xff"])
def test_an_answer_that_makes_no_sense_leaves_what_was_known(exchange: Exchange, clock: Clock, answer: bytes) -> None:
    market = Market(exchange.url, clock)
    market.asset("BTC")
    exchange.answers[b"meta"] = answer
    clock.now += FRESH_MS
    market.refresh()
    _finish_readings()
    assert exchange.asked > 2
    assert market.asset("BTC").size_decimals == 5


@pytest.mark.parametrize("decimals", [b"-1", b"9", b"1000000"])
def test_an_asset_with_impossible_decimals_is_left_out(exchange: Exchange, clock: Clock, decimals: bytes) -> None:
    exchange.answers[b"meta"] = META.replace(b'"szDecimals": 5', b'"szDecimals": ' + decimals)
    market = Market(exchange.url, clock)
    assert market.asset("ETH").index == 1
    with pytest.raises(Malformed):
        market.asset("BTC")


def test_an_exchange_that_does_not_finish_keeps_nobody_waiting(exchange: Exchange, clock: Clock) -> None:
    known, never_read = Market(exchange.url, clock), Market(exchange.url, clock)
    known.asset("BTC")
    exchange.answering.clear()
    clock.now += FRESH_MS
    assert known.asset("BTC").index == 0
    with ThreadPoolExecutor(40) as pool:
        for refused in pool.map(lambda _: _refusal(never_read), range(40)):
            assert refused == "market-unavailable"
    exchange.answering.set()
    _finish_readings()
    assert never_read.asset("BTC").index == 0


def _refusal(market: Market) -> str:
    with pytest.raises(Unavailable) as refused:
        market.asset("BTC")
    return refused.value.code


def _finish_readings() -> None:
    for thread in threading.enumerate():
        if thread.name == "market":
            thread.join(START_S)


def test_without_the_exchange_names_are_unavailable_and_numbered_assets_pass(clock: Clock) -> None:
    with _exchange() as gone:
        url = gone.url
    market = Market(url, clock)
    order = {"a": 0, "b": True, "p": "1", "s": "0.00000001", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    market.check(parse_action({"type": "order", "orders": [order], "grouping": "na"}, Numbers.CANONICAL))
    with pytest.raises(Unavailable) as refused:
        market.asset("BTC")
    assert refused.value.code == "market-unavailable"


def test_the_first_order_is_already_checked_against_the_list(exchange: Exchange, clock: Clock) -> None:
    order = {"a": 0, "b": True, "p": "60000", "s": "0.000001", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    action = parse_action({"type": "order", "orders": [order], "grouping": "na"}, Numbers.CANONICAL)
    with pytest.raises(Malformed) as refused:
        Market(exchange.url, clock).check(action)
    assert refused.value.details["nearest"] == "0.00001"


TWO_OF_ONE_NAME = (
    b'{"tokens": [{"name": "USDC", "szDecimals": 8, "index": 0}, {"name": "PURR", "szDecimals": 0, "index": 1},'
    b' {"name": "PURR", "szDecimals": 2, "index": 7}, {"name": "USDC", "szDecimals": 8, "index": 8}],'
    b' "universe": [{"name": "PURR/USDC", "tokens": [1, 0], "index": 0},'
    b' {"name": "@5", "tokens": [7, 0], "index": 5}, {"name": "@6", "tokens": [7, 8], "index": 6}]}'
)


def test_a_name_that_two_tokens_have_is_of_the_first_alone(exchange: Exchange, clock: Clock) -> None:
    """Anybody may list a token of any name: a policy that allows PURR/USDC would allow theirs too."""
    exchange.answers[b"spotMeta"] = TWO_OF_ONE_NAME
    market = Market(exchange.url, clock)
    assert market.asset("PURR/USDC").index == 10_000
    assert {asset: market.names(asset) for asset in (10_000, 10_005, 10_006)} == {
        10_000: ("PURR/USDC",),
        10_005: ("@5",),
        10_006: ("@6",),
    }


def test_only_what_is_priced_in_the_first_usdc_is_in_usd(exchange: Exchange, clock: Clock) -> None:
    exchange.answers[b"spotMeta"] = TWO_OF_ONE_NAME
    market = Market(exchange.url, clock)
    assert [market.is_in_usd(asset) for asset in (0, 1, 10_000, 10_005, 10_006, 7)] == [
        True,
        True,
        True,
        True,
        False,
        False,
    ]


@pytest.mark.parametrize("first", ["names", "is_in_usd"])
def test_who_asks_for_an_asset_first_has_the_list_read(exchange: Exchange, clock: Clock, first: str) -> None:
    """A policy asks for the coin of a leverage before there was any order."""
    market = Market(exchange.url, clock)
    assert getattr(market, first)(0)
    assert market.names(0) == ("BTC",)
    assert exchange.asked == 2


def test_where_nothing_answers_no_asset_has_a_name(clock: Clock) -> None:
    market = Market("http://127.0.0.1:9", clock)
    assert (market.names(0), market.is_in_usd(0)) == ((), False)
