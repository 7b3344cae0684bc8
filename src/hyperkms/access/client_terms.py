"""What a client and its grants are called, and how long things last for them."""

import re
from typing import Literal, TypeAlias

from hyperkms.errors import Malformed

ClientState: TypeAlias = Literal["active", "expired", "revoked"]
DEFAULT_OVERLAP_HOURS = 24
MAX_OVERLAP_HOURS = 30 * 24
MAX_EXPIRY_DAYS = 3650
GRANT_ID_GRAMMAR = "^[0-9a-f]{16}$"
_GRANT_ID = re.compile(GRANT_ID_GRAMMAR, re.ASCII)


def parse_grant_id(text: str) -> str:
    """16 hex digits; Malformed otherwise, without repeating what was sent."""
    if not _GRANT_ID.fullmatch(text):
        raise Malformed.at("grant", "an id of 16 hex digits is due")
    return text
