"""What a policy can know of an action: its orders, the assets it is about, the funds it moves. Pure.

What cannot be known (the name of an asset that the exchange's list has not, a mark that is too old) is raised as
Unjudged: a rule that needs it refuses.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, Context, Decimal
from enum import IntEnum
from functools import cached_property, reduce
from typing import Any, NamedTuple, Protocol

from hyperkms.access.approvals import NONE_SHOWN, Shown
from hyperkms.hyperliquid.actions import Action
from hyperkms.hyperliquid.classes import CLASSES, ActionClass

MICRO = Decimal(10**6)
MOST_MICRO = 2**62
WIDE = Context(prec=100)
"""In which nothing that a policy can meet is rounded."""


class Unjudged(Exception):
    """Something that a rule needs is not known; the text says what."""


class Prices(Protocol):
    """What is known of the exchange's assets now."""

    def names(self, asset: int) -> Sequence[str]:
        """The names of an asset; none if the list has it not, or was never read."""

    def name(self, asset: int) -> str | None:
        """The first of them."""

    def is_in_usd(self, asset: int) -> bool:
        """Whether its price is in USD."""

    def mark(self, asset: int, *, now: int, max_age_ms: int) -> Decimal | None:
        """The mark price; None if there is none so young."""


class Kind(IntEnum):
    """What a part of an action is; a number, so that rules are found by it in no time."""

    ORDER = 0
    LEVERAGE = 1
    TRANSFER = 2
    OTHER = 3


ORDER, LEVERAGE, TRANSFER, OTHER = Kind
"""By their own names: to look one up in its class takes as long as to call a function."""
_OF_CLASS = {ActionClass.ORDER: ORDER, ActionClass.LEVERAGE: LEVERAGE, ActionClass.TRANSFER: TRANSFER}
KINDS: Mapping[str, Kind] = {name: _OF_CLASS.get(of_class, OTHER) for name, of_class in CLASSES.items()}
"""By action type."""


class Part:
    """One order of an action, or the whole of an action that has none."""

    __slots__ = ("asset", "is_buy", "kind", "path", "price", "reduce_only", "size", "tif", "trigger", "worth")

    def __init__(self, kind: Kind, path: str, asset: int | None) -> None:
        self.kind = kind
        self.path = path
        self.asset = asset
        self.worth: tuple[int, Decimal] | None = None
        """Its notional, once it was worked out, and how old a mark could be for it."""

    is_buy: bool
    price: Decimal | None
    """None for what is done at the market's price."""
    size: Decimal
    reduce_only: bool
    tif: str | None
    """None for what is no limit order."""
    trigger: Decimal | None


class Moved(NamedTuple):
    """Funds that an action moves."""

    usdc: Decimal | None
    """None where it is another token, or the amount is not said."""
    destination: str | None
    """In lower case; None where none is named."""
    stays: bool
    """They stay with the same account, which is no destination."""


class Asked:
    """An action with everything that rules look at. It is made for one request and one moment."""

    def __init__(  # noqa: PLR0913 (all that goes with an action)
        self,
        action: Action,
        prices: Prices,
        *,
        now: int,
        vault_address: str | None,
        expires_after: int | None,
        approvals: Shown = NONE_SHOWN,
    ) -> None:
        self.action = action
        self.prices = prices
        self.now = now
        self.vault_address = vault_address
        self.expires_after = expires_after
        self.approvals = approvals
        self.kind = KINDS[action.type]
        self.parts = _orders(action) if self.kind is ORDER else [_whole(action, self.kind)]

    def coins(self, part: Part) -> Sequence[str]:
        """The names of the asset, one at least."""
        names = () if part.asset is None else self.prices.names(part.asset)
        if not names:
            raise Unjudged(f"{part.path}: the exchange's list has no asset {part.asset}, or was not read yet")
        return names

    def mark(self, part: Part, max_age_ms: int) -> Decimal:
        """The mark of the asset, no older than that."""
        asset = part.asset
        mark = None if asset is None else self.prices.mark(asset, now=self.now, max_age_ms=max_age_ms)
        if mark is None:
            raise Unjudged(f"{part.path}: there is no mark of asset {asset} that is at most {max_age_ms} ms old")
        return mark

    def notional(self, part: Part, max_age_ms: int) -> Decimal:
        """What an order is worth at most, in USD.

        A buy: size times its price. A sell may be done far above its price, so it is size times the highest of price,
        trigger and mark; so is an order without a price.
        """
        if part.worth is None or part.worth[0] != max_age_ms:
            part.worth = max_age_ms, self._worth(part, max_age_ms)
        return part.worth[1]

    def _worth(self, part: Part, max_age_ms: int) -> Decimal:
        if part.asset is None or not self.prices.is_in_usd(part.asset):
            raise Unjudged(f"{part.path}: the price of asset {part.asset} is not known to be in USD")
        if part.size == 0:
            raise Unjudged(f"{part.path}: size 0 means the whole position, whose worth is not known here")
        price = part.price
        if price is None or not part.is_buy:
            known = [one for one in (price, part.trigger) if one is not None]
            price = max(self.mark(part, max_age_ms), *known) if known else self.mark(part, max_age_ms)
        return WIDE.multiply(price, part.size)

    @cached_property
    def moved(self) -> Moved:
        """The funds it moves; for a transfer alone."""
        return moved_by(self.action)

    def usdc_moved(self) -> Decimal:
        """What it moves, for a transfer alone."""
        usdc = self.moved.usdc
        if usdc is None:
            raise Unjudged("action: what it moves is not known in USDC")
        return usdc


def total(amounts: Iterable[Decimal]) -> Decimal:
    """Their sum, exactly."""
    return reduce(WIDE.add, amounts, Decimal(0))


def micro(amount: Decimal) -> int:
    """Millionths, rounded up; never more than a meter holds."""
    made = int(WIDE.multiply(amount, MICRO).to_integral_value(ROUND_CEILING))
    return min(MOST_MICRO, made)


def _orders(action: Action) -> Sequence[Part]:
    if action.type == "twapOrder":
        return [_twap(action.wire["twap"])]
    return [_order(path, order) for path, order in action.orders()]


def _order(path: str, order: Mapping[str, Any]) -> Part:
    part = Part(ORDER, path, order["a"])
    part.is_buy = order["b"]
    part.price = Decimal(order["p"])
    part.size = Decimal(order["s"])
    part.reduce_only = order["r"]
    terms = order["t"]
    limit = terms.get("limit")
    if limit is not None:
        part.tif, part.trigger = limit["tif"], None
    else:
        part.tif, part.trigger = None, Decimal(terms["trigger"]["triggerPx"])
    return part


def _twap(twap: Mapping[str, Any]) -> Part:
    part = Part(ORDER, "action.twap", twap["a"])
    part.is_buy = twap["b"]
    part.price = part.tif = part.trigger = None
    part.size = Decimal(twap["s"])
    part.reduce_only = twap["r"]
    return part


def _whole(action: Action, kind: Kind) -> Part:
    asset = action.wire.get("asset") if kind is LEVERAGE else None
    return Part(kind, "action", asset)


def accounts_of(action: Action, vault_address: str | None) -> Sequence[str]:
    """The vaults and sub-accounts that an action is for, in lower case; none for the account itself."""
    named = [vault_address, action.wire.get("fromSubAccount")]
    amount = action.wire.get("amount")
    if isinstance(amount, str):
        named.append(amount.partition(" subaccount:")[2])
    return [str(one).lower() for one in named if one]


def moved_by(action: Action) -> Moved:
    """What a transfer moves and where to; None for what it does not say or cannot be known in USDC."""
    wire = action.wire
    destination = next((wire[name] for name in _DESTINATIONS if wire.get(name)), None)
    return Moved(
        _usdc(action.type, wire), None if destination is None else str(destination).lower(), action.type in _STAYING
    )


_STAYING = {"usdClassTransfer", "cDeposit", "cWithdraw"}
_DESTINATIONS = ("destination", "destinationRecipient", "subAccountUser", "vaultAddress", "validator")
_MICRO_USD = {
    "subAccountTransfer": "usd",
    "vaultTransfer": "usd",
    "vaultDistribute": "usd",
    "createVault": "initialUsd",
}
_TEXT_USD = {"usdSend", "withdraw3", "usdClassTransfer"}
_TOKEN_AMOUNT = {"spotSend", "sendAsset", "agentSendAsset", "subAccountSpotTransfer", "sendToEvmWithData"}
_USDC = {"USDC:0x6d1e7cde53ba9467b783cb7c530ce054", "USDC:0xeb62eee3685fc4c43992febcd9e75443", "USDC"}


def _usdc(name: str, wire: Mapping[str, Any]) -> Decimal | None:
    if name in _MICRO_USD:
        return Decimal(wire[_MICRO_USD[name]]) / MICRO
    if name in _TEXT_USD or (name in _TOKEN_AMOUNT and wire.get("token") in _USDC):
        return Decimal(str(wire["amount"]).partition(" ")[0])
    return None
