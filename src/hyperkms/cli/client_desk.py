"""Clients as the commands reach them: by a running service, or in its data directory. The answers are the same."""

from contextlib import AbstractContextManager
from typing import Protocol

from hyperkms.access.administration import parse_grant_id
from hyperkms.access.clients import parse_client_name
from hyperkms.access.identity_records import IdentityKey
from hyperkms.cli.desk import View, built, desk_at
from hyperkms.cli.operator import operator
from hyperkms.cli.remote import Remote
from hyperkms.cli.target import Target
from hyperkms.cli.wallets_at_directory import WalletsAtDirectory
from hyperkms.cli.wallets_at_service import WalletsAtService
from hyperkms.http.body import convert
from hyperkms.http.client_schemas import ClientAnswer, ClientsAnswer, CreateClientRequest, GrantRequest
from hyperkms.http.client_views import client_view, identity_of, issued_view, new_client, new_grants
from hyperkms.operations.clients import (
    add_client_key,
    create_client,
    end_grant,
    grant,
    list_clients,
    revoke_client,
    rotate_client_key,
    show_client,
)
from hyperkms.operations.parts import Parts
from hyperkms.wallet import WalletId


class ClientDesk(Protocol):
    """The routes under /clients: what they take, and what they answer as JSON."""

    def create(self, body: View) -> View:
        """POST /clients."""

    def list(self) -> View:
        """GET /clients."""

    def show(self, name: str) -> View:
        """GET /clients/:name."""

    def grant(self, name: str, body: View) -> View:
        """POST /clients/:name/grants."""

    def end_grant(self, name: str, grant: str) -> View:
        """POST /clients/:name/grants/:id/end."""

    def revoke(self, name: str) -> View:
        """POST /clients/:name/revoke."""

    def rotate(self, name: str, *, overlap_hours: int, public_key: str | None = None) -> View:
        """POST /clients/:name/rotate."""

    def add_key(self, name: str, public_key: str) -> View:
        """POST /clients/:name/keys."""

    def wallet(self, wallet: WalletId) -> View:
        """GET /wallets/:id."""


def desk(target: Target) -> AbstractContextManager[ClientDesk]:
    """The desk of the service or directory that the options and settings name."""
    return desk_at(target, _AtService, _AtDirectory)


class _AtService:
    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def create(self, body: View) -> View:
        return self._remote.post("/clients", body)

    def list(self) -> View:
        return self._remote.get("/clients")

    def show(self, name: str) -> View:
        return self._remote.get(f"/clients/{parse_client_name(name)}")

    def grant(self, name: str, body: View) -> View:
        return self._remote.post(f"/clients/{parse_client_name(name)}/grants", body)

    def end_grant(self, name: str, grant: str) -> View:
        return self._remote.post(f"/clients/{parse_client_name(name)}/grants/{parse_grant_id(grant)}/end", {})

    def revoke(self, name: str) -> View:
        return self._remote.post(f"/clients/{parse_client_name(name)}/revoke", {})

    def rotate(self, name: str, *, overlap_hours: int, public_key: str | None = None) -> View:
        new = {} if public_key is None else {"publicKey": public_key}
        return self._remote.post(f"/clients/{parse_client_name(name)}/rotate", {"overlapHours": overlap_hours, **new})

    def add_key(self, name: str, public_key: str) -> View:
        return self._remote.post(f"/clients/{parse_client_name(name)}/keys", {"publicKey": public_key})

    def wallet(self, wallet: WalletId) -> View:
        return WalletsAtService(self._remote, page=1).show(wallet)


class _AtDirectory:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def create(self, body: View) -> View:
        new = new_client(convert(body, CreateClientRequest), self._parts)
        return built(issued_view(create_client(self._parts, operator(), new), self._parts))

    def list(self) -> View:
        now = self._parts.clock()
        views = [client_view(found, now) for found in list_clients(self._parts, operator())]
        return built(ClientsAnswer(success=True, clients=views, count=len(views)))

    def show(self, name: str) -> View:
        found = show_client(self._parts, operator(), parse_client_name(name))
        return built(ClientAnswer(success=True, client=client_view(found, self._parts.clock())))

    def grant(self, name: str, body: View) -> View:
        new = new_grants(convert(body, GrantRequest), self._parts)
        found = grant(self._parts, operator(), parse_client_name(name), new)
        return built(ClientAnswer(success=True, client=client_view(found, self._parts.clock())))

    def end_grant(self, name: str, grant: str) -> View:
        found = end_grant(self._parts, operator(), parse_client_name(name), parse_grant_id(grant))
        return built(ClientAnswer(success=True, client=client_view(found, self._parts.clock())))

    def revoke(self, name: str) -> View:
        found = revoke_client(self._parts, operator(), parse_client_name(name))
        return built(ClientAnswer(success=True, client=client_view(found, self._parts.clock())))

    def rotate(self, name: str, *, overlap_hours: int, public_key: str | None = None) -> View:
        named, identity = parse_client_name(name), identity_of(public_key)
        issued = rotate_client_key(self._parts, operator(), named, overlap_hours=overlap_hours, identity=identity)
        return built(issued_view(issued, self._parts))

    def add_key(self, name: str, public_key: str) -> View:
        named, identity = parse_client_name(name), IdentityKey.parse(public_key)
        found = add_client_key(self._parts, operator(), named, identity=identity)
        return built(ClientAnswer(success=True, client=client_view(found, self._parts.clock())))

    def wallet(self, wallet: WalletId) -> View:
        return WalletsAtDirectory(self._parts, page=1).show(wallet)
