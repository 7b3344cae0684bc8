"""How the parts of an action are said in an explanation.

What a caller writes freely (names, codes, descriptions) is shown as JSON in ASCII, so that it cannot pass for the rest
of a sentence; what has a form of its own (numbers, addresses, words of the exchange) stands as it is.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any, TypeAlias

from hyperkms.wallet import iso_time

Names: TypeAlias = Callable[[int], str | None]
"""The coin of an asset number; None where it is not known."""
Explain: TypeAlias = Callable[[Mapping[str, Any], Names], str]

MOST = 300
"""Characters of an explanation."""
_SHOWN = 3
_END_OF_TIME_MS = 253_402_300_799_000
_SYMBOL = re.compile(r"[A-Za-z0-9]{1,16}(?::0x[0-9a-fA-F]{1,40})?", re.ASCII)
_TIGHT = 60


def quoted(text: str) -> str:
    """A caller's own words."""
    shown = json.dumps(text)
    if len(shown) <= _TIGHT:
        return shown
    kept = next(end for end in range(_TIGHT, -1, -1) if len(json.dumps(text[:end])) <= _TIGHT)
    return f"{json.dumps(text[:kept])} and {len(text) - kept} characters more"


def symbol(text: str) -> str:
    """A token: as it is if it looks like one, else quoted."""
    return text if _SYMBOL.fullmatch(text) else quoted(text)


def dex(text: str) -> str:
    """A DEX by its name."""
    if text == "":
        return "the first DEX"
    return "spot" if text == "spot" else f"DEX {quoted(text)}"


def usd(millionths: int) -> str:
    """An amount in millionths of a dollar; without its sign."""
    return f"{_decimal(abs(millionths), 6)} USDC"


def hype(units: int) -> str:
    """An amount in the smallest units of the staking token."""
    return f"{_decimal(units, 8)} HYPE"


def _decimal(number: int, decimals: int) -> str:
    whole, rest = divmod(number, 10**decimals)
    return f"{whole}.{rest:0{decimals}}".rstrip("0") if rest else str(whole)


def moment(milliseconds: int) -> str:
    """A time in UTC; one after the year 9999 in milliseconds."""
    return iso_time(milliseconds) if milliseconds < _END_OF_TIME_MS else f"{milliseconds} ms"


def listed(parts: Iterable[str], count: int, separator: str = ", ") -> str:
    """The first three parts, and how many more there are."""
    shown = separator.join(islice(parts, _SHOWN))
    return shown if count <= _SHOWN else f"{shown} and {count - _SHOWN} more"


def shortened(sentence: str) -> str:
    """At most MOST characters; what is cut off is marked."""
    return sentence if len(sentence) <= MOST else sentence[: MOST - 3] + "..."
