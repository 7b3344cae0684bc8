"""What a service said and wrote while secrets known to a test were in it, and the search for them."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.memory_scan import Hit, Scanner, secrets_of
from support.sealed_key_reader import Opened, Secret, Unreadable, open_sealed_key, read_root_key, read_sealed_key
from support.service import START_S

_GATHERED = 256 * 1024
"""Bytes that are searched together."""


@dataclass
class Said:
    """Everything that left the service, by kind of place; kept until every secret is known."""

    by_place: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)

    def add(self, place: str, what: str, content: bytes) -> None:
        """Take what was said in a place."""
        self.by_place.setdefault(place, []).append((what, content))

    def hits(self, place: str, secrets: Mapping[str, Secret]) -> list[Hit]:
        """Every secret found in a place, with what told it."""
        scanner, found = Scanner(secrets), list[Hit]()
        for group in _groups(self.by_place[place]):
            if scanner.look_at(b"\n".join(content for _, content in group), place):
                found += scanner.look_at_all(group)
        return found


def _groups(contents: Iterable[tuple[str, bytes]]) -> Iterator[list[tuple[str, bytes]]]:
    group, size = list[tuple[str, bytes]](), 0
    for entry in contents:
        group.append(entry)
        size += len(entry[1])
        if size > _GATHERED:
            yield group
            group, size = [], 0
    yield group


DAMAGED = ("damaged-bit", "damaged-wrap", "damaged-cut", "damaged-moved", "damaged-gone", "damaged-public")
"""Wallets for `damage`."""


def damage(data: Path) -> None:
    """Change what is stored for each of these wallets as its name says, before its key is first opened."""
    with closing(sqlite3.connect(data / "hyperkms.db", timeout=START_S)) as database, database:
        sealed = dict(database.execute("SELECT wallet, sealed FROM sealed_keys WHERE version = 1"))
        bit, wrap = sealed["damaged-bit"], sealed["damaged-wrap"]
        at = len(read_sealed_key(wrap).wrapped) // 2 + wrap.index(read_sealed_key(wrap).wrapped)
        for wallet, content in {
            "damaged-bit": bit[:-20] + bytes([bit[-20] ^ 1]) + bit[-19:],
            "damaged-wrap": wrap[:at] + bytes([wrap[at] ^ 1]) + wrap[at + 1 :],
            "damaged-cut": sealed["damaged-cut"][:100],
            "damaged-moved": sealed["damaged-public"],
        }.items():
            database.execute("UPDATE sealed_keys SET sealed = ? WHERE wallet = ?", (content, wallet))
        database.execute("DELETE FROM sealed_keys WHERE wallet = 'damaged-gone'")
        (key,) = database.execute("SELECT public_key FROM key_versions WHERE wallet = 'damaged-public'").fetchone()
        other = bytes([key[0] ^ 1]) + key[1:]
        database.execute("UPDATE key_versions SET public_key = ? WHERE wallet = 'damaged-public'", (other,))


def secrets_of_every_version(data: Path) -> dict[str, Secret]:
    """The root key, and what is behind every sealed key that is there now and opens."""
    root_key, opened = read_root_key(data / "root.key"), dict[str, Opened]()
    with closing(sqlite3.connect(data / "hyperkms.db", timeout=START_S)) as database:
        for wallet, version, sealed in database.execute("SELECT wallet, version, sealed FROM sealed_keys"):
            with suppress(Unreadable):
                opened[f"{wallet} version {version}"] = open_sealed_key(sealed, root_key)
    return secrets_of(root_key, opened)
