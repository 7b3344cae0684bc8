"""Parsed JSON as the struct of a request."""

from functools import cache
from typing import Any, TypeVar

import msgspec

from hyperkms.errors import Malformed, shown

S = TypeVar("S", bound=msgspec.Struct)


def convert(value: dict[str, Any], kind: type[S]) -> S:
    """The struct; Malformed names the member that does not fit."""
    names = _names(kind)
    for name in value:
        if name not in names:
            raise Malformed.at(shown(name), "is not a member of this request (case matters)", "unknown-field")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        words, _, path = str(error).partition(" - at `$")
        if words.startswith("Invalid enum value"):  # it goes on with what was sent, which may be anything
            words = "is none of the values that are allowed here; they are listed in /docs"
        raise Malformed.at(path.strip("`.") or "body", words.replace("decimal", "number")) from None


@cache
def _names(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(member.encode_name for member in msgspec.structs.fields(kind))
