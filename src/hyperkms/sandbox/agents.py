"""Agents (API wallets) of users, as approveAgent makes, replaces and ends them. No I/O; times in ms.

Source: the exchange's page on nonces and API wallets. A user has one unnamed agent and three named ones. A name has
up to 16 characters and may end in ` valid_until <ms>`, at most 180 days ahead; 90 days unless it says so. Approving a
name again ends the agent that had it, at once; the zero address under a name ends it and puts none in its place.
An address that was an agent once is never one again. The words of the refusals are the stand-in's own.
"""

import re
from dataclasses import dataclass, replace

from hyperkms.sandbox.nonces import DAY_MS
from hyperkms.sandbox.refusals import Refused

NAMED = 3
DAYS = 90
MOST_DAYS = 180

_NAME = re.compile(r"(?P<name>.{0,16}?)(?: valid_until (?P<until>[0-9]{1,16}))?")
_NOBODY = "0x" + "0" * 40


@dataclass(frozen=True)
class Agent:
    """Whom an address signs for, until when. A name of None is an agent that a test put there."""

    master: str
    name: str | None = None
    until_ms: int | None = None

    def is_good(self, now_ms: int) -> bool:
        """Tell whether it has neither expired nor ended."""
        return self.until_ms is None or now_ms < self.until_ms


@dataclass(frozen=True)
class Approval:
    """`agent` may sign for its master under a name; no name is the empty one."""

    agent: str
    name: str


class Agents:
    """Every address that is or was an agent. Addresses are in canonical form."""

    def __init__(self) -> None:
        self._by_address: dict[str, Agent] = {}

    def get(self, address: str) -> Agent | None:
        """Return what the address is an agent of, or was."""
        return self._by_address.get(address)

    def put(self, address: str, agent: Agent) -> None:
        """Make an address an agent, whatever the rules say."""
        self._by_address[address] = agent

    def end(self, address: str, *, now_ms: int) -> None:
        """End an agent; an address that is none stays none."""
        if address in self._by_address:
            self._by_address[address] = replace(self._by_address[address], until_ms=now_ms)

    def approve(self, action: Approval, *, master: str, now_ms: int) -> None:
        """Carry out an approval by `master`, or raise `Refused`."""
        name, until_ms = _name_and_end(action.name, now_ms)
        before = self._of(master, now_ms)
        if action.agent == _NOBODY and name not in before:
            raise Refused(f"There is no agent named {name!r}")
        if action.agent in self._by_address:
            raise Refused(f"{action.agent} is or was an agent already")
        if action.agent != _NOBODY and name and len(before.keys() - {"", name}) >= NAMED:
            raise Refused(f"There are {NAMED} named agents already")
        if name in before:
            self.end(before[name], now_ms=now_ms)
        if action.agent != _NOBODY:
            self.put(action.agent, Agent(master, name, until_ms))

    def _of(self, master: str, now_ms: int) -> dict[str, str]:
        return {
            agent.name: address
            for address, agent in self._by_address.items()
            if agent.master == master and agent.name is not None and agent.is_good(now_ms)
        }


def _name_and_end(text: str, now_ms: int) -> tuple[str, int]:
    found = _NAME.fullmatch(text)
    if found is None:
        raise Refused("An agent's name has at most 16 characters")
    until_ms = int(found["until"] or now_ms + DAYS * DAY_MS)
    if not now_ms < until_ms <= now_ms + MOST_DAYS * DAY_MS:
        raise Refused(f"valid_until must be within {MOST_DAYS} days from now")
    return found["name"], until_ms
