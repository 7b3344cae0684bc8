"""Key custody and signing for Hyperliquid trading bots."""

from hyperkms.errors import HyperkmsError

__all__ = ["HyperkmsError"]
