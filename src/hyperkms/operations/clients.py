"""Make, list, show and revoke clients, and change their keys. Administrators only.

Each change is written down before it holds. A crash between its line and its commit leaves a line of a
change that did not happen: the database says what stands.
"""

from collections.abc import Callable
from typing import Any

from hyperkms.access.administration import Change, Issued, NewClient, NewGrants
from hyperkms.access.client_records import ClientRecord
from hyperkms.access.client_terms import MAX_EXPIRY_DAYS, MAX_OVERLAP_HOURS
from hyperkms.access.clients import Operation, Role
from hyperkms.access.grants import NEVER, Grant
from hyperkms.access.identity_key import IdentityKey
from hyperkms.audit.record import AdministrationRecord
from hyperkms.errors import Malformed
from hyperkms.operations.caller import Caller
from hyperkms.operations.parts import Parts
from hyperkms.state.completion import Completion, nothing_more

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def create_client(
    parts: Parts, caller: Caller, new: NewClient, *, completion: Completion[Issued] = nothing_more
) -> Issued:
    """A client with its first key, durable; an API key is in this answer and nowhere else."""
    caller.client.require(Operation.ADMINISTER)
    noted = _written_down(parts, caller, "create-client")
    return parts.clients.create(
        new, by=caller.client.name, now=parts.clock(), before_commit=noted, completion=completion
    )


def list_clients(parts: Parts, caller: Caller) -> list[ClientRecord]:
    """Every client, revoked ones included, in the order in which they were made."""
    caller.client.require(Operation.ADMINISTER)
    return parts.clients.list()


def show_client(parts: Parts, caller: Caller, name: str) -> ClientRecord:
    """One client."""
    caller.client.require(Operation.ADMINISTER)
    return parts.clients.get(name)


def revoke_client(
    parts: Parts, caller: Caller, name: str, *, completion: Completion[ClientRecord] = nothing_more
) -> ClientRecord:
    """End a client and its keys, for ever; no process accepts one of them once this has returned."""
    caller.client.require(Operation.ADMINISTER)
    noted = _written_down(parts, caller, "revoke-client")
    return parts.clients.revoke(name, now=parts.clock(), before_commit=noted, completion=completion)


def rotate_client_key(  # noqa: PLR0913 (each by name)
    parts: Parts,
    caller: Caller,
    name: str,
    *,
    overlap_hours: int,
    identity: IdentityKey | None = None,
    completion: Completion[Issued] = nothing_more,
) -> Issued:
    """A new key, or the identity; those before it are good for the overlap and no longer, with 0 not at all."""
    caller.client.require(Operation.ADMINISTER)
    if not 0 <= overlap_hours <= MAX_OVERLAP_HOURS:
        raise Malformed.at("overlapHours", f"0 to {MAX_OVERLAP_HOURS} hours are due")
    noted = _written_down(parts, caller, "rotate-client-key")
    return parts.clients.rotate(
        name,
        overlap=overlap_hours * HOUR_MS,
        now=parts.clock(),
        before_commit=noted,
        identity=identity,
        completion=completion,
    )


def add_client_key(
    parts: Parts,
    caller: Caller,
    name: str,
    *,
    identity: IdentityKey,
    completion: Completion[ClientRecord] = nothing_more,
) -> ClientRecord:
    """A further key that signs a client's requests; the keys it has stay as good as they were."""
    caller.client.require(Operation.ADMINISTER)
    noted = _written_down(parts, caller, "add-client-key")
    return parts.clients.add_identity(name, identity, now=parts.clock(), before_commit=noted, completion=completion)


def grant(
    parts: Parts,
    caller: Caller,
    name: str,
    new: NewGrants,
    *,
    completion: Completion[ClientRecord] = nothing_more,
) -> ClientRecord:
    """Give a bot more, from its next request on."""
    caller.client.require(Operation.ADMINISTER)
    noted = _written_down(parts, caller, "grant")
    change = Change(caller.client.name, parts.clock())
    return parts.clients.grant(name, new, change, before_commit=noted, completion=completion)


def end_grant(
    parts: Parts, caller: Caller, name: str, grant_id: str, *, completion: Completion[ClientRecord] = nothing_more
) -> ClientRecord:
    """Take a grant back, from its next request on."""
    caller.client.require(Operation.ADMINISTER)
    noted = _written_down(parts, caller, "end-grant")
    return parts.clients.end_grant(name, grant_id, now=parts.clock(), before_commit=noted, completion=completion)


def expiry(parts: Parts, days: int | None) -> int | None:
    """The end of a client that is to last so many days from now; milliseconds since 1970."""
    if days is None:
        return None
    if not 1 <= days <= MAX_EXPIRY_DAYS:
        raise Malformed.at("expiresInDays", f"1 to {MAX_EXPIRY_DAYS} days are due")
    return parts.clock() + days * DAY_MS


def _shown(one: Grant) -> dict[str, Any]:
    """A grant for the record: what holds it to nothing is left out."""
    members = {
        "id": one.id,
        "operation": one.operation.value,
        "wallet": one.wallet,
        "actions": None if one.actions is None else sorted(kind.value for kind in one.actions),
        "limits": one.limits,
        "expiresAt": None if one.expires_at == NEVER else one.expires_at,
    }
    return {name: value for name, value in members.items() if value is not None}


def _written_down(parts: Parts, caller: Caller, operation: str) -> Callable[[ClientRecord], None]:
    """What writes a change down, durable when it returns; of the keys it says prefixes and fingerprints."""

    def write(changed: ClientRecord) -> None:
        client = changed.client
        record = AdministrationRecord(
            time=parts.clock(),
            request_id=caller.request_id,
            client=caller.client.name,
            operation=operation,
            subject=client.name,
            role=client.role.value,
            wallets=None if client.wallets is None else sorted(client.wallets),
            may=sorted(client.operations),
            grants=[] if client.role is not Role.BOT else [_shown(grant) for grant in client.grants],
            networks=None if client.networks is None else client.networks.words(),
            expires_at=changed.expires_at,
            keys=[*(key.prefix for key in changed.keys), *(own.key.fingerprint for own in changed.identities)],
        )
        parts.record.append(record).wait()

    return write
