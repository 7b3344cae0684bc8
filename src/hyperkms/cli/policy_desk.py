"""Policies as the commands reach them: by a running service, or in its data directory. The answers are the same."""

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from hyperkms.cli.desk import View, desk_at
from hyperkms.cli.remote import Remote
from hyperkms.cli.target import Target
from hyperkms.wallet import WalletId

if TYPE_CHECKING:
    from hyperkms.operations.parts import Parts


class PolicyDesk(Protocol):
    """The routes of policies: what they take, and what they answer as JSON."""

    def show(self, wallet: WalletId) -> View:
        """GET /wallets/:id/policy."""

    def doubts(self, wallet: WalletId, body: View) -> View:
        """POST /wallets/:id/policy-notes."""

    def apply(self, wallet: WalletId, body: View) -> View:
        """POST /wallets/:id/policy."""

    def choose(self, wallet: WalletId, body: View) -> View:
        """POST /wallets/:id/policy-version."""


def policy_desk(target: Target) -> AbstractContextManager[PolicyDesk]:
    """The desk of the service or directory that the options and settings name."""
    return desk_at(target, _AtService, _at_directory)


class _AtService:
    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def show(self, wallet: WalletId) -> View:
        return self._remote.get(f"/wallets/{wallet}/policy")

    def doubts(self, wallet: WalletId, body: View) -> View:
        return self._remote.post(f"/wallets/{wallet}/policy-notes", body)

    def apply(self, wallet: WalletId, body: View) -> View:
        return self._remote.post(f"/wallets/{wallet}/policy", body)

    def choose(self, wallet: WalletId, body: View) -> View:
        return self._remote.post(f"/wallets/{wallet}/policy-version", body)


def _at_directory(parts: "Parts") -> PolicyDesk:
    from hyperkms.cli.policies_at_directory import PoliciesAtDirectory  # noqa: PLC0415 (as in `desk.opened`)

    return PoliciesAtDirectory(parts)
