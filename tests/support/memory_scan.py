"""Looks for secrets in bytes: in the memory of a process, in files, in answers and in logs.

A secret is looked for raw, reversed, in halves, in hex of both cases, in base64 at its 3 alignments
(both alphabets) and in decimal. What is found is told by name, form and place, never by content.

A text of 15 bytes or more, wherever it lies, has in it one of its own first eight runs of 8 bytes at an address that 8
divides. So content is read once, word by word, against a set of these runs, however many secrets are looked for; a text
is searched for only where one of its runs was seen.
"""

import base64
import io
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from support.sealed_key_reader import Opened, Secret, open_data_directory

CHUNK = 8 * 1024 * 1024
_WORD = 8
_SIEVED = 2 * _WORD - 1
"""Texts of so many bytes are found by their words."""


@dataclass(frozen=True, order=True)
class Hit:
    """A secret was found: which, in what form, and where."""

    where: str
    name: str
    form: str


@dataclass(frozen=True)
class Memory:
    """What a scan of a process saw."""

    hits: list[Hit]
    mappings: int
    size: int
    """Bytes read."""
    unreadable: list[str]
    """Mappings marked readable that the kernel does not hand out."""
    seconds: float

    def __str__(self) -> str:
        read = f"{self.mappings} mappings, {self.size / 2**20:.0f} MiB, {self.seconds:.1f} s"
        return f"{read}, unreadable: {self.unreadable or 'none'}, {len(self.hits)} hits"


def forms(secret: Secret) -> dict[str, bytes]:
    """Every form of a secret that is looked for."""
    raw = secret.reveal()
    found = {
        "raw": raw,
        "reversed": raw[::-1],
        "first half": raw[: len(raw) // 2],
        "second half": raw[len(raw) // 2 :],
        "hex": raw.hex().encode(),
        "HEX": raw.hex().upper().encode(),
        "decimal": str(int.from_bytes(raw, "big")).encode(),
        "decimal of the reversed": str(int.from_bytes(raw, "little")).encode(),
    }
    for alignment in range(3):
        text = _base64_at(raw, alignment)
        found[f"base64 at {alignment}"] = text
        if b"+" in text or b"/" in text:
            found[f"base64url at {alignment}"] = text.translate(bytes.maketrans(b"+/", b"-_"))
    return found


def _base64_at(raw: bytes, alignment: int) -> bytes:
    """The characters of base64 that the secret alone decides when it starts at this byte of a group."""
    whole = base64.b64encode(bytes(alignment) + raw)
    return whole[-(-8 * alignment // 6) : 8 * (alignment + len(raw)) // 6]


def secrets_of(root_key: Secret, keys: Mapping[str, Opened]) -> dict[str, Secret]:
    """The secrets behind the sealed keys of a data directory, by name."""
    return {"root key": root_key, **secrets_of_keys(keys)}


def secrets_of_keys(keys: Mapping[str, Opened]) -> dict[str, Secret]:
    """The same without a root key at hand."""
    named: dict[str, Secret] = {}
    for wallet, opened in keys.items():
        named[f"private key of {wallet}"] = opened.private_key
        named[f"data key of {wallet}"] = opened.data_key
        named |= {f"{name} of {wallet}": secret for name, secret in opened.derived().items()}
    return named


class Scanner:
    """Looks for a set of secrets."""

    def __init__(self, secrets: Mapping[str, Secret]) -> None:
        self._names: dict[bytes, tuple[str, str]] = {}
        for name, secret in secrets.items():
            for form, text in forms(secret).items():
                self._names.setdefault(text, (name, form))
        self._longest = max(map(len, self._names))
        self._short = [text for text in self._names if len(text) < _SIEVED]
        self._by_word: dict[int, list[bytes]] = {}
        for text in self._names:
            for start in range(_WORD if len(text) >= _SIEVED else 0):
                word = int.from_bytes(text[start : start + _WORD], sys.byteorder)
                self._by_word.setdefault(word, []).append(text)
        self._words = frozenset(self._by_word)

    def look_at(self, content: bytes, where: str) -> list[Hit]:
        """Every hit in these bytes."""
        suspected = dict.fromkeys(self._short)
        words = memoryview(content + bytes(-len(content) % _WORD)).cast("Q")
        for word in self._words.intersection(words):
            suspected |= dict.fromkeys(self._by_word[word])
        return [Hit(where, *self._names[text]) for text in suspected if text in content]

    def look_at_all(self, contents: Iterable[tuple[str, bytes]]) -> list[Hit]:
        """Every hit in named contents."""
        return [hit for where, content in contents for hit in self.look_at(content, where)]

    def look_into(self, pid: int) -> Memory:
        """Every readable mapping of a process; PermissionError when the kernel refuses all of it."""
        started, hits, unreadable, mappings, size = time.perf_counter(), set[Hit](), [], 0, 0
        with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:

            def look(mapping: tuple[int, int, str]) -> bool:
                nonlocal size
                start, end, name = mapping
                carried = b""
                try:
                    for at in range(start, end, CHUNK):
                        memory.seek(at)
                        content = _read(memory, min(CHUNK, end - at))
                        hits.update(self.look_at(carried + content, name))
                        carried = content[-self._longest :]
                        size += len(content)
                except OSError:
                    return False
                return True

            for mapping in _readable_mappings(pid):
                if look(mapping):
                    mappings += 1
                else:  # perhaps it was given back since it was listed, or a part of it: what is there still counts
                    left = [each for each in _readable_mappings(pid) if each[0] < mapping[1] and mapping[0] < each[1]]
                    unreadable += [each[2] for each in left if not look(each)]
        return Memory(sorted(hits), mappings, size, unreadable, time.perf_counter() - started)


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file below a folder, by its relative name."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder)), path.read_bytes()


def secrets_in(data: Path) -> dict[str, Secret]:
    """Every secret of a data directory."""
    return secrets_of(*open_data_directory(data))


def _readable_mappings(pid: int) -> Iterator[tuple[int, int, str]]:
    # The kernel's own pages hold no data of the process.
    kernels = ("[vvar]", "[vvar_vclock]", "[vsyscall]")
    for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
        span, flags, _offset, _device, _inode, *rest = line.split(maxsplit=5)
        start, end = (int(part, 16) for part in span.split("-"))
        name = rest[0] if rest else "[anonymous]"
        if flags.startswith("r") and name not in kernels:
            yield start, end, re.sub(r"\s+", " ", name)


def _read(memory: io.FileIO, length: int) -> bytes:
    parts = []
    while length > 0 and (part := memory.read(length)):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)
