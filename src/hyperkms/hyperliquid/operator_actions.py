"""Action types of deployers and validators, as far as published vectors pin them; the rest stays unknown.

Source: docs/formats.md "Actions".
"""

import re
from ipaddress import ip_address
from itertools import pairwise
from typing import Any

from hyperkms.errors import Malformed
from hyperkms.hyperliquid.action_type import ActionType, l1, l1_for_vaults
from hyperkms.hyperliquid.kinds import amount, dex, null, positive, token
from hyperkms.hyperliquid.members import UINT32, UINT64, Kind, Member, one_of, struct, word
from hyperkms.hyperliquid.wire import Numbers

_MOST = 1000
_IP = re.compile(r"[0-9a-fA-F.:]{2,45}", re.ASCII)


def _variant(name: str, **variants: Kind) -> ActionType:
    """An action with one member beside its type, whose name says which variant it is."""
    type_of, content = word(name), one_of(**variants)

    def read(value: object, path: str, numbers: Numbers) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise Malformed.at(path, "an object is due")
        rest = {member: held for member, held in value.items() if member != "type"}
        return {"type": type_of(value.get("type"), f"{path}.type", numbers), **content(rest, path, numbers)}

    return ActionType(name, read)


def _pair(value: object, path: str, numbers: Numbers) -> list[int]:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 (base and quote)
        raise Malformed.at(path, "a list of two tokens is due: base and quote")
    return [UINT32(entry, f"{path}[{number}]", numbers) for number, entry in enumerate(value)]


def _list(kind: Kind) -> Kind:
    """A list of at most 1,000 entries, or of none."""

    def read(value: object, path: str, numbers: Numbers) -> list[Any]:
        if not isinstance(value, list) or len(value) > _MOST:
            raise Malformed.at(path, f"a list of at most {_MOST} entries is due")
        return [kind(entry, f"{path}[{number}]", numbers) for number, entry in enumerate(value)]

    return read


def _price(value: object, path: str, numbers: Numbers) -> list[str]:
    if not isinstance(value, list) or len(value) != 2:  # noqa: PLR2004 (asset and price)
        raise Malformed.at(path, 'an asset and its price are due, e.g. ["test:A", "1.5"]')
    return [token(value[0], f"{path}[0]", numbers), amount(value[1], f"{path}[1]", numbers)]


def _prices(value: object, path: str, numbers: Numbers) -> list[Any]:
    """Prices by asset, in the order of the assets' names: the official SDK sorts them, and so they are hashed."""
    prices: list[Any] = _list(_price)(value, path, numbers)
    if any(first[0] >= second[0] for first, second in pairwise(prices)):
        raise Malformed.at(path, "the assets stand once each, sorted by name")
    return prices


def _ip(value: object, path: str, _numbers: Numbers) -> str:
    try:
        if isinstance(value, str) and _IP.fullmatch(value):
            ip_address(value)
            return value
    except ValueError:
        pass
    raise Malformed.at(path, "an IP address is due")


_ORACLE = struct(
    Member("dex", dex),
    Member("oraclePxs", _prices),
    Member("markPxs", _list(_prices)),
    Member("externalPerpPxs", _prices),
)

OPERATOR_ACTIONS: tuple[ActionType, ...] = (
    l1_for_vaults("gossipPriorityBid", Member("slotId", UINT32), Member("ip", _ip), Member("maxGas", UINT64)),
    l1("validatorL1Stream", Member("riskFreeRate", positive)),
    _variant("CSignerAction", jailSelf=null, unjailSelf=null),
    _variant("spotDeploy", registerSpot=struct(Member("tokens", _pair))),
    _variant("perpDeploy", setOracle=_ORACLE),
)
