"""The whole error tree, by what the caller should do.

HyperkmsError
├── Malformed      the input is not of the documented form: correct it
├── Refused        a rule forbids it: the same call will be refused again
│   ├── Unauthorized   no valid credentials
│   └── Forbidden      the client may not do this
├── NotFound       there is no such thing
├── Conflict       it exists already, or something else came first
├── Unavailable    something needed is away: retry later
│   ├── Limited        too many requests: retry after the time it names
│   └── Withdrawn      somebody took a right or a key away: retry when it is given back
└── Tampered       stored bytes are not what was stored: stop and look

Messages name the wallet, key version and rule, never key bytes, tokens or request bodies.
"""

import re
from collections.abc import Mapping
from typing import TypeAlias

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,31}", re.ASCII)
_LONGEST_QUOTED = 24

Detail: TypeAlias = str | int | list[str]


class HyperkmsError(Exception):
    """The root; `code` is stable and lower-case with hyphens, `message` is a sentence."""

    def __init__(self, code: str, message: str, details: Mapping[str, Detail] | None = None) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.details: Mapping[str, Detail] = dict(details or {})

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


def shown(name: str) -> str:
    """A member's name as a message may repeat it; what is no name could be a secret in the wrong place."""
    return name if _NAME.fullmatch(name) else "(a member)"


def quoted(value: str) -> str:
    """A setting's value as a message may repeat it; a long one could be a key in the wrong line."""
    return repr(value) if len(value) <= _LONGEST_QUOTED else f"a value of {len(value)} characters"


class Malformed(HyperkmsError):
    """The input is not of the documented form; `field` names the place."""

    @classmethod
    def at(cls, field: str, message: str, code: str = "malformed", **details: Detail) -> "Malformed":
        """Refuse a named field, e.g. `action.orders[0].p`; further members go into the problem."""
        return cls(code, f"{field}: {message}", {"field": field, **details})


class Refused(HyperkmsError):
    """A rule forbids it; the same call will be refused again."""


class Unauthorized(Refused):
    """There are no valid credentials."""


class Forbidden(Refused):
    """The client is known and may not do this."""


class NotFound(HyperkmsError):
    """There is no such thing."""


class Conflict(HyperkmsError):
    """It exists already, or something else came first."""


class Unavailable(HyperkmsError):
    """Something that is needed is away; the same call may succeed later."""


class Limited(Unavailable):
    """Too many requests of one kind; `retry_after_s` seconds later there is room again."""

    def __init__(self, message: str, *, retry_after_s: int, most: int, left: int) -> None:
        super().__init__("rate-limited", message)
        self.retry_after_s = retry_after_s
        self.most = most
        self.left = left


class Withdrawn(Unavailable):
    """A right or a key that is needed was taken away: nothing goes on before somebody gives it back."""


class Tampered(HyperkmsError):
    """Stored bytes are not what was stored, or belong elsewhere."""
