"""Coin names and the decimals of sizes, from the exchange's /info.

Nothing secret depends on it: an answer that lies makes an order the exchange refuses or fills as
written in the response, and the response shows the asset number that was signed.
"""

import difflib
import json
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from http.client import HTTPException
from typing import Any, TypeVar

import msgspec

from hyperkms.errors import Malformed, Unavailable
from hyperkms.hyperliquid.actions import Action, price_decimals, prices_of
from hyperkms.hyperliquid.wire import require_decimals, require_price

FRESH_MS = 300_000
RETRY_MS = 10_000
TIMEOUT_S = 3.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024
_FIRST_SPOT = 10_000


@dataclass(frozen=True)
class Asset:
    """What the exchange trades under a name."""

    coin: str
    index: int
    size_decimals: int


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


S = TypeVar("S", bound=msgspec.Struct)


class Market:
    """The assets of one network; loaded when first needed, refreshed every 5 minutes."""

    def __init__(self, url: str, clock: Callable[[], int]) -> None:
        self._url = url
        self._clock = clock
        self._by_coin: Mapping[str, Asset] = {}
        self._by_index: Mapping[int, Asset] = {}
        self._loaded_at: int | None = None
        self._tried_at: int | None = None
        self._loading = threading.Lock()

    def asset(self, coin: str, path: str = "coin") -> Asset:
        """The asset of a coin name, e.g. BTC or PURR/USDC.

        Malformed `unknown-coin` with the nearest names; Unavailable while the exchange's list has never
        been read.
        """
        self._refresh_if_due(wanted=coin)
        found = self._by_coin.get(coin)
        if found:
            return found
        if self._loaded_at is None:
            raise Unavailable("market-unavailable", f"coin names are read from {self._url}/info, which did not answer")
        nearest = difflib.get_close_matches(coin, self._by_coin, n=3, cutoff=0.0)
        words = f"the exchange lists no such coin; the nearest names are {', '.join(nearest)}"
        raise Malformed.at(path, words, "unknown-coin", nearest=nearest)

    def check(self, action: Action) -> None:
        """Refuse prices and sizes with more decimals than the market allows.

        The first call waits for the list of assets, at most 6 s; later ones never do. Without a list
        the check is left out: the exchange makes it again.
        """
        orders = list(action.orders())
        if orders and self._tried_at is None:
            self._refresh_if_due(wanted=None)
        elif orders:
            self.refresh()
        for path, order in orders:
            asset = self._by_index.get(order["a"])
            if asset:
                check_order(asset, order, path)

    def refresh(self) -> None:
        """Read the list in the background if it is due."""
        if self._due(None) and not self._loading.locked():
            threading.Thread(target=self._refresh_if_due, kwargs={"wanted": None}, daemon=True).start()

    def _refresh_if_due(self, *, wanted: str | None) -> None:
        if not self._due(wanted):
            return
        with self._loading:
            if self._due(wanted):
                self._load()
                self._tried_at = self._clock()

    def _due(self, wanted: str | None) -> bool:
        now = self._clock()
        if self._tried_at is not None and 0 <= now - self._tried_at < RETRY_MS:
            return False
        unknown = wanted is not None and wanted not in self._by_coin
        return self._loaded_at is None or unknown or not 0 <= now - self._loaded_at < FRESH_MS

    def _load(self) -> None:
        """Read both lists; what was known stays when the exchange does not answer."""
        try:
            perps = self._ask("meta", _Perps)
            spots = self._ask("spotMeta", _Spots)
        except (OSError, HTTPException, msgspec.MsgspecError, RecursionError):
            return
        assets = [*_perp_assets(perps), *_spot_assets(spots)]
        self._by_index = {asset.index: asset for asset in assets}
        self._by_coin = {asset.coin: asset for asset in reversed(assets)}
        self._loaded_at = self._clock()

    def _ask(self, what: str, kind: type[S]) -> S:
        request = urllib.request.Request(  # noqa: S310 (the configuration admits http and https only)
            f"{self._url}/info",
            data=json.dumps({"type": what}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 (as above)
            raw = answer.read(MAX_ANSWER_BYTES)
        return msgspec.json.decode(raw, type=kind)  # one cut at the limit is no JSON


def check_order(asset: Asset, order: Mapping[str, Any], path: str) -> None:
    """Refuse a price or size that the market of this asset does not take, naming the nearest."""
    decimals = price_decimals(asset.index, asset.size_decimals)
    for place, text in prices_of(order):
        require_price(Decimal(text), f"{path}.{place}", decimals)
    require_decimals(Decimal(order["s"]), f"{path}.s", asset.size_decimals)


def _perp_assets(perps: _Perps) -> list[Asset]:
    return [Asset(entry.name, index, entry.size_decimals) for index, entry in enumerate(perps.universe)]


def _spot_assets(spots: _Spots) -> list[Asset]:
    """Each pair under its own name (PURR/USDC or @7) and under BASE/QUOTE."""
    tokens = {token.index: token for token in spots.tokens}
    assets = []
    for pair in spots.universe:
        base, quote = (tokens.get(index) for index in pair.tokens)
        if base is None or quote is None:
            continue
        names = dict.fromkeys((f"{base.name}/{quote.name}", pair.name))
        assets += [Asset(name, _FIRST_SPOT + pair.index, base.size_decimals) for name in names]
    return assets
