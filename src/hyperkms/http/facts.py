"""What a request's log line says, gathered on its way."""

import os
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.types import Scope

_KEY = "hyperkms"


@dataclass
class Facts:
    """Identifiers only: never a body, a key or a token."""

    request_id: str = field(default_factory=lambda: os.urandom(8).hex())
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
