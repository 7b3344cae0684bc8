"""Clients as they are shown: nothing of a key but its public prefix, save once when it is issued."""

from typing import Any, cast

from hyperkms.access.administration import Issued
from hyperkms.access.client_records import ClientRecord
from hyperkms.http.client_schemas import ClientView, IssuedAnswer, KeyView
from hyperkms.wallet import iso_time


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
        created_by=found.created_by,
        wallets=None if client.wallets is None else sorted(client.wallets),
        allow=None if found.allowed is None else cast("Any", sorted(found.allowed)),
        expires_at=_time(found.expires_at),
        revoked_at=_time(found.revoked_at),
    )


def issued_view(issued: Issued, now: int) -> IssuedAnswer:
    """A client with its new key."""
    return IssuedAnswer(success=True, client=client_view(issued.record, now), api_key=issued.key)


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso_time(milliseconds)
