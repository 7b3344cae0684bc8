"""Coin names and the decimals of sizes, from the exchange's /info.

Nothing secret depends on it: an answer that lies makes an order the exchange refuses or fills as
written in the response, and the response shows the asset number that was signed.
"""

import difflib
import json
import threading
import time
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from http.client import HTTPException
from typing import Any, TypeVar

import msgspec

from hyperkms.errors import Malformed, Unavailable
from hyperkms.hyperliquid.actions import Action
from hyperkms.hyperliquid.orders import FIRST_SPOT, price_decimals, prices_of
from hyperkms.hyperliquid.wire import require_decimals, require_price_text
from hyperkms.state.waiting import about_to_wait

FRESH_MS = 300_000
RETRY_MS = 10_000
WAIT_S = 2.0
TIMEOUT_S = 3.0
DEADLINE_S = 10.0
MAX_SIZE_DECIMALS = 8
MAX_ANSWER_BYTES = 8 * 1024 * 1024
_CHUNK = 65_536
_DOLLAR = "USDC"


@dataclass(frozen=True)
class Asset:
    """What the exchange trades under a name."""

    coin: str
    index: int
    size_decimals: int
    is_in_usd: bool = True
    """Whether it is priced in USD, or USDC."""

    @cached_property
    def price_decimals(self) -> int:
        """Decimals a price may have."""
        return price_decimals(self.index, self.size_decimals)


class _PerpEntry(msgspec.Struct):
    name: str
    size_decimals: int = msgspec.field(name="szDecimals")


class _Perps(msgspec.Struct):
    universe: list[_PerpEntry]


class _Token(msgspec.Struct):
    name: str
    index: int
    size_decimals: int = msgspec.field(name="szDecimals")


class _Pair(msgspec.Struct):
    name: str
    index: int
    tokens: tuple[int, int]


class _Spots(msgspec.Struct):
    tokens: list[_Token]
    universe: list[_Pair]


S = TypeVar("S")


class Reading:
    """A reading that is under way."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.done = threading.Event()


@dataclass(frozen=True)
class _Assets:
    by_coin: Mapping[str, Asset]
    by_index: Mapping[int, Asset]
    names: Mapping[int, tuple[str, ...]]
    """Under which names an asset is listed; a name is of the first asset that has it, and of no other."""

    def nearest(self, coin: str) -> list[str]:
        """Three names, those that differ in case alone first."""
        folded = coin.casefold()

        def likeness(name: str) -> float:
            return difflib.SequenceMatcher(None, folded, name.casefold()).ratio()

        return sorted(self.by_coin, key=lambda name: (-likeness(name), name))[:3]

    @classmethod
    def of(cls, perps: _Perps, spots: _Spots) -> "_Assets":
        listed = [*_perp_assets(perps), *_spot_assets(spots)]
        sound = [asset for asset in listed if 0 <= asset.size_decimals <= MAX_SIZE_DECIMALS and asset.index < 2**32]
        by_coin = {asset.coin: asset for asset in reversed(sound)}
        names: dict[int, tuple[str, ...]] = {}
        for asset in sound:
            if by_coin[asset.coin].index == asset.index:  # anybody may give a token a name that another has
                names[asset.index] = (*names.get(asset.index, ()), asset.coin)
        return cls(by_coin, {asset.index: asset for asset in sound}, names)


class Market:
    """The assets of one network; read in the background when first needed and every 5 minutes after.

    No caller waits more than 2 s for a reading, whatever the exchange does; until a new one has arrived
    the last one serves.
    """

    def __init__(self, url: str, clock: Callable[[], int]) -> None:
        self._url = url
        self._clock = clock
        self._assets = _Assets({}, {}, {})
        self._loaded_at: int | None = None
        self._tried_at: int | None = None
        self._reading: Reading | None = None
        self._starting = threading.Lock()

    def asset(self, coin: str, path: str = "coin") -> Asset:
        """The asset of a coin name, e.g. BTC or PURR/USDC.

        Malformed `unknown-coin` with the nearest names; Unavailable while the exchange's list has never
        been read.
        """
        self.refresh()
        if coin not in self._assets.by_coin:
            self._refresh_for_new()
            self._wait()
        found = self._assets.by_coin.get(coin)
        if found:
            return found
        if self._loaded_at is None:
            words = f"coin names are read from {self._url}/info, which did not answer; numbered assets can be signed"
            raise Unavailable("market-unavailable", f"{words} with /hyperliquid/sign")
        nearest = self._assets.nearest(coin)
        words = f"the exchange lists no such coin (case matters); the nearest names are {', '.join(nearest)}"
        raise Malformed.at(path, words, "unknown-coin", nearest=nearest)

    def names(self, asset: int) -> tuple[str, ...]:
        """The names of an asset, a pair's readable one first; none if the list has it not, or was never read."""
        self._require_tried()
        return self._assets.names.get(asset, ())

    def name(self, asset: int) -> str | None:
        """The first of them; None where there is none."""
        names = self._assets.names.get(asset)
        return names[0] if names else None

    def is_in_usd(self, asset: int) -> bool:
        """Whether an asset is listed, and priced in USD."""
        self._require_tried()
        found = self._assets.by_index.get(asset)
        return found is not None and found.is_in_usd

    def instead_of(self, coin: str) -> list[str]:
        """The nearest names to one that the list does not have; none if it has it, or was never read."""
        self._require_tried()
        return [] if coin in self._assets.by_coin else self._assets.nearest(coin)

    def check(self, action: Action) -> None:
        """Refuse prices and sizes with more decimals than the market allows.

        Without a list of assets the check is left out: the exchange makes it again.
        """
        orders = list(action.orders())
        if orders:
            self._require_tried()
        for path, order in orders:
            asset = self._assets.by_index.get(order["a"])
            if asset:
                check_order(asset, order, path)

    def refresh(self) -> None:
        """Begin a reading in the background if the last one is old, or failed 10 s ago or more."""
        if not _is_within(FRESH_MS, self._loaded_at, self._clock()):
            self._begin()

    def _require_tried(self) -> None:
        """The list is there, or a reading of it was waited for."""
        self.refresh()
        if self._loaded_at is None:
            self._wait()

    def _refresh_for_new(self) -> None:
        """Begin a reading for a name that the last one did not have."""
        if not _is_within(RETRY_MS, self._loaded_at, self._clock()):
            self._begin()

    def _begin(self) -> None:
        with self._starting:
            if self._reading or _is_within(RETRY_MS, self._tried_at, self._clock()):
                return
            self._tried_at = self._clock()
            self._reading = Reading()
            threading.Thread(target=self._read, args=(self._reading,), daemon=True, name="market").start()

    def _wait(self) -> None:
        """Until the reading under way is done, but no longer than 2 s from its start."""
        reading = self._reading
        if reading:
            about_to_wait()
            reading.done.wait(max(0.0, reading.started + WAIT_S - time.monotonic()))

    def _read(self, reading: Reading) -> None:
        try:
            assets = ask(self._url, "meta", _Perps), ask(self._url, "spotMeta", _Spots)
        except (OSError, HTTPException, msgspec.MsgspecError, RecursionError):
            pass
        else:
            self._assets = _Assets.of(*assets)
            self._loaded_at = self._clock()
        finally:
            self._reading = None
            reading.done.set()


def check_order(asset: Asset, order: Mapping[str, Any], path: str) -> None:
    """Refuse a price or size that the market of this asset does not take, naming the nearest."""
    for place, text in prices_of(order):
        require_price_text(text, f"{path}.{place}", asset.price_decimals)
    size: str = order["s"]
    if len(size.partition(".")[2]) > asset.size_decimals:
        require_decimals(Decimal(size), f"{path}.s", asset.size_decimals)


def _perp_assets(perps: _Perps) -> list[Asset]:
    return [Asset(entry.name, index, entry.size_decimals) for index, entry in enumerate(perps.universe)]


def _spot_assets(spots: _Spots) -> list[Asset]:
    """Each pair under its own name (PURR/USDC or @7) and under BASE/QUOTE."""
    tokens = {token.index: token for token in spots.tokens}
    dollar = next((token.index for token in spots.tokens if token.name == _DOLLAR), None)
    assets = []
    for pair in spots.universe:
        base, quote = (tokens.get(index) for index in pair.tokens)
        if base is None or quote is None:
            continue
        names = dict.fromkeys((f"{base.name}/{quote.name}", pair.name))
        is_in_usd = quote.index == dollar
        assets += [Asset(name, FIRST_SPOT + pair.index, base.size_decimals, is_in_usd) for name in names]
    return assets


def ask(url: str, what: str, kind: type[S]) -> S:
    """The exchange's answer to POST /info; OSError, HTTPException or MsgspecError if there is none that can be read."""
    request = urllib.request.Request(  # noqa: S310 (the configuration admits http and https only)
        f"{url}/info",
        data=json.dumps({"type": what}).encode(),
        headers={"Content-Type": "application/json"},
    )
    deadline = time.monotonic() + DEADLINE_S
    raw = bytearray()
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 (as above)
        while chunk := answer.read1(_CHUNK):
            raw += chunk
            if len(raw) > MAX_ANSWER_BYTES or time.monotonic() > deadline:
                raise TimeoutError("the answer is too large or too slow")
    return msgspec.json.decode(raw, type=kind)


def _is_within(span: int, since: int | None, now: int) -> bool:
    """Whether `since` was at most `span` ms ago; a clock that went back says no."""
    return since is not None and 0 <= now - since < span
