"""The clients of a data directory, opened by this process; answers as a service on it would give them."""

from hyperkms.access.client_terms import parse_grant_id
from hyperkms.access.clients import parse_client_name
from hyperkms.access.identity_key import IdentityKey
from hyperkms.cli.desk import View, built
from hyperkms.cli.operator import operator
from hyperkms.cli.wallets_at_directory import WalletsAtDirectory
from hyperkms.http.client_schemas import ClientAnswer, ClientsAnswer, CreateClientRequest, GrantRequest
from hyperkms.http.client_views import client_view, identity_of, issued_view, new_client, new_grants
from hyperkms.http.conversion import convert
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


class ClientsAtDirectory:
    """Works as an administrator."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def create(self, body: View) -> View:
        """As POST /clients."""
        new = new_client(convert(body, CreateClientRequest), self._parts)
        return built(issued_view(create_client(self._parts, operator(), new), self._parts))

    def list(self) -> View:
        """As GET /clients."""
        now = self._parts.clock()
        views = [client_view(found, now) for found in list_clients(self._parts, operator())]
        return built(ClientsAnswer(success=True, clients=views, count=len(views)))

    def show(self, name: str) -> View:
        """As GET /clients/:name."""
        found = show_client(self._parts, operator(), parse_client_name(name))
        return built(ClientAnswer(success=True, client=client_view(found, self._parts.clock())))

    def grant(self, name: str, body: View) -> View:
        """As POST /clients/:name/grants."""
        new = new_grants(convert(body, GrantRequest), self._parts)
        found = grant(self._parts, operator(), parse_client_name(name), new)
        return built(ClientAnswer(success=True, client=client_view(found, self._parts.clock())))

    def end_grant(self, name: str, grant: str) -> View:
        """As POST /clients/:name/grants/:id/end."""
        found = end_grant(self._parts, operator(), parse_client_name(name), parse_grant_id(grant))
        return built(ClientAnswer(success=True, client=client_view(found, self._parts.clock())))

    def revoke(self, name: str) -> View:
        """As POST /clients/:name/revoke."""
        found = revoke_client(self._parts, operator(), parse_client_name(name))
        return built(ClientAnswer(success=True, client=client_view(found, self._parts.clock())))

    def rotate(self, name: str, *, overlap_hours: int, public_key: str | None = None) -> View:
        """As POST /clients/:name/rotate."""
        named, identity = parse_client_name(name), identity_of(public_key)
        issued = rotate_client_key(self._parts, operator(), named, overlap_hours=overlap_hours, identity=identity)
        return built(issued_view(issued, self._parts))

    def add_key(self, name: str, public_key: str) -> View:
        """As POST /clients/:name/keys."""
        named, identity = parse_client_name(name), IdentityKey.parse(public_key)
        found = add_client_key(self._parts, operator(), named, identity=identity)
        return built(ClientAnswer(success=True, client=client_view(found, self._parts.clock())))

    def wallet(self, wallet: WalletId) -> View:
        """As GET /wallets/:id."""
        return WalletsAtDirectory(self._parts, page=1).show(wallet)
