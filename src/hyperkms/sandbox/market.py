"""What can be traded here: a small fixed universe in the shape of /info `meta` and `spotMeta`.

Names, szDecimals and maximum leverage are the exchange's; the indices of perpetuals are the stand-in's own,
as they differ between the exchange's networks too: clients resolve names through /info. Mid prices never
move.
"""

from dataclasses import dataclass

from hyperkms.sandbox.refusals import Refused

SPOT_OFFSET = 10_000


@dataclass(frozen=True)
class Market:
    """One tradable asset. `coin` is its name in /info; sizes have at most `size_decimals` decimals."""

    asset: int
    coin: str
    size_decimals: int
    max_leverage: int
    mid: str

    @property
    def is_spot(self) -> bool:
        """Tell a spot pair from a perpetual."""
        return self.asset >= SPOT_OFFSET

    @property
    def price_decimals(self) -> int:
        """The most decimals of a price: 6 for perpetuals, 8 for spot, less those of the size."""
        return (8 if self.is_spot else 6) - self.size_decimals


MARKETS: dict[int, Market] = {
    market.asset: market
    for market in (
        Market(0, "BTC", 5, 40, "60000"),
        Market(1, "ETH", 4, 25, "3000"),
        Market(2, "SOL", 2, 20, "150"),
        Market(3, "DOGE", 0, 10, "0.15"),
        Market(4, "AVAX", 2, 10, "25"),
        Market(5, "BNB", 3, 10, "600"),
        Market(6, "ARB", 1, 10, "0.5"),
        Market(7, "HYPE", 2, 10, "30"),
        Market(SPOT_OFFSET, "PURR/USDC", 0, 1, "0.2"),
        Market(SPOT_OFFSET + 107, "@107", 2, 1, "30"),
    )
}


def market_of(asset: int) -> Market:
    """Return the market with this number, or raise `Refused` (in the stand-in's own words)."""
    if asset not in MARKETS:
        raise Refused(f"Unknown asset. asset={asset}")
    return MARKETS[asset]


def perp_meta() -> dict[str, object]:
    """Answer /info `meta`."""
    return {
        "universe": [
            {"name": m.coin, "szDecimals": m.size_decimals, "maxLeverage": m.max_leverage}
            for m in MARKETS.values()
            if not m.is_spot
        ]
    }


def token_indices() -> dict[str, int]:
    """Return the spot tokens' numbers by name."""
    return {"USDC": 0, "PURR": 1, "HYPE": 150}


def spot_meta() -> dict[str, object]:
    """Answer /info `spotMeta`."""
    return {
        "tokens": [
            _token("USDC", 0, "0x6d1e7cde53ba9467b783cb7c530ce054", size_decimals=8, wei_decimals=8),
            _token("PURR", 1, "0xc1fb593aeffbeb02f85e0308e9956a90", size_decimals=0, wei_decimals=5),
            _token("HYPE", 150, "0x0d01dc56dcaaca66ad901c959b4011ec", size_decimals=2, wei_decimals=8),
        ],
        "universe": [
            {"name": "PURR/USDC", "tokens": [1, 0], "index": 0, "isCanonical": True},
            {"name": "@107", "tokens": [150, 0], "index": 107, "isCanonical": False},
        ],
    }


def all_mids() -> dict[str, str]:
    """Answer /info `allMids`: the fixed price of every coin."""
    return {market.coin: market.mid for market in MARKETS.values()}


def perp_meta_and_contexts() -> list[object]:
    """Answer /info `metaAndAssetCtxs`: `meta`, and the state of each perpetual in the same order."""
    return [perp_meta(), [_perp_context(market) for market in MARKETS.values() if not market.is_spot]]


def spot_meta_and_contexts() -> list[object]:
    """Answer /info `spotMetaAndAssetCtxs`: `spotMeta`, and the state of each pair in the same order."""
    return [spot_meta(), [{**_context(market), "coin": market.coin} for market in MARKETS.values() if market.is_spot]]


def perp_dexs() -> list[object]:
    """Answer /info `perpDexs`: the first entry is the exchange's own, and there are no others."""
    return [None]


def _perp_context(market: Market) -> dict[str, object]:
    return {
        **_context(market),
        "funding": "0.0000125",
        "impactPxs": [market.mid, market.mid],
        "openInterest": "0.0",
        "oraclePx": market.mid,
        "premium": "0.0",
    }


def _context(market: Market) -> dict[str, object]:
    return {"dayNtlVlm": "0.0", "markPx": market.mid, "midPx": market.mid, "prevDayPx": market.mid}


def _token(name: str, index: int, token_id: str, *, size_decimals: int, wei_decimals: int) -> dict[str, object]:
    return {
        "name": name,
        "szDecimals": size_decimals,
        "weiDecimals": wei_decimals,
        "index": index,
        "tokenId": token_id,
        "isCanonical": name in ("USDC", "PURR"),
        "evmContract": None,
        "fullName": None,
    }
