"""What is wrong with a document that is no policy, in the words of docs/policy.md: the place, and what is due there."""

import difflib
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from hyperkms.errors import shown

_SAID = re.compile(r"(?P<what>.*?)(?: - at `\$\.?(?P<path>.*)`)?", re.DOTALL)
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`")
_STEP = re.compile(r"(\w+)|\[([0-9]+|\.\.\.)\]")
_RULE = re.compile(r"rules\[[0-9]+\]")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}", re.ASCII)
AMOUNT = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,6})?", re.ASCII)
AN_AMOUNT_IS_DUE = 'an amount is due, such as 10000 or "1250.5"'
A_NAME_IS_DUE = "1 to 64 letters, digits, spaces, dots, underscores and hyphens are due, a letter or digit first"
A_KEY_IS_DUE = "a public key is due: ed25519: and 64 hex digits, as `hyperkms identity create` prints it"

_ADDRESS = "an address is due: 0x and 40 hex digits"
_BY_PERIOD = 'amounts by period are due: { "1h" = 5000 }'
_DUE = {
    "format": "1 is the only format there is",
    "name": A_NAME_IS_DUE,
    "refuse": "only true can be said; leave it out",
    "reduce_only": "only true can be required; leave it out",
    "triggers": "only false can be said; leave it out",
    "when.reduce_only": "true or false is due",
    "tifs[]": "one of Gtc, Ioc, Alo, FrontendMarket is due",
    "sides[]": "one of buy, sell is due",
    "days[]": "one of mon, tue, wed, thu, fri, sat, sun is due",
    "destinations[]": _ADDRESS,
    "builders[]": _ADDRESS,
    "vaults[]": "`own` is due, or an address: 0x and 40 hex digits",
    "max_notional": _BY_PERIOD,
    "max_transfers": _BY_PERIOD,
    "max_orders": 'counts by period are due: { "1s" = 10 }',
    "max_orders[]": "a whole number from 0 to 4294967296 is due",
    "max_leverage": "a whole number from 1 to 1000 is due",
    "max_builder_fee": "a whole number from 0 to 1000 is due, in tenths of a basis point",
    "approvals": "a whole number from 1 to 20 is due",
    "approvers": 'public keys by name are due: { anna = "ed25519:..." }',
    "approvers[]": A_KEY_IS_DUE,
    "mark_max_age_ms": "a whole number from 500 to 300000 is due, in milliseconds",
    "default_ms": "a whole number from 100 to 86400000 is due, in milliseconds",
    "max_ms": "a whole number from 100 to 86400000 is due, in milliseconds",
}
"""By member; `[]` stands for what is in its list or table, `when.` for what differs there."""
_AMOUNTS = {
    "max_order_notional",
    "max_outstanding",
    "price_band_percent",
    "max_transfer",
    "above",
    "max_notional[]",
    "max_transfers[]",
}


class Fault(NamedTuple):
    """What is wrong, and where; the place is empty for the document itself."""

    place: str
    words: str


def fault_of(error: msgspec.ValidationError, document: object, kind: type[msgspec.Struct]) -> Fault:
    """What msgspec found wrong with a document of this kind."""
    said = _SAID.fullmatch(str(error))
    what, path = (str(error), "") if said is None else (said["what"], said["path"] or "")
    words = _of_members(what, path, kind) or _of_values(what, path, document) or what
    return Fault(path.removesuffix("[...]"), words)


def with_rule(place: str, document: object) -> str:
    """The place with the name of its rule, if it is in one that has a name."""
    found = _RULE.match(place)
    rule = _at(document, found[0]) if found else None
    name = rule.get("name") if isinstance(rule, Mapping) else None
    return f"{place} ({name!r})" if isinstance(name, str) and NAME.fullmatch(name) else place


def _of_members(what: str, path: str, kind: type[msgspec.Struct]) -> str | None:
    """Of a member that is not known, or is missing."""
    missing = _MISSING.fullmatch(what)
    if missing:
        return f"the member {missing[1]} is missing"
    unknown = _UNKNOWN.fullmatch(what)
    if unknown is None:
        return None
    near = difflib.get_close_matches(unknown[1], _members(kind, path), 1)
    hint = f"; {near[0]} is one" if near else ""
    return f"there is no member {shown(unknown[1])}{hint}"


def _of_values(what: str, path: str, document: object) -> str | None:
    """Of a value that a member does not take."""
    member = re.sub(r"\[[^\]]*\]$", "[]", path).rpartition(".")[2]
    if member in _AMOUNTS:
        value = _at(document, path)
        return _written_as_text(value) if isinstance(value, float) else AN_AMOUNT_IS_DUE
    if what.startswith("Expected `array`, "):
        return "a list is due"
    if what == "Expected `array` of length >= 1":
        return "is empty; one entry at least is due"
    inside = f"when.{member}"
    return _DUE.get(inside if inside in _DUE and path.endswith(inside) else member)


def _written_as_text(value: float) -> str:
    text = format(Decimal(repr(value)), "f")
    return f'an amount with a fraction is written as text: "{text if AMOUNT.fullmatch(text) else "1250.5"}"'


def _members(kind: type[msgspec.Struct], path: str) -> list[str]:
    """The names that the table at a place takes."""
    found: Any = inspect.type_info(kind)
    for name, _ in _STEP.findall(path):
        if not name:
            found = found.item_type
            continue
        found = next(field.type for field in found.fields if field.encode_name == name)
        if isinstance(found, inspect.UnionType):
            found = next(one for one in found.types if not isinstance(one, inspect.CustomType))
        while isinstance(found, inspect.Metadata):
            found = found.type
    return [field.encode_name for field in found.fields]


def _at(document: object, path: str) -> object:
    """The value at a place; `[...]` is the first in a table that is a number with a fraction."""
    value: Any = document
    try:
        for name, number in _STEP.findall(path):
            if number == "...":
                value = next((one for one in value.values() if isinstance(one, float)), None)
            else:
                value = value[name or int(number)]
    except (LookupError, TypeError, AttributeError):
        return None
    return value
