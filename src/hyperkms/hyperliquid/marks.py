"""What the exchange's assets are worth now: the middle of each book, read again and again while somebody asks.

Source: POST /info {"type": "allMids"}, of weight 2 among the 1,200 a minute that an address has; the mark prices of
`metaAndAssetCtxs` cost ten times as much. Nothing secret depends on it; a policy that needs a price refuses
without one that is young enough.
"""

import threading
import time
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from http.client import HTTPException

import msgspec

from hyperkms.hyperliquid.market import Market, Reading, ask
from hyperkms.state.waiting import about_to_wait

PERIOD_S = 2.0
"""Between two readings, while marks are wanted."""
WANTED_FOR_MS = 60_000
"""So long after the last question they go on being read."""
WAIT_S = 2.0
"""No caller waits longer for a reading."""
_LONGEST_PRICE = 40


class Marks:
    """The marks of one network."""

    def __init__(self, url: str, market: Market, clock: Callable[[], int]) -> None:
        self._url = url
        self._market = market
        self._clock = clock
        self._prices: Mapping[str, Decimal] = {}
        self._read_at: int | None = None
        self._wanted_at = 0
        self._reading = Reading()
        self._is_away = False
        """The last reading has failed, or did not come in time: nobody waits until one has come again."""
        self._running = False
        self._starting = threading.Lock()

    def mark(self, asset: int, *, now: int, max_age_ms: int) -> Decimal | None:
        """The price of an asset, at most so old; None if there is none.

        It waits for a reading, 2 s at most, and not while the exchange is away.
        """
        self._wanted_at = now
        if not self._running:
            self._start()
        if not self._is_young(now, max_age_ms):
            if not self._is_away:
                self._wait()
            if not self._is_young(self._clock(), max_age_ms):
                return None
        found = (self._prices.get(name) for name in self._market.names(asset))
        return next((price for price in found if price is not None), None)

    def _is_young(self, now: int, max_age_ms: int) -> bool:
        """A clock that went back says no."""
        return self._read_at is not None and 0 <= now - self._read_at <= max_age_ms

    def _wait(self) -> None:
        """Until the next reading is done."""
        reading = self._reading
        about_to_wait()
        if not reading.done.wait(WAIT_S):
            self._is_away = True

    def _start(self) -> None:
        with self._starting:
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, daemon=True, name="marks").start()

    def _run(self) -> None:
        try:
            while self._clock() - self._wanted_at < WANTED_FOR_MS:
                begun = time.monotonic()
                self._read()
                time.sleep(max(0.05, PERIOD_S - (time.monotonic() - begun)))
        finally:
            self._running = False

    def _read(self) -> None:
        reading, asked_at = self._reading, self._clock()
        try:
            answer = ask(self._url, "allMids", dict[str, str])
            self._prices = {name: price for name, text in answer.items() if (price := _price(text)) is not None}
            self._read_at = asked_at  # as old as the question: an answer may have taken long
            self._is_away = False
        except (OSError, HTTPException, msgspec.MsgspecError, RecursionError):
            self._is_away = True
        finally:
            self._reading = Reading()
            reading.done.set()


def _price(text: str) -> Decimal | None:
    """A price above 0; None for what is none, or too long to be worked with."""
    if len(text) > _LONGEST_PRICE:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        return None
    return price if price.is_finite() and price > 0 and abs(price.adjusted()) <= _LONGEST_PRICE else None


class MarketPrices:
    """Market and marks of a network, as policies ask for them."""

    def __init__(self, market: Market, marks: Marks) -> None:
        self._market = market
        self._marks = marks
        self.names = market.names
        self.name = market.name
        self.is_in_usd = market.is_in_usd
        self.mark = marks.mark
