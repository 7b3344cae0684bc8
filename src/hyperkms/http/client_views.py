"""Clients as they are asked for and shown: of a key its public prefix alone, save once when it is issued."""

from collections.abc import Iterable
from typing import Any, cast

import msgspec

from hyperkms.access.administration import Issued, NewClient, NewGrants
from hyperkms.access.client_records import ClientRecord
from hyperkms.access.clients import Operation, Role, parse_client_name
from hyperkms.access.grants import NEVER, Grant
from hyperkms.access.identity_key import IdentityKey
from hyperkms.access.networks import parse_networks
from hyperkms.access.policy.document import limits_of
from hyperkms.errors import Malformed
from hyperkms.http.client_schemas import (
    ClientView,
    CreateClientRequest,
    GrantRequest,
    GrantView,
    IdentityView,
    IssuedAnswer,
    KeyView,
)
from hyperkms.hyperliquid.classes import ActionClass
from hyperkms.operations.clients import expiry
from hyperkms.operations.parts import Parts
from hyperkms.wallet import WalletId, iso_time, parse_wallet_id


def client_view(found: ClientRecord, now: int) -> ClientView:
    """A client as it is shown."""
    client = found.client
    return ClientView(
        name=client.name,
        role=cast("Any", client.role.value),
        state=found.state(now),
        may=sorted(client.operations),
        grants=[] if client.role is not Role.BOT else [_grant_view(grant) for grant in client.grants],
        keys=[
            KeyView(prefix=key.prefix, created_at=iso_time(key.created_at), expires_at=_time(key.expires_at))
            for key in found.keys
        ],
        created_at=iso_time(found.created_at),
        identities=_identities(found),
        created_by=found.created_by,
        wallets=None if client.wallets is None else sorted(client.wallets),
        networks=None if client.networks is None else client.networks.words(),
        expires_at=_time(found.expires_at),
        revoked_at=_time(found.revoked_at),
    )


def _grant_view(grant: Grant) -> GrantView:
    return GrantView(
        id=grant.id,
        operation=grant.operation.value,
        wallet=grant.wallet,
        actions=None if grant.actions is None else sorted(one.value for one in grant.actions),
        limits=None if grant.limits is None else msgspec.to_builtins(grant.limits),
        expires_at=None if grant.expires_at == NEVER else iso_time(grant.expires_at),
    )


def new_client(body: CreateClientRequest, parts: Parts) -> NewClient:
    """What a body asks for; Malformed if it does not hold together."""
    return NewClient(
        name=parse_client_name(body.name),
        role=Role(body.role),
        wallets=_wallets(body.wallets),
        allowed=None if body.allow is None else frozenset(map(Operation, body.allow)),
        actions=_classes(body.actions),
        limits=None if body.limits is None else limits_of(body.limits),
        networks=None if body.networks is None else parse_networks(body.networks, "networks"),
        expires_at=expiry(parts, body.expires_in_days),
        identity=identity_of(body.public_key),
    )


def new_grants(body: GrantRequest, parts: Parts) -> NewGrants:
    """The grants that a body asks for; Malformed if it does not hold together."""
    return NewGrants(
        wallets=_wallets(body.wallets),
        allowed=frozenset(map(Operation, body.allow)),
        actions=_classes(body.actions),
        limits=None if body.limits is None else limits_of(body.limits),
        expires_at=expiry(parts, body.expires_in_days),
    )


def _wallets(names: list[str] | None) -> frozenset[WalletId] | None:
    return None if names is None else frozenset(map(parse_wallet_id, names))


def _classes(names: Iterable[str] | None) -> frozenset[ActionClass] | None:
    if names is None:
        return None
    classes = frozenset(map(ActionClass, names))
    if not classes:
        raise Malformed.at("actions", "name at least one class; left out it means every class")
    return classes


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
