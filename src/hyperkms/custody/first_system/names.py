"""The names of the first system's records, below its prefix.

A name does not tell everything: `a-v2` is version 2 of wallet `a`, or a wallet `a-v2` from before there were versions.
What only a record can tell is read there.
"""

import re

MOST_SHARES = 99
OWN = "hyperkms/"
"""What this system keeps below the same prefix."""

_SHARE = re.compile(r"mpc-share-(?P<id>.+)-[1-9][0-9]?", re.DOTALL)
_VERSIONS = re.compile(r"(?P<id>.+)-version-metadata", re.DOTALL)


def versions_of(wallet: str) -> str:
    """The record of a wallet's versions."""
    return f"{wallet}-version-metadata"


def version_of(wallet: str, number: int) -> str:
    """The record of one version's private key."""
    return f"{wallet}-v{number}"


def share_of(wallet: str, number: int) -> str:
    """The record of one share."""
    return f"mpc-share-{wallet}-{number}"


def told_by(name: str) -> str | None:
    """The wallet that the name alone tells of; None where the record itself has to be read."""
    found = _SHARE.fullmatch(name) or _VERSIONS.fullmatch(name)
    return found["id"] if found else None
