"""Who asks, and what they may do: clients with their grants. Pure values."""

import re
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property

from hyperkms.access.grants import NEVER, Grant, granted, in_force, role_grants
from hyperkms.access.networks import Networks
from hyperkms.access.roles import SIGNING, Operation, Role
from hyperkms.errors import Forbidden, Malformed
from hyperkms.wallet import WalletId, no_such_wallet

__all__ = [
    "ADMINISTRATOR",
    "CONFIGURED",
    "LEGACY",
    "SIGNING",
    "UNNUMBERED",
    "Client",
    "Operation",
    "Role",
    "client",
    "parse_client_name",
]

ADMINISTRATOR = "administrator"
LEGACY = "legacy"
CONFIGURED = "API_KEY"
UNNUMBERED = 0
"""The number of a client that the database does not hold: the one of the API_KEY setting, or a command."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_TAKEN = frozenset({LEGACY, CONFIGURED})


@dataclass(frozen=True, kw_only=True)
class Client:
    """A bot or a person that has authenticated, with everything that it may do."""

    name: str
    number: int
    """Its own for ever; from 1 in the database, else UNNUMBERED."""
    role: Role
    grants: tuple[Grant, ...]
    """Those of its role, or those that it was given and that have not ended."""
    networks: Networks | None = None
    """Where it may ask from; None: from anywhere."""

    @cached_property
    def operations(self) -> frozenset[Operation]:
        """What it may do with some wallet."""
        return frozenset(operation for grant in self.grants for operation in grant.allows)

    @cached_property
    def wallets(self) -> frozenset[WalletId] | None:
        """The wallets it has a grant for, there or not; None for every wallet."""
        return _wallets_of(self.grants)

    @cached_property
    def first_end(self) -> int:
        """When the first of its grants ends, in milliseconds since 1970."""
        return min((grant.expires_at for grant in self.grants), default=NEVER)

    def at(self, now: int) -> "Client":
        """The same client with the grants that have not ended."""
        return replace(self, grants=tuple(in_force(self.grants, now)))

    def require(self, *operations: Operation) -> None:
        """Forbidden unless it may do one of these with some wallet; ask before anything of a wallet is read."""
        if self.operations.isdisjoint(operations):
            held = ", ".join(sorted(self.operations)) or "nothing"
            raise _scope_missing(f"client {self.name} may not {_or(operations)}; it may: {held}")

    def require_everywhere(self, operation: Operation) -> None:
        """Forbidden unless it may do this with every wallet."""
        self.require(operation)
        if self.wallets_for(operation) is not None:
            words = f"client {self.name} may {operation.value} for some wallets, and this is of every one"
            raise _scope_missing(words)

    def require_wallet(self, wallet: WalletId, *operations: Operation) -> None:
        """NotFound for a wallet that it has no grant for, in the words for one that does not exist.

        Forbidden if it has one, and none of these operations. The answer depends on the client alone: who is held
        to some wallets learns of no other whether it is there.
        """
        if self.wallets is not None and wallet not in self.wallets:
            raise no_such_wallet(wallet)
        if operations and not self.grants_for(wallet, *operations):
            words = f"client {self.name} may not {_or(operations)} with wallet {wallet}"
            held = sorted({one.value for grant in self.grants if grant.covers(wallet) for one in grant.allows})
            raise _scope_missing(f"{words}; with that one it may: {', '.join(held)}")

    def require_new_wallet(self, wallet: WalletId) -> None:
        """Forbidden to make a wallet that would not be its own; the answer does not depend on what exists."""
        if not self.grants_for(wallet, Operation.GENERATE):
            words = f"client {self.name} is held to certain wallets, and {wallet} is none of them"
            raise Forbidden("scope-missing", f"{words}: have a client made that may, or take one of its ids")

    def grants_for(self, wallet: WalletId, *operations: Operation) -> tuple[Grant, ...]:
        """The grants that allow one of these operations with a wallet."""
        return tuple(grant for grant in self.grants if grant.covers(wallet) and not grant.allows.isdisjoint(operations))

    def wallets_for(self, operation: Operation) -> frozenset[WalletId] | None:
        """The wallets with which it may do this; None for every wallet."""
        return _wallets_of(self.grants_of(operation))

    def grants_of(self, operation: Operation) -> tuple[Grant, ...]:
        """The grants that allow an operation, whatever their wallets."""
        return tuple(grant for grant in self.grants if operation in grant.allows)


def client(
    name: str,
    role: Role,
    *,
    number: int = UNNUMBERED,
    wallets: frozenset[WalletId] | None = None,
    allowed: Collection[Operation] = (),
) -> Client:
    """A client with the grants of its role, or for a bot with those for these wallets and operations."""
    grants = granted(wallets, allowed) if role is Role.BOT else role_grants(role)
    return Client(name=name, number=number, role=role, grants=grants)


def parse_client_name(text: object) -> str:
    """A name for a new client; Malformed otherwise, without repeating what was sent."""
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        words = "must be 1 to 64 ASCII letters, digits, '.', '_' or '-', and start with a letter or digit"
        raise Malformed.at("name", words, "malformed-client-name")
    if text in _TAKEN:
        raise Malformed.at("name", "is kept for the client of the API_KEY setting", "malformed-client-name")
    return text


def _wallets_of(grants: Collection[Grant]) -> frozenset[WalletId] | None:
    named = [grant.wallet for grant in grants]
    return None if None in named else frozenset(wallet for wallet in named if wallet is not None)


def _or(operations: Collection[Operation]) -> str:
    return " or ".join(operation.value for operation in operations)


def _scope_missing(words: str) -> Forbidden:
    return Forbidden("scope-missing", f"{words}. Ask with another key, or have a client made that may")
