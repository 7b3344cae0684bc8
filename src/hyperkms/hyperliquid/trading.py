"""The action types that trade, and those that change the margin of a position.

Source: docs/formats.md "Actions".
"""

from hyperkms.hyperliquid.action_type import ActionType, l1_for_vaults
from hyperkms.hyperliquid.kinds import INT64, nullable, positive
from hyperkms.hyperliquid.members import (
    UINT32,
    UINT64,
    Member,
    Presence,
    address,
    cloid,
    flag,
    integer,
    list_of,
    order_id,
    struct,
)
from hyperkms.hyperliquid.orders import grouping, order

_OPTIONAL = Presence.OPTIONAL

TRADING: tuple[ActionType, ...] = (
    l1_for_vaults(
        "order",
        Member("orders", list_of(order)),
        Member("grouping", grouping),
        Member("builder", struct(Member("b", address), Member("f", UINT64)), _OPTIONAL),
    ),
    l1_for_vaults(
        "cancel",
        Member("cancels", list_of(struct(Member("a", UINT32), Member("o", UINT64)))),
        Member("f", flag, Presence.ONLY_TRUE),
    ),
    l1_for_vaults(
        "cancelByCloid",
        Member("cancels", list_of(struct(Member("asset", UINT32), Member("cloid", cloid)))),
        Member("f", flag, Presence.ONLY_TRUE),
    ),
    l1_for_vaults(
        "modify",
        Member("oid", order_id),
        Member("order", order),
        Member("a", flag, Presence.ONLY_TRUE),
    ),
    l1_for_vaults(
        "batchModify",
        Member("modifies", list_of(struct(Member("oid", order_id), Member("order", order)))),
        Member("a", flag, Presence.ONLY_TRUE),
    ),
    l1_for_vaults(
        "updateLeverage",
        Member("asset", UINT32),
        Member("isCross", flag),
        Member("leverage", integer(1, 2**32 - 1)),
    ),
    l1_for_vaults("scheduleCancel", Member("time", UINT64, _OPTIONAL)),
    l1_for_vaults("noop"),
    l1_for_vaults(
        "twapOrder",
        Member(
            "twap",
            struct(
                Member("a", UINT32),
                Member("b", flag),
                Member("s", positive),
                Member("r", flag),
                Member("m", integer(5, 1440)),
                Member("t", flag),
            ),
        ),
        Member(
            "details",
            struct(
                Member("t", nullable(struct(Member("p", positive), Member("a", flag)))),
                Member("s", nullable(positive)),
            ),
            _OPTIONAL,
        ),
    ),
    l1_for_vaults("twapCancel", Member("a", UINT32), Member("t", UINT64)),
    l1_for_vaults("updateIsolatedMargin", Member("asset", UINT32), Member("isBuy", flag), Member("ntli", INT64)),
    l1_for_vaults("topUpIsolatedOnlyMargin", Member("asset", UINT32), Member("leverage", positive)),
)
