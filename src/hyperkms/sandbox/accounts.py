"""Which addresses the exchange knows, and for which account a signer acts."""

from collections.abc import Iterable

from hyperkms.sandbox.account import Account
from hyperkms.sandbox.agents import Agent, Agents
from hyperkms.sandbox.fields import address
from hyperkms.sandbox.refusals import Refused
from hyperkms.sandbox.user_actions import ApproveAgent


class Accounts:
    """Funded users, agents (API wallets) of users, and the state of each account.

    With `allow_any` every recovered signer counts as funded: a wrong signature then goes unnoticed, as it
    recovers some other address. Addresses are 0x and 40 hex digits in any case; anything
    else is a ValueError.
    """

    def __init__(self, funded: Iterable[str], *, allow_any: bool) -> None:
        self._allow_any = allow_any
        self._funded = {address(user) for user in funded}
        self._agents = Agents()
        self._accounts: dict[str, Account] = {}

    def fund(self, user: str) -> None:
        """Make `user` known, as a first deposit does."""
        self._funded.add(address(user))

    def register_agent(self, agent: str, *, master: str) -> None:
        """Let `agent` sign for `master` until it is revoked, without any approval."""
        self._agents.put(address(agent), Agent(address(master)))

    def revoke_agent(self, agent: str) -> None:
        """End an agent."""
        self._agents.end(address(agent), now_ms=0)

    def approve_agent(self, action: ApproveAgent, *, master: str, now_ms: int) -> None:
        """Carry out an approval by `master`, see `agents`. Raises `Refused`."""
        if action.agent in self._funded:
            raise Refused(f"{action.agent} has an account of its own")
        self._agents.approve(action, master=master, now_ms=now_ms)

    def require_own(self, signer: str) -> None:
        """Refuse who has no account of its own, an agent included: a user-signed action is the user's alone."""
        if self._agents.get(signer) or not self._is_known(signer):
            raise Refused(f"Must deposit before performing actions. User: {signer}")

    def acting_for(self, signer: str, vault: str | None, *, now_ms: int) -> Account:
        """Return the account a signer acts on: its own, its master's, or the vault named in the request.

        A vault or sub-account must be funded itself; who leads it is not kept. Raises `Refused`.
        """
        agent = self._agents.get(signer)
        user = agent.master if agent else signer
        if not self._is_known(user) or (agent and not agent.is_good(now_ms)):
            raise Refused(f"User or API Wallet {signer} does not exist.")
        if vault is not None and not self._is_known(vault):
            raise Refused(f"Vault not registered: {vault}")
        return self._accounts.setdefault(vault or user, Account())

    def of(self, user: str) -> Account:
        """Return the state of an account; an empty one for an address without any."""
        return self._accounts.get(user, Account())

    def _is_known(self, user: str) -> bool:
        return self._allow_any or user in self._funded
