"""Clients as they are asked for and shown: of a key its public prefix alone, save once when it is issued."""

from typing import Any, cast

from hyperkms.access.administration import Issued, NewClient
from hyperkms.access.client_records import ClientRecord
from hyperkms.access.clients import Operation, Role, parse_client_name
from hyperkms.access.identity_records import IdentityKey
from hyperkms.http.client_schemas import ClientView, CreateClientRequest, IdentityView, IssuedAnswer, KeyView
from hyperkms.operations.clients import expiry
from hyperkms.operations.parts import Parts
from hyperkms.wallet import iso_time, parse_wallet_id


def client_view(found: ClientRecord, now: int) -> ClientView:
    """A client as it is shown."""
    client = found.client
    return ClientView(
        name=client.name,
        role=client.role.value,
        state=found.state(now),
        may=sorted(client.operations),
        keys=[
            KeyView(prefix=key.prefix, created_at=iso_time(key.created_at), expires_at=_time(key.expires_at))
            for key in found.keys
        ],
        created_at=iso_time(found.created_at),
        identities=_identities(found),
        created_by=found.created_by,
        wallets=None if client.wallets is None else sorted(client.wallets),
        allow=None if found.allowed is None else cast("Any", sorted(found.allowed)),
        expires_at=_time(found.expires_at),
        revoked_at=_time(found.revoked_at),
    )


def new_client(body: CreateClientRequest, parts: Parts) -> NewClient:
    """What a body asks for; Malformed if it does not hold together."""
    return NewClient(
        name=parse_client_name(body.name),
        role=Role(body.role),
        wallets=None if body.wallets is None else frozenset(map(parse_wallet_id, body.wallets)),
        allowed=None if body.allow is None else frozenset(map(Operation, body.allow)),
        expires_at=expiry(parts, body.expires_in_days),
        identity=identity_of(body.public_key),
    )


def identity_of(public_key: str | None) -> IdentityKey | None:
    """The key that a body brings; Malformed if it is none."""
    return None if public_key is None else IdentityKey.parse(public_key)


def issued_view(issued: Issued, parts: Parts) -> IssuedAnswer:
    """A client with its new key."""
    return IssuedAnswer(
        success=True,
        client=client_view(issued.record, parts.clock()),
        api_key=issued.key or None,
        service=parts.signed_requests.service if not issued.key else None,
    )


def _identities(found: ClientRecord) -> list[IdentityView] | None:
    return [
        IdentityView(
            fingerprint=own.key.fingerprint,
            public_key=str(own.key),
            created_at=iso_time(own.created_at),
            expires_at=_time(own.expires_at),
        )
        for own in found.identities
    ] or None


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso_time(milliseconds)
