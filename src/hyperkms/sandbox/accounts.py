"""Which addresses the exchange knows, and for which account a signer acts."""

from collections.abc import Iterable
from dataclasses import dataclass

from Crypto.Hash import keccak

from hyperkms.sandbox.account import Account
from hyperkms.sandbox.agents import Agent, Agents, Approval
from hyperkms.sandbox.fields import address
from hyperkms.sandbox.funds import Funds
from hyperkms.sandbox.refusals import Refused


@dataclass(frozen=True)
class SubAccount:
    """Whose it is, and its name."""

    master: str
    name: str


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
        self._sub_accounts: dict[str, SubAccount] = {}

    def fund(self, user: str) -> None:
        """Make `user` known, as a first deposit does."""
        self._funded.add(address(user))

    def register_agent(self, agent: str, *, master: str) -> None:
        """Let `agent` sign for `master` until it is revoked, without any approval."""
        self._agents.put(address(agent), Agent(address(master)))

    def revoke_agent(self, agent: str) -> None:
        """End an agent."""
        self._agents.end(address(agent), now_ms=0)

    def approve_agent(self, action: Approval, *, master: str, now_ms: int) -> None:
        """Carry out an approval by `master`, see `agents`. Raises `Refused`."""
        if action.agent in self._funded:
            raise Refused(f"{action.agent} has an account of its own")
        self._agents.approve(action, master=master, now_ms=now_ms)

    def require_own(self, signer: str) -> None:
        """Refuse who has no account of its own, an agent included: a user-signed action is the user's alone."""
        if self._agents.get(signer) or not self.is_known(signer):
            raise Refused(f"Must deposit before performing actions. User: {signer}")

    def acting_for(self, signer: str, vault: str | None, *, now_ms: int) -> Account:
        """Return the account a signer acts on: its own, its master's, or the vault named in the request.

        A vault or sub-account must be funded itself; who leads it is not kept. Raises `Refused`.
        """
        agent, user = self._agents.get(signer), self.user_of(signer)
        if not self.is_known(user) or (agent and not agent.is_good(now_ms)):
            raise Refused(f"User or API Wallet {signer} does not exist.")
        if vault is not None and not self.is_known(vault):
            raise Refused(f"Vault not registered: {vault}")
        return self._accounts.setdefault(vault or user, Account())

    def user_of(self, signer: str) -> str:
        """Return whose account a signer acts on: its own, or its master's."""
        agent = self._agents.get(signer)
        return agent.master if agent else signer

    def funds(self, user: str) -> Funds:
        """Return what a known account has."""
        return self._accounts.setdefault(user, Account()).funds

    def paid_into(self, user: str) -> Funds:
        """Return what an account has that is about to be paid into: a first payment makes it known."""
        if not self.is_known(user):
            self._accounts[user] = Account(funds=Funds.none())
            self._funded.add(user)
        return self.funds(user)

    def open_sub_account(self, master: str, name: str) -> str:
        """Make a sub-account without funds and return its address; each has an address of its own for ever."""
        if any(one == SubAccount(master, name) for one in self._sub_accounts.values()):
            raise Refused(f"There is a sub-account named {name!r} already")
        words = f"{master} {len(self._sub_accounts)}".encode()
        made = "0x" + keccak.new(digest_bits=256, data=words).hexdigest()[-40:]
        self._sub_accounts[made] = SubAccount(master, name)
        self.paid_into(made)
        return made

    def sub_accounts_of(self, master: str) -> dict[str, str]:
        """Return the names of a user's sub-accounts, by address."""
        return {where: one.name for where, one in self._sub_accounts.items() if one.master == master}

    def master_of(self, sub_account: str) -> str | None:
        """Return whose sub-account this is."""
        one = self._sub_accounts.get(sub_account)
        return one.master if one else None

    def approve_builder(self, user: str, builder: str, rate: str) -> None:
        """Note the highest fee that a builder may take."""
        self._accounts.setdefault(user, Account()).builders[builder] = rate

    def of(self, user: str) -> Account:
        """Return the state of an account; an empty one for an address without any."""
        return self._accounts.get(user, Account())

    def is_known(self, user: str) -> bool:
        """Tell whether the exchange knows an account."""
        return self._allow_any or user in self._funded
