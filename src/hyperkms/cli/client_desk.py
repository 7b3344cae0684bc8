"""Clients as the commands reach them: by a running service, or in its data directory. The answers are the same."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from hyperkms.access.client_terms import parse_grant_id
from hyperkms.access.clients import parse_client_name
from hyperkms.cli.desk import View, desk_at
from hyperkms.cli.remote import Remote
from hyperkms.cli.target import Target
from hyperkms.cli.wallets_at_service import WalletsAtService
from hyperkms.wallet import WalletId

if TYPE_CHECKING:
    from hyperkms.operations.parts import Parts


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
    return desk_at(target, _AtService, _at_directory)


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


def _at_directory(parts: "Parts") -> ClientDesk:
    from hyperkms.cli.clients_at_directory import ClientsAtDirectory  # noqa: PLC0415 (as in `desk.opened`)

    return ClientsAtDirectory(parts)
