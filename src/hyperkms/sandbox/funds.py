"""What an account has: USDC for perpetuals, and tokens on spot. No I/O.

Kept plainly: trading, fees and funding leave it alone, only transfers change it. A funded account starts with a
million of everything. The words of the refusals are the stand-in's own.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from hyperkms.sandbox.refusals import Refused

START = Decimal(1_000_000)
TOKENS = ("USDC", "PURR", "HYPE")
PERPS = ""
SPOT = "spot"


def _a_million_of_each() -> dict[str, Decimal]:
    return dict.fromkeys(TOKENS, START)


@dataclass
class Funds:
    """Amounts by place: the first perpetual DEX (`""`, USDC alone) and spot."""

    perps: Decimal = START
    spot: dict[str, Decimal] = field(default_factory=_a_million_of_each)

    @classmethod
    def none(cls) -> "Funds":
        """Those of an account that nobody has paid into."""
        return cls(Decimal(0), dict.fromkeys(TOKENS, Decimal(0)))

    def move(self, amount: Decimal, to: "Funds", *, token: str, source: str, target: str) -> None:
        """Take an amount from a place here and put it into one there. Raises `Refused` and changes nothing."""
        self.take(amount, token=token, place=source)
        try:
            to.put(amount, token=token, place=target)
        except Refused:
            self.put(amount, token=token, place=source)
            raise

    def take(self, amount: Decimal, *, token: str, place: str) -> None:
        """Take an amount away. Raises `Refused` if there is less."""
        if amount <= 0 or amount > self._at(place, token):
            raise Refused(f"Insufficient balance of {_name(token)}")
        self.put(-amount, token=token, place=place)

    def put(self, amount: Decimal, *, token: str, place: str) -> None:
        """Add an amount."""
        there = self._at(place, token)
        if place == PERPS:
            self.perps = there + amount
        else:
            self.spot[_name(token)] = there + amount

    def _at(self, place: str, token: str) -> Decimal:
        name = _name(token)
        if name not in TOKENS or place not in (PERPS, SPOT) or (place == PERPS and name != "USDC"):
            raise Refused(f"There is no {name} on {place or 'the first DEX'}")
        return self.perps if place == PERPS else self.spot[name]


def _name(token: str) -> str:
    """PURR of PURR:0xc1fb593aeffbeb02f85e0308e9956a90."""
    return token.partition(":")[0]
