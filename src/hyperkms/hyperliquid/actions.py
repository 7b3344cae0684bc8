"""The action types that can be signed: one table for parsing, canonical form and hashed key order.

Source: docs/formats.md "Actions", which lists the members in hashed order with the official SDK
functions they match. What has no entry in the table is refused.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from hyperkms.errors import Malformed
from hyperkms.hyperliquid.account_actions import ACCOUNT_ACTIONS
from hyperkms.hyperliquid.action_type import ActionType
from hyperkms.hyperliquid.certain import is_canonical_order
from hyperkms.hyperliquid.operator_actions import OPERATOR_ACTIONS
from hyperkms.hyperliquid.trading import TRADING
from hyperkms.hyperliquid.user_signed import USER_SIGNED
from hyperkms.hyperliquid.wire import Numbers

_ALL = (*TRADING, *ACCOUNT_ACTIONS, *OPERATOR_ACTIONS, *USER_SIGNED)
ACTIONS: Mapping[str, ActionType] = {one.name: one for one in _ALL}
"""Every action type of this release, by name."""


class Action(msgspec.Struct, frozen=True):
    """An action in canonical form: members in hashed key order, ready to be packed and posted."""

    type: str
    wire: Mapping[str, Any]

    def orders(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Every order in it, with its path."""
        match self.type:
            case "order":
                for number, order in enumerate(self.wire["orders"]):
                    yield f"action.orders[{number}]", order
            case "modify":
                yield "action.order", self.wire["order"]
            case "batchModify":
                for number, entry in enumerate(self.wire["modifies"]):
                    yield f"action.modifies[{number}].order", entry["order"]


def parse_action(value: object, numbers: Numbers) -> Action:
    """Read an action strictly.

    Malformed, naming the member, for an unknown type or member, a missing one, a wrong type, a null that is not
    documented, and a number that is not canonical. Members may come in any order; addresses and cloids in any case.
    """
    if not isinstance(value, dict):
        raise Malformed.at("action", "an object is due")
    if is_canonical_order(value):
        return Action("order", value)
    name = value.get("type")
    if not isinstance(name, str) or name not in ACTIONS:
        known = ", ".join(ACTIONS)
        raise Malformed.at("action.type", f"is not one of the types that can be signed: {known}", "unknown-action")
    return Action(name, ACTIONS[name].read(value, "action", numbers))
