"""The policies in a data directory, opened by this process; answers as a service on it would give them."""

from hyperkms.access.policy.document import policy_of
from hyperkms.cli.desk import View, built
from hyperkms.cli.operator import operator
from hyperkms.http.conversion import convert
from hyperkms.http.policy_schemas import (
    ApplyPolicyRequest,
    ChoosePolicyRequest,
    DoubtPolicyAnswer,
    DoubtPolicyRequest,
)
from hyperkms.http.policy_views import applied_answer, choice_of, new_policy, policies_answer, policy_answer
from hyperkms.operations.parts import Parts
from hyperkms.operations.policies import apply_policy, choose_policy, doubt_policy, show_policy
from hyperkms.wallet import WalletId


class PoliciesAtDirectory:
    """Works as an administrator."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def show(self, wallet: WalletId) -> View:
        """As GET /wallets/:id/policy."""
        return built(policies_answer(show_policy(self._parts, operator().client, wallet)))

    def doubts(self, wallet: WalletId, body: View) -> View:
        """As POST /wallets/:id/policy-notes."""
        document = policy_of(convert(body, DoubtPolicyRequest).policy)
        notes = doubt_policy(self._parts, operator().client, wallet, document)
        return built(DoubtPolicyAnswer(success=True, wallet_id=wallet, notes=notes))

    def apply(self, wallet: WalletId, body: View) -> View:
        """As POST /wallets/:id/policy."""
        new = new_policy(wallet, convert(body, ApplyPolicyRequest))
        return built(applied_answer(apply_policy(self._parts, operator(), new)))

    def choose(self, wallet: WalletId, body: View) -> View:
        """As POST /wallets/:id/policy-version."""
        choice = choice_of(wallet, convert(body, ChoosePolicyRequest))
        return built(policy_answer(choose_policy(self._parts, operator(), choice)))
