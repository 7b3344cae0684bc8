"""How often a client may ask: exact over all processes of a host, never more than the limit says.

The counts stand in the mapped file `shared`, so they outlive a restart too. A limit by the second is a
token bucket; one by a longer period is a window that begins with the first request, as in the first
system. Failed authentication is counted by address, in a table whose places no caller can choose.
"""

import hashlib
import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple, Protocol

from hyperkms._core import SharedCounters
from hyperkms.errors import Limited, Malformed, Unavailable, quoted

SECOND_MS = 1000
_NS = 1_000_000_000
_UNITS = {"s": SECOND_MS, "m": 60 * SECOND_MS, "h": 3600 * SECOND_MS, "d": 86400 * SECOND_MS}
_WORDS = {"s": "second", "m": "minute", "h": "hour", "d": "day"}
_SPEC = re.compile(r"([0-9]{1,7})/([0-9]{1,4})?([smhd])(?::([0-9]{1,7}))?", re.ASCII)
_MOST = 2**22 - 1

ADDRESSES = 4096
_FIRST_ADDRESS = 64
_FIRST_CLIENT = 8192
_CELLS = 8
MAX_CLIENTS = ((1 << 17) - _FIRST_CLIENT) // _CELLS
"""The cells of the file `shared`; docs/formats.md lists them all."""


class What(IntEnum):
    """What is limited; the value is its place among a client's cells and stands for ever."""

    SIGN = 0
    GENERATE = 1
    ROTATE = 2
    MIGRATE = 3
    READ = 4
    ADMINISTER = 5
    FAILED_AUTHENTICATION = 7


_NOUNS = {
    What.SIGN: ("Signing", "signatures"),
    What.GENERATE: ("Wallet generation", "wallets"),
    What.ROTATE: ("Key rotation", "rotations"),
    What.MIGRATE: ("Migration", "wallets"),
    What.READ: ("Reading", "requests"),
    What.ADMINISTER: ("Administration", "requests"),
    What.FAILED_AUTHENTICATION: ("Failed authentication", "attempts"),
}

DEFAULTS: Mapping[What, str] = {
    What.SIGN: "500/s:1000",
    What.GENERATE: "5/5m",
    What.ROTATE: "3/5m",
    What.MIGRATE: "5/5m",
    What.READ: "100/s:200",
    What.ADMINISTER: "60/m",
    What.FAILED_AUTHENTICATION: "30/m",
}


@dataclass(frozen=True)
class Limit:
    """`amount` in `number` times `unit`; by the second with room for `burst` at once."""

    amount: int
    number: int
    unit: str
    burst: int | None

    @classmethod
    def parse(cls, text: str, setting: str) -> "Limit":
        """`500/s`, `500/s:1000` (with its burst), `5/5m`, `100/h`; Malformed otherwise."""
        found = _SPEC.fullmatch(text)
        if found is None:
            words = f"{setting} is {quoted(text)}; a limit is due, such as 500/s, 500/s:1000 (with its burst) or 5/5m"
            raise Malformed("malformed-setting", words, {"setting": setting})
        amount, number, unit, burst = int(found[1]), int(found[2] or 1), found[3], found[4]
        if not 1 <= amount <= _MOST or number < 1:
            words = f"{setting} is {quoted(text)}: at least 1 and at most {_MOST} may be allowed, in a period above 0"
            raise Malformed("malformed-setting", words, {"setting": setting})
        if unit != "s":
            if burst is not None:
                words = f"{setting} is {quoted(text)}: only a limit by the second has a burst"
                raise Malformed("malformed-setting", words, {"setting": setting})
            return cls(amount, number, unit, None)
        return cls(amount, number, unit, max(int(burst), 1) if burst else 2 * amount)

    def __str__(self) -> str:
        number = "" if self.number == 1 else str(self.number)
        return f"{self.amount}/{number}{self.unit}" + ("" if self.burst is None else f":{self.burst}")

    @property
    def period_ms(self) -> int:
        """Milliseconds."""
        return self.number * _UNITS[self.unit]

    @property
    def period_words(self) -> str:
        """`5 minutes`, `second`."""
        word = _WORDS[self.unit]
        return word if self.number == 1 else f"{self.number} {word}s"


class _Rule(NamedTuple):
    """A limit as it is counted."""

    limit: Limit
    unit_ns: int
    """Of its clock."""
    most: int
    interval: int | None
    """Of a bucket, in units of the clock; None: it is a window."""

    @classmethod
    def of(cls, limit: Limit) -> "_Rule":
        if limit.burst is None:
            return cls(limit, _NS // SECOND_MS, limit.amount, None)
        interval = -(-limit.period_ms * (_NS // SECOND_MS) // limit.amount)  # rounded up: never more than the limit
        return cls(limit, 1, limit.burst, interval)


class Cells(Protocol):
    """Where takes are counted: as hyperkms._core.SharedCounters."""

    def take_window(self, counter: int, *, amount: int, now: int, limit: int, period: int) -> tuple[bool, int, int]:
        """Take `amount` of the `limit` of a window; (granted, what is left, milliseconds until it ends)."""

    def take_bucket(self, counter: int, *, amount: int, now: int, interval: int, burst: int) -> tuple[bool, int, int]:
        """Take tokens of a bucket; (granted, what is left, nanoseconds until it would be granted)."""


class Limits:
    """Counts what each client does, and refuses what is too much; `refused` is told of it.

    The clock is of nanoseconds since 1970, which all processes of a host share, also after a restart. What clients do
    is counted in `shared`, if there is one. Failed authentications never are: whoever may send any number of them
    would have any number of things written.
    """

    def __init__(  # noqa: PLR0913 (each by name)
        self,
        counters: SharedCounters,
        limits: Mapping[What, Limit],
        salt: bytes,
        clock_ns: Callable[[], int],
        *,
        refused: Callable[[What], None] = lambda _: None,
        shared: Cells | None = None,
    ) -> None:
        self._counters: Cells = counters
        self._of_clients: Cells = shared or counters
        self._rules = {what: _Rule.of(limit) for what, limit in limits.items()}
        self._salt = salt
        self._clock_ns = clock_ns
        self._refused = refused

    def take(self, client_number: int, what: What, amount: int = 1) -> None:
        """Count `amount` for a client, all or nothing; Limited when it is too much."""
        if not 0 <= client_number < MAX_CLIENTS:
            words = f"client number {client_number}: there is room for the limits of {MAX_CLIENTS} clients only"
            raise Unavailable("limits-full", words)
        self._take(self._of_clients, _FIRST_CLIENT + client_number * _CELLS + what, what, amount)

    def failed(self, address: str) -> None:
        """Count a failed authentication; Limited when there were too many from this address."""
        network = _network(address)
        place = hashlib.blake2b(network.encode(), key=self._salt, digest_size=8).digest()
        cell = _FIRST_ADDRESS + int.from_bytes(place, "big") % ADDRESSES
        self._take(self._counters, cell, What.FAILED_AUTHENTICATION, 1)

    def _take(self, counters: Cells, cell: int, what: What, amount: int) -> None:
        rule = self._rules[what]
        now, most = self._clock_ns() // rule.unit_ns, rule.most
        if rule.interval is None:
            taken = counters.take_window(cell, amount=amount, now=now, limit=most, period=rule.limit.period_ms)
        else:
            taken = counters.take_bucket(cell, amount=amount, now=now, interval=rule.interval, burst=most)
        granted, left, wait = taken
        if not granted:
            self._refused(what)
            raise _limited(what, rule.limit, most=rule.most, left=left, seconds=wait * rule.unit_ns / _NS)


def _limited(what: What, limit: Limit, *, most: int, left: int, seconds: float) -> Limited:
    title, noun = _NOUNS[what]
    words = f"{title} limit: {limit.amount} {noun} per {limit.period_words}."
    return Limited(words, retry_after_s=max(1, -int(-seconds // 1)), most=most, left=left)


def _network(address: str) -> str:
    """An IPv4 address, the /64 of an IPv6 address (one household has all of it), or the text."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
