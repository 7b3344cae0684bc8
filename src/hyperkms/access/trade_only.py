"""The built-in policy `trade-only`: which action types may be signed at all."""

from hyperkms.errors import Refused

TRADE_ONLY = frozenset(
    {"order", "cancel", "cancelByCloid", "modify", "batchModify", "updateLeverage", "scheduleCancel", "noop"}
)


def require_trade_only(action_type: str) -> None:
    """Refused unless the policy allows this action type."""
    if action_type not in TRADE_ONLY:
        words = (
            f"the built-in policy trade-only does not allow {action_type}: it allows {', '.join(sorted(TRADE_ONLY))}"
        )
        raise Refused("action-not-allowed", words)
