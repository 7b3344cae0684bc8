"""Policies as the commands reach them: by a running service, or in its data directory. The answers are the same."""

from contextlib import AbstractContextManager
from typing import Protocol

from hyperkms.cli.desk import View, built, desk_at
from hyperkms.cli.operator import operator
from hyperkms.cli.remote import Remote
from hyperkms.cli.target import Target
from hyperkms.http.body import convert
from hyperkms.http.policy_schemas import ApplyPolicyRequest, ChoosePolicyRequest
from hyperkms.http.policy_views import applied_answer, choice_of, new_policy, policies_answer, policy_answer
from hyperkms.operations.parts import Parts
from hyperkms.operations.policies import apply_policy, choose_policy, show_policy
from hyperkms.wallet import WalletId


class PolicyDesk(Protocol):
    """The routes of policies: what they take, and what they answer as JSON."""

    def show(self, wallet: WalletId) -> View:
        """GET /wallets/:id/policy."""

    def apply(self, wallet: WalletId, body: View) -> View:
        """POST /wallets/:id/policy."""

    def choose(self, wallet: WalletId, body: View) -> View:
        """POST /wallets/:id/policy-version."""


def policy_desk(target: Target) -> AbstractContextManager[PolicyDesk]:
    """The desk of the service or directory that the options and settings name."""
    return desk_at(target, _AtService, _AtDirectory)


class _AtService:
    def __init__(self, remote: Remote) -> None:
        self._remote = remote

    def show(self, wallet: WalletId) -> View:
        return self._remote.get(f"/wallets/{wallet}/policy")

    def apply(self, wallet: WalletId, body: View) -> View:
        return self._remote.post(f"/wallets/{wallet}/policy", body)

    def choose(self, wallet: WalletId, body: View) -> View:
        return self._remote.post(f"/wallets/{wallet}/policy-version", body)


class _AtDirectory:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def show(self, wallet: WalletId) -> View:
        return built(policies_answer(show_policy(self._parts, operator().client, wallet)))

    def apply(self, wallet: WalletId, body: View) -> View:
        new = new_policy(wallet, convert(body, ApplyPolicyRequest))
        return built(applied_answer(apply_policy(self._parts, operator(), new)))

    def choose(self, wallet: WalletId, body: View) -> View:
        choice = choice_of(wallet, convert(body, ChoosePolicyRequest))
        return built(policy_answer(choose_policy(self._parts, operator(), choice)))
