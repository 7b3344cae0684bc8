"""The signers of a multi-sig account, in convertToMultiSigUser: JSON in a text that is hashed as it is written."""

import msgspec

from hyperkms import strict_json
from hyperkms.errors import Malformed
from hyperkms.hyperliquid.members import Member, address, integer, list_of, struct
from hyperkms.hyperliquid.wire import Numbers

MOST_SIGNERS = 10
_LONGEST = 2_000


class Signers(msgspec.Struct, frozen=True):
    """Who signs, in lower case, and how many of them it takes."""

    authorized_users: tuple[str, ...]
    threshold: int


_SIGNERS = struct(Member("authorizedUsers", list_of(address)), Member("threshold", integer(1, MOST_SIGNERS)))


def signers(value: object, path: str, _numbers: Numbers) -> str:
    """The text of {"authorizedUsers": [address], "threshold": n}, or of null: an ordinary account again."""
    if not isinstance(value, str) or len(value) > _LONGEST:
        raise Malformed.at(path, f"a JSON text is due, of at most {_LONGEST} characters")
    try:
        read_signers(value)
    except Malformed as refused:
        raise Malformed.at(path, f"the JSON text in it is refused: {refused.message}") from refused
    return value


def read_signers(text: str) -> Signers | None:
    """What such a text says; None for null. Malformed for anything else."""
    value = strict_json.parse(text.encode())
    if value is None:
        return None
    read = _SIGNERS(value, "signers", Numbers.CANONICAL)
    users = tuple(read["authorizedUsers"])
    if len(set(users)) != len(users) or not read["threshold"] <= len(users) <= MOST_SIGNERS:
        raise Malformed.at(
            "signers", f"at most {MOST_SIGNERS} different users are due, and no fewer than the threshold"
        )
    return Signers(users, read["threshold"])
