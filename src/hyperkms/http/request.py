"""What the routes take from a request and its application."""

from typing import Annotated, TypeAlias

from fastapi import Path, Request

from hyperkms.access.clients import Client
from hyperkms.http.facts import facts_of
from hyperkms.http.schemas import NAME_GRAMMAR
from hyperkms.http.signed import evidence_of
from hyperkms.http.threads import Threads
from hyperkms.operations.caller import Caller
from hyperkms.operations.changing import Actor
from hyperkms.operations.parts import Parts
from hyperkms.wallet import WalletId, parse_wallet_id

Named: TypeAlias = Annotated[str, Path(json_schema_extra={"pattern": NAME_GRAMMAR})]
"""The name of a wallet or client in a path; the layers below check it."""


def parts_of(request: Request) -> Parts:
    """The layers below."""
    parts: Parts = request.app.state.parts
    return parts


def threads_of(request: Request) -> Threads:
    """The thread pools of this application."""
    threads: Threads = request.app.state.threads
    return threads


def wallet_of(request: Request, text: str) -> WalletId:
    """The id, checked; the log line of the request names it from here on."""
    wallet = parse_wallet_id(text)
    facts_of(request).wallet = wallet
    return wallet


def caller_of(request: Request, client: Client) -> Caller:
    """Who asks, for the record."""
    return Caller(client, facts_of(request).request_id)


def actor_of(request: Request, client: Client) -> Actor:
    """Who asks for a change, for the record."""
    evidence = evidence_of(request.scope)
    return Actor(client.name, facts_of(request).request_id, None if evidence is None else evidence())
