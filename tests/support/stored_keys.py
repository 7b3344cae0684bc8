"""The sealed keys of a data directory as another program finds them: in its database or in AWS Secrets Manager."""

import re
from collections.abc import Callable
from pathlib import Path

from support import custody, databases

_NAME = re.compile(r"/hyperkms/(?P<wallet>[^/]+)/v(?P<version>[0-9]+)\Z")


def stored_versions(data: Path, wallet: str) -> list[int]:
    """The versions of a wallet that have a sealed key, in their order."""
    if custody.kind() == custody.SECRETS_MANAGER:
        found = (_NAME.search(name) for name in custody.secrets_of(data))
        return sorted(int(one["version"]) for one in found if one and one["wallet"] == wallet)
    query = "SELECT version FROM sealed_keys WHERE wallet = ? ORDER BY version"
    return [version for (version,) in databases.rows(data, query, wallet)]


def change_stored(data: Path, wallet: str, change: Callable[[bytes], bytes]) -> None:
    """Put something else into the place of each sealed key of a wallet."""
    for version in stored_versions(data, wallet):
        if custody.kind() == custody.SECRETS_MANAGER:
            custody.change_secret(data, f"hyperkms/{wallet}/v{version}", change)
            continue
        place = (wallet, version)
        query = "SELECT sealed FROM sealed_keys WHERE wallet = ? AND version = ?"
        [(sealed,)] = databases.rows(data, query, *place)
        query = "UPDATE sealed_keys SET sealed = ? WHERE wallet = ? AND version = ?"
        databases.rows(data, query, change(bytes(sealed)), *place)


def ruined(_sealed: bytes) -> bytes:
    """What opens with no key."""
    return b"\0"
