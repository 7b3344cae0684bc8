"""Who asks, and what they may do: clients, their roles and operations. Pure values."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from hyperkms.errors import Forbidden, Malformed
from hyperkms.wallet import WalletId, no_such_wallet

ADMINISTRATOR = "administrator"
LEGACY = "legacy"
CONFIGURED = "API_KEY"
UNNUMBERED = 0
"""The number of a client that the database does not hold: the one of the API_KEY setting, or a command."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_TAKEN = frozenset({LEGACY, CONFIGURED})


class Operation(StrEnum):
    """What can be allowed to a client, or is for administrators."""

    TRADE = "trade"
    """Sign Hyperliquid actions, by whatever route."""
    SIGN_ORDER = "sign-order"
    """Sign the limit orders that the first system's route of this name makes, and no other action."""
    SIGN_BYTES = "sign-bytes"
    """Let an Ed25519 wallet sign bytes of which nobody here knows the meaning."""
    SIGN_TEXT = "sign-text"
    """Let a secp256k1 wallet sign a text in its EIP-191 form, which no action can have."""
    READ = "read"
    """Public keys, versions, histories, lists."""
    GENERATE = "generate"
    ROTATE = "rotate"
    RETIRE = "retire"
    MIGRATE = "migrate"
    METRICS = "metrics"
    AUDIT = "audit"
    """Read the whole record, and have proofs made of it."""
    ADMINISTER = "administer"
    """Make, list and revoke clients; it comes with the role of administrator and is never allowed alone."""


SIGNING = (Operation.TRADE, Operation.SIGN_ORDER, Operation.SIGN_BYTES, Operation.SIGN_TEXT)


class Role(StrEnum):
    """Where a client's operations come from."""

    ADMINISTRATOR = "administrator"
    """Everything, on every wallet."""
    BOT = "bot"
    """What was allowed when it was made; nothing unless something was."""
    LEGACY = "legacy"
    """The routes of the first system only."""


_OF_ROLE = {
    Role.ADMINISTRATOR: frozenset(Operation),
    Role.LEGACY: frozenset(
        {
            Operation.SIGN_ORDER,
            Operation.SIGN_BYTES,
            Operation.SIGN_TEXT,
            Operation.READ,
            Operation.GENERATE,
            Operation.ROTATE,
            Operation.MIGRATE,
        }
    ),
}


@dataclass(frozen=True, kw_only=True)
class Client:
    """A bot or a person that has authenticated, with everything that it may do."""

    name: str
    number: int
    """Its own for ever; from 1 in the database, else UNNUMBERED."""
    role: Role
    wallets: frozenset[WalletId] | None
    """The wallets it is for, there or not; None for every wallet."""
    operations: frozenset[Operation]

    def require(self, *operations: Operation) -> None:
        """Forbidden unless it may do one of these; ask before anything of a wallet is read."""
        if self.operations.isdisjoint(operations):
            wanted = " or ".join(operation.value for operation in operations)
            held = ", ".join(sorted(self.operations)) or "nothing"
            words = f"client {self.name} may not {wanted}; it may: {held}"
            raise Forbidden("scope-missing", f"{words}. Ask with another key, or have a client made that may")

    def require_wallet(self, wallet: WalletId) -> None:
        """NotFound for a wallet that is not its own, in the words for one that does not exist.

        The answer depends on the client alone: who is held to some wallets learns of no other whether it is there.
        """
        if self.wallets is not None and wallet not in self.wallets:
            raise no_such_wallet(wallet)

    def require_new_wallet(self, wallet: WalletId) -> None:
        """Forbidden to make a wallet that would not be its own; the answer does not depend on what exists."""
        if self.wallets is not None and wallet not in self.wallets:
            words = f"client {self.name} is held to certain wallets, and {wallet} is none of them"
            raise Forbidden("scope-missing", f"{words}: have a client made that may, or take one of its ids")


def client(
    name: str,
    role: Role,
    *,
    number: int = UNNUMBERED,
    wallets: frozenset[WalletId] | None = None,
    allowed: Collection[Operation] = (),
) -> Client:
    """The client with the operations of its role, or for a bot with those allowed and what they bring with them."""
    operations = _OF_ROLE[role] if role in _OF_ROLE else _with_what_follows(allowed)
    return Client(name=name, number=number, role=role, wallets=wallets, operations=operations)


def parse_client_name(text: object) -> str:
    """A name for a new client; Malformed otherwise, without repeating what was sent."""
    if not isinstance(text, str) or not _NAME.fullmatch(text):
        words = "must be 1 to 64 ASCII letters, digits, '.', '_' or '-', and start with a letter or digit"
        raise Malformed.at("name", words, "malformed-client-name")
    if text in _TAKEN:
        raise Malformed.at("name", "is kept for the client of the API_KEY setting", "malformed-client-name")
    return text


def _with_what_follows(allowed: Collection[Operation]) -> frozenset[Operation]:
    """Who may trade may make orders by either route; who may sign may see whose signature it gets."""
    operations = set(allowed)
    if Operation.TRADE in operations:
        operations.add(Operation.SIGN_ORDER)
    if not operations.isdisjoint(SIGNING):
        operations.add(Operation.READ)
    return frozenset(operations)
