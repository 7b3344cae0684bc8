"""Approvals: people's signatures over one action, of which a rule may ask for some before it is signed. Pure.

An approval counts if all of this holds, looked at in this order:

1. It is of the documented form, and its key is one of the rule's approvers.
2. It is signed by that key, over this action, wallet, network and account.
3. Its key is not one by which the asking client signs its requests: nobody approves what they ask for.
4. It holds for an hour at most, and holds now.
5. It is the first that counts of that approver.
6. It was not used for anything else: one approval, one signature.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, NamedTuple, TypeAlias, cast

from hyperkms import _core
from hyperkms.errors import Tampered
from hyperkms.hyperliquid.actions import Action
from hyperkms.hyperliquid.signable import numbered
from hyperkms.hyperliquid.wire import msgpack
from hyperkms.state.approval_use import Use
from hyperkms.wallet import Network, iso_time

MOST: Final = 20
"""So many approvals may come with one action."""
LONGEST_TEXT: Final = 300
"""Characters; an approval has 229."""
LONGEST_MS: Final = 3_600_000
"""From when it is made until it ends."""
MOST_AHEAD_MS: Final = 60_000
"""How far an approver's clock may be ahead of the one here."""
_NO_NONCE: Final = 0
"""An approval is of an action before it is numbered: where an action repeats its nonce, this stands in its place."""


class Approver(NamedTuple):
    """Who may approve."""

    name: str
    public_key: bytes


Approvers: TypeAlias = Mapping[str, Approver]
"""By the fingerprint of the key."""


class Approved(NamedTuple):
    """An approval that counts."""

    name: str
    """The approver's, as the policy has it."""
    key: str
    """The fingerprint of the key: 16 hex digits."""
    id: str
    """32 hex digits."""
    until: int
    """Milliseconds since 1970."""
    text: str
    """As it came."""

    @property
    def use(self) -> Use:
        """What is remembered of it."""
        return Use(self.key, self.id, self.until)


class Counted(NamedTuple):
    """What a rule finds among the approvals that came."""

    approved: tuple[Approved, ...]
    faults: tuple[str, ...]
    """Why each of the others does not count."""


@dataclass(frozen=True)
class Matter:
    """What is to be approved."""

    wallet: str
    network: Network
    vault_address: str | None
    action: Action

    def approve(self, key: _core.RequestKey, *, time: int, until: int) -> str:
        """An approval by this key: text."""
        network, vault = self._network, self._vault
        return key.approve(wallet=self.wallet, network=network, vault=vault, action=self._bytes, time=time, until=until)

    def verify(self, public_key: bytes, approval: _core.Approval) -> None:
        """Tampered unless this key has signed this approval of exactly this."""
        approval.verify(public_key, wallet=self.wallet, network=self._network, vault=self._vault, action=self._bytes)

    @property
    def _network(self) -> Literal["mainnet", "testnet"]:
        return cast("Literal['mainnet', 'testnet']", self.network.value)

    @property
    def _vault(self) -> bytes | None:
        return None if self.vault_address is None else bytes.fromhex(self.vault_address[2:])

    @cached_property
    def _bytes(self) -> bytes:
        return msgpack(numbered(self.action, self.network, _NO_NONCE))


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What decides beside the signature."""

    now: int
    """Milliseconds since 1970."""
    not_before: int
    """What was made up to then may have been used, and nobody remembers: since a fence."""
    is_askers: Callable[[str], bool]
    """Whether the asking client signs its requests with the key of this fingerprint."""
    was_used: Callable[[str, str], bool]
    """Whether the approval of this key and id was used for anything else."""


class Shown:
    """The approvals that came with an action; made for one request and one moment."""

    __slots__ = ("_conditions", "_counted", "_matter", "_read", "_used")

    def __init__(self, texts: Sequence[str], matter: Matter, conditions: Conditions) -> None:
        self._read = [(text, _core.Approval.read(text.encode("utf-8", "replace"))) for text in texts]
        self._matter = matter
        self._conditions = conditions
        self._counted: list[tuple[Approvers, Counted]] = []
        self._used: dict[tuple[str, str], bool] = {}

    def by(self, approvers: Approvers) -> Counted:
        """Those that count as of these approvers, and why the others do not. May wait for the database.

        They are looked at once, however many orders of the action ask for them.
        """
        for known, counted in self._counted:
            if known is approvers:
                return counted
        counted = self._count(approvers)
        self._counted.append((approvers, counted))
        return counted

    def _count(self, approvers: Approvers) -> Counted:
        approved: dict[str, Approved] = {}
        faults: list[str] = []
        for number, (text, approval) in enumerate(self._read, 1):
            fault = self._fault(approval, approvers, approved)
            if fault is not None or approval is None:
                faults.append(f"no. {number} {fault}")
                continue
            name = approvers[approval.key].name
            approved[approval.key] = Approved(name, approval.key, approval.id, approval.until, text)
        return Counted(tuple(approved.values()), tuple(faults))

    def _fault(
        self, approval: _core.Approval | None, approvers: Approvers, before: Mapping[str, Approved]
    ) -> str | None:
        """Why it does not count; None: it does."""
        if approval is None:  # (1)
            return "is no approval"
        approver = approvers.get(approval.key)
        if approver is None:
            return f"is by key {approval.key}, which is none of the approvers'"
        try:
            self._matter.verify(approver.public_key, approval)  # (2)
        except Tampered:
            return f"is signed by {approver.name} for another action, wallet, network or account, or not at all"
        fault = self._fault_of_use(approval, before)
        return None if fault is None else f"of {approver.name} {fault}"

    def _fault_of_use(self, approval: _core.Approval, before: Mapping[str, Approved]) -> str | None:
        conditions = self._conditions
        if conditions.is_askers(approval.key):  # (3)
            return "is by a key of the very client that asks"
        fault = _fault_of_time(approval, conditions)  # (4)
        if fault is None and approval.key in before:  # (5)
            fault = "is a further one, and each approver counts once"
        if fault is None and self._was_used(approval):  # (6)
            fault = "was used before"
        return fault

    def _was_used(self, approval: _core.Approval) -> bool:
        """Asked once: what a rule has counted is still there for the decision, which has it used up."""
        name = approval.key, approval.id
        if name not in self._used:
            self._used[name] = self._conditions.was_used(*name)
        return self._used[name]


def _fault_of_time(approval: _core.Approval, conditions: Conditions) -> str | None:
    now = conditions.now
    if approval.until - approval.time > LONGEST_MS:
        return f"is made for longer than {LONGEST_MS // 60_000} minutes"
    if approval.time > now + MOST_AHEAD_MS:
        return f"is made {approval.time - now} ms ahead of the clock here: set the approver's clock"
    if approval.until <= now:
        return f"ended at {iso_time(approval.until)}"
    if approval.time <= conditions.not_before:
        return "is from before a fence, or from right after it, and may have been used"
    return None


class _NoneShown(Shown):
    """Of an action that came without any."""

    def __init__(self) -> None:  # it is of nothing, and nothing is looked at
        pass

    def by(self, approvers: Approvers) -> Counted:  # noqa: ARG002 (as above)
        """None."""
        return Counted((), ())


NONE_SHOWN: Final = _NoneShown()
