"""What speaks against a policy that can be read: a coin that is misspelt in `when` would switch its rule off."""

from collections.abc import Iterator

from msgspec import UNSET

from hyperkms.access.policy.document import PolicyDocument
from hyperkms.hyperliquid.market import Market
from hyperkms.operations.parts import Parts
from hyperkms.wallet import Network


def doubts_of(parts: Parts, network: Network | None, document: PolicyDocument) -> list[str]:
    """A sentence for each coin that the exchange's list does not have; none where the list cannot be read.

    Such a coin is no fault: it may be listed tomorrow. A wallet of any network has no one list.
    """
    market = None if network is None else parts.markets.get(network)
    return [] if network is None or market is None else list(_unlisted(document, network, market))


def _unlisted(document: PolicyDocument, network: Network, market: Market) -> Iterator[str]:
    for rule, coin in dict.fromkeys(_named(document)):
        nearest = market.instead_of(coin)
        if nearest:
            yield f"rule {rule!r}: no coin of {network.value} is called {coin} ({_hint(coin, nearest)})"


def _named(document: PolicyDocument) -> Iterator[tuple[str, str]]:
    for rule in document.rules:
        for table in (rule.when, rule):
            if table is not UNSET and table.coins is not UNSET:
                yield from ((rule.name, coin) for coin in table.coins)


def _hint(coin: str, nearest: list[str]) -> str:
    if nearest[0].casefold() == coin.casefold():
        return f"{nearest[0]} is"
    return f"the nearest names are {', '.join(nearest)}"
