"""Policies as the commands reach them: by a running service, or in its data directory. The answers are the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec

from hyperkms.cli.operator import operator
from hyperkms.cli.remote import Remote
from hyperkms.cli.target import Target
from hyperkms.cli.wallet_desk import opened
from hyperkms.http.body import convert
from hyperkms.http.policy_schemas import ApplyPolicyRequest, ChoosePolicyRequest
from hyperkms.http.policy_views import applied_answer, choice_of, new_policy, policies_answer, policy_answer
from hyperkms.operations.parts import Parts
from hyperkms.operations.policies import apply_policy, choose_policy, show_policy
from hyperkms.wallet import WalletId

View = dict[str, Any]


class PolicyDesk(Protocol):
    """The routes of policies: what they take, and what they answer as JSON."""

    def show(self, wallet: WalletId) -> View:
        """GET /wallets/:id/policy."""

    def apply(self, wallet: WalletId, body: View) -> View:
        """POST /wallets/:id/policy."""

    def choose(self, wallet: WalletId, body: View) -> View:
        """POST /wallets/:id/policy-version."""


@contextmanager
def policy_desk(target: Target) -> Iterator[PolicyDesk]:
    """The desk of the service or directory that the options and settings name."""
    remote = target.remote()
    if remote:
        try:
            yield _AtService(remote)
        finally:
            remote.close()
        return
    with opened(target.settings(), create=False) as parts:
        yield _AtDirectory(parts)


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
        return _built(policies_answer(show_policy(self._parts, operator().client, wallet)))

    def apply(self, wallet: WalletId, body: View) -> View:
        new = new_policy(wallet, convert(body, ApplyPolicyRequest))
        return _built(applied_answer(apply_policy(self._parts, operator(), new)))

    def choose(self, wallet: WalletId, body: View) -> View:
        choice = choice_of(wallet, convert(body, ChoosePolicyRequest))
        return _built(policy_answer(choose_policy(self._parts, operator(), choice)))


def _built(answer: msgspec.Struct) -> View:
    view: View = msgspec.to_builtins(answer)
    return view
