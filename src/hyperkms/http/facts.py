"""What a request's log line says, gathered on its way."""

import random

import msgspec
from starlette.requests import Request
from starlette.types import Scope

_KEY = "hyperkms"


_generator = random.Random(random.SystemRandom().getrandbits(128))  # noqa: S311 (an id is unique, it is no secret)


def _new_id() -> str:
    """16 hex digits. From a generator seeded once: asking the kernel each time costs more than all of this."""
    return f"{_generator.getrandbits(64):016x}"


class Facts(msgspec.Struct):
    """Identifiers only: never a body, a key or a token."""

    request_id: str = msgspec.field(default_factory=_new_id)
    client: str | None = None
    wallet: str | None = None
    code: str | None = None


def begin(scope: Scope) -> Facts:
    """New facts for a request."""
    facts = Facts()
    scope[_KEY] = facts
    return facts


def facts_of(request: Request) -> Facts:
    """The facts of this request."""
    facts = request.scope[_KEY]
    if not isinstance(facts, Facts):
        raise TypeError("the log middleware has not run")
    return facts
