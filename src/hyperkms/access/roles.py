"""What can be allowed, and what each role comes to. Pure values."""

from collections.abc import Collection, Mapping
from enum import StrEnum


class Operation(StrEnum):
    """What can be allowed to a client, or is for administrators."""

    TRADE = "trade"
    """Sign Hyperliquid actions, by whatever route, as the wallet's policy says."""
    SIGN_ORDER = "sign-order"
    """Sign the limit orders that the first system's route of this name makes, and no other action."""
    SIGN_BYTES = "sign-bytes"
    """Let an Ed25519 wallet sign bytes of which nobody here knows the meaning."""
    SIGN_TEXT = "sign-text"
    """Let a secp256k1 wallet sign a text in its EIP-191 form, which no action can have."""
    READ = "read"
    """Public keys, versions, histories, lists, policies."""
    GENERATE = "generate"
    ROTATE = "rotate"
    RETIRE = "retire"
    MIGRATE = "migrate"
    METRICS = "metrics"
    AUDIT = "audit"
    """Read the record, its heads and its proofs."""
    ADMINISTER = "administer"
    """Clients, grants and policies; it comes with the role of administrator and is never allowed alone."""


SIGNING = (Operation.TRADE, Operation.SIGN_ORDER, Operation.SIGN_BYTES, Operation.SIGN_TEXT)
SIGN_ACTIONS = frozenset({Operation.TRADE, Operation.SIGN_ORDER})
"""Those that sign actions, of which grants have classes and limits."""
EVERYWHERE = frozenset({Operation.AUDIT, Operation.METRICS})
"""What they show is of every wallet."""


class Role(StrEnum):
    """A named set of grants, or for a bot the grants that it was given one by one."""

    ADMINISTRATOR = "administrator"
    """Everything, on every wallet."""
    OPERATOR = "operator"
    """Makes, rotates and retires wallets; signs nothing, and changes neither clients nor policies."""
    AUDITOR = "auditor"
    """Reads everything, the record too, and changes nothing."""
    BOT = "bot"
    """What it was granted; nothing unless something was."""
    LEGACY = "legacy"
    """The routes of the first system only."""


OF_ROLE: Mapping[Role, frozenset[Operation]] = {
    Role.ADMINISTRATOR: frozenset(Operation),
    Role.OPERATOR: frozenset(
        {
            Operation.READ,
            Operation.GENERATE,
            Operation.ROTATE,
            Operation.RETIRE,
            Operation.MIGRATE,
            Operation.METRICS,
        }
    ),
    Role.AUDITOR: frozenset({Operation.READ, Operation.AUDIT, Operation.METRICS}),
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
"""The operations of each role but the bot's."""


BRINGS: Mapping[Operation, frozenset[Operation]] = {
    **{operation: frozenset({operation}) for operation in Operation},
    **{operation: frozenset({operation, Operation.READ}) for operation in SIGNING},
    Operation.TRADE: frozenset({Operation.TRADE, Operation.SIGN_ORDER, Operation.READ}),
}
"""What a grant of an operation allows: who may trade may make orders by either route, under the same limits; who may
sign may see whose signature it gets."""


def without_what_follows(allowed: Collection[Operation]) -> frozenset[Operation]:
    """Those of these operations that none of the others brings with it."""
    return frozenset(one for one in allowed if not any(one in BRINGS[other] for other in allowed if other is not one))
