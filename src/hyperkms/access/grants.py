"""Grants: client x wallet x operation x action class, with limits and an end. What no grant says is refused."""

import secrets
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from hyperkms.access.policy.document import LimitsDocument
from hyperkms.access.roles import BRINGS, OF_ROLE, SIGN_ACTIONS, Operation, Role, without_what_follows
from hyperkms.errors import Malformed
from hyperkms.hyperliquid.classes import ActionClass
from hyperkms.wallet import WalletId

NEVER: Final = 2**63 - 1
"""A time in milliseconds that no clock reaches."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """One caller's permission."""

    id: str
    """16 hex digits; `role:` and its name for what a role comes to."""
    wallet: WalletId | None
    """None: every wallet."""
    operation: Operation
    actions: frozenset[ActionClass] | None = None
    """The classes of the actions that may be signed; None: whatever the policy allows."""
    limits: LimitsDocument | None = None
    """Rules that must hold beside those of the policy."""
    expires_at: int = NEVER
    """Milliseconds since 1970; it holds no more from then on."""

    def __post_init__(self) -> None:
        """Malformed if its members do not go together."""
        if self.operation not in SIGN_ACTIONS and (self.actions is not None or self.limits is not None):
            words = f"actions and limits are for trade and sign-order; {self.operation.value} signs no actions"
            raise Malformed.at("allow", words)

    @property
    def allows(self) -> frozenset[Operation]:
        """Its operation, and what that brings with it."""
        return BRINGS[self.operation]

    def covers(self, wallet: WalletId) -> bool:
        """Whether it is for this wallet."""
        return self.wallet is None or self.wallet == wallet


def role_grants(role: Role) -> tuple[Grant, ...]:
    """What a role comes to, on every wallet; nothing for a bot."""
    operations = sorted(OF_ROLE.get(role, ()))
    return tuple(Grant(id=f"role:{role.value}", wallet=None, operation=operation) for operation in operations)


def granted(
    wallets: Collection[WalletId] | None,
    allowed: Collection[Operation],
    *,
    actions: frozenset[ActionClass] | None = None,
    limits: LimitsDocument | None = None,
    expires_at: int = NEVER,
) -> tuple[Grant, ...]:
    """One grant for each of these wallets (None: every one) and operations; what one brings has no grant of its own.

    Actions and limits go to the operations that sign actions.
    """
    made = []
    for wallet in sorted(wallets) if wallets is not None else [None]:
        for operation in sorted(without_what_follows(allowed)):
            signs_actions = operation in SIGN_ACTIONS
            made.append(
                Grant(
                    id=secrets.token_hex(8),
                    wallet=wallet,
                    operation=operation,
                    actions=actions if signs_actions else None,
                    limits=limits if signs_actions else None,
                    expires_at=expires_at,
                )
            )
    return tuple(made)


def in_force(grants: Iterable[Grant], now: int) -> Iterator[Grant]:
    """Those that have not ended."""
    return (grant for grant in grants if now < grant.expires_at)
