"""A writer of the chained record, made from docs/formats.md alone: a second implementation, and a factory for tests.

It signs with the `cryptography` package, hashes by the recursion of RFC 6962, and holds every line in memory.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ZEROS = "0" * 64
OPENING, SIGNATURE, CHANGE, CLIENT, KEYED, REFUSAL, HEAD = range(11, 18)
START = 1_790_000_000_000
"""Milliseconds; 2026-09-21T14:13:20Z."""


def leaf(line: bytes) -> bytes:
    return hashlib.sha256(b"\0" + line).digest()


def mth(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 section 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


class LogKey:
    """An Ed25519 key whose seed is made of a name."""

    def __init__(self, name: str = "log key") -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())
        self.public_key = self._key.public_key().public_bytes_raw()
        self.id = hashlib.sha256(self.public_key).hexdigest()[:16]

    @property
    def text(self) -> str:
        return "0x" + self.public_key.hex()

    def sign(self, message: bytes) -> str:
        return "0x" + self._key.sign(message).hex()

    def sign_head(self, log: str, size: int, root: bytes, time: int) -> str:
        numbers = size.to_bytes(8, "big") + root + time.to_bytes(8, "big")
        return self.sign(b"hyperkms tree head v1\n" + bytes.fromhex(log) + numbers)

    def sign_entry(self, index: int, prev: str, entry: bytes) -> str:
        place = index.to_bytes(8, "big") + bytes.fromhex(prev)
        return self.sign(b"hyperkms manifest entry v1\n" + place + hashlib.sha256(entry).digest())


def signature_record(number: int, time: int, *, wallet: str = "bot-1", client: str = "bot") -> dict[str, Any]:
    """A signature as the release before wrote it too."""
    order = {"a": 0, "b": True, "p": "60000", "s": "0.001", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    return {
        "time": time,
        "requestId": f"{number:016x}",
        "client": client,
        "wallet": wallet,
        "keyVersion": 1,
        "publicKey": "0x" + "02" * 33,
        "operation": "sign-action",
        "signed": {
            "action": {"type": "order", "orders": [order], "grouping": "na"},
            "nonce": time,
            "vaultAddress": None,
            "expiresAfter": None,
            "network": "testnet",
        },
        "digest": "0x" + hashlib.sha256(b"%d" % number).hexdigest(),
        "signature": "0x" + "ab" * 65,
    }


def refusal_record(number: int, time: int, *, wallet: str = "bot-1", client: str = "bot") -> dict[str, Any]:
    """A refusal, with a text that is not ASCII."""
    return {
        "time": time,
        "requestId": f"{number:016x}",
        "client": client,
        "wallet": wallet,
        "operation": "sign-action",
        "code": "policy-refused",
        "reason": "1.000 € is more than 500 €",
    }


@dataclass
class Record:
    """A folder `records` with its manifest, and an anchor beside it."""

    folder: Path
    key: LogKey = field(default_factory=LogKey)
    now: int = START
    anchor: list[bytes] = field(default_factory=list)
    _manifest: list[bytes] = field(default_factory=list)
    _logs: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.announce("key", keyId=self.key.id, publicKey=self.key.text)

    def tick(self, milliseconds: int = 1) -> int:
        self.now += milliseconds
        return self.now

    def announce(self, event: str, **members: object) -> None:
        """An entry of the manifest."""
        index = len(self._manifest)
        prev = leaf(self._manifest[-1]).hex() if self._manifest else ZEROS
        entry = compact({"time": self.tick(), "event": event, **members})
        signature = self.key.sign_entry(index, prev, entry)
        line = b'{"v":1,"index":%d,"prev":"%b","entry":%b,"keyId":"%b","signature":"%b"}' % (
            index,
            prev.encode(),
            entry,
            self.key.id.encode(),
            signature.encode(),
        )
        self._manifest.append(line)
        with (self.folder / "manifest.jsonl").open("ab") as file:
            file.write(line + b"\n")
        self.anchor.append(compact({"manifest": index, "hash": leaf(line).hex(), "time": self.now}))

    def log(self, name: str | None = None) -> "Log":
        """A new log, announced, with its opening written."""
        self._logs += 1
        log = name or hashlib.sha256(b"log %d" % self._logs).hexdigest()[:32]
        return Log(self, log)

    def adopt(self, lines: int = 5) -> Path:
        """A file of the release before."""
        log = hashlib.sha256(b"old").hexdigest()[:32]
        name = f"20250101T000000Z-{log}.jsonl"
        texts = [
            b'{"v":1,"log":"%b","index":%d,"record":%b}\n'
            % (log.encode(), n, compact(signature_record(n, START - 9 + n)))
            for n in range(lines)
        ]
        whole = b"".join(texts)
        (self.folder / name).write_bytes(whole)
        sha256 = hashlib.sha256(whole).hexdigest()
        self.announce("adopt", file=name, log=log, lines=lines, bytes=len(whole), sha256=sha256)
        return self.folder / name

    def write_anchor(self, path: Path) -> Path:
        path.write_bytes(b"".join(line + b"\n" for line in self.anchor))
        return path


class Log:
    """A log that is being written."""

    def __init__(self, record: Record, log: str) -> None:
        self.record = record
        self.id = log
        self.lines: list[bytes] = []
        self.files: list[Path] = []
        self._begin(1, "open")
        key = record.key
        opening = {"release": "0.2.0", "boot": "b", "pid": 7, "keyId": key.id, "publicKey": key.text}
        self.write(OPENING, {"time": record.tick(), **opening, "durability": "fsync"})

    def _begin(self, number: int, event: str, **members: object) -> None:
        begun = datetime.fromtimestamp(self.record.now / 1000, UTC)
        name = f"{begun:%Y%m%dT%H%M%SZ}-{self.id}-{number:04}.jsonl"
        self.record.announce(event, log=self.id, segment=number, file=name, **members)
        self.files.append(self.record.folder / name)
        self.files[-1].touch(mode=0o600)

    @property
    def size(self) -> int:
        return len(self.lines)

    def root(self) -> bytes:
        return mth([leaf(line) for line in self.lines])

    def write(self, kind: int, record: object) -> bytes:
        """Append a line."""
        prev = leaf(self.lines[-1]).hex() if self.lines else ZEROS
        line = b'{"v":%d,"log":"%b","index":%d,"prev":"%b","record":%b}' % (
            kind,
            self.id.encode(),
            self.size,
            prev.encode(),
            compact(record),
        )
        self.lines.append(line)
        with self.files[-1].open("ab") as file:
            file.write(line + b"\n")
        return line

    def sign(self, count: int = 1, **members: str) -> None:
        for _ in range(count):
            self.write(SIGNATURE, signature_record(self.size, self.record.tick(), **members))

    def refuse(self, **members: str) -> None:
        self.write(REFUSAL, refusal_record(self.size, self.record.tick(), **members))

    def head(self) -> dict[str, Any]:
        """A signed head, written and anchored."""
        time, size, root = self.record.tick(), self.size, self.root()
        signature = self.record.key.sign_head(self.id, size, root, time)
        head = {"time": time, "size": size, "root": root.hex(), "keyId": self.record.key.id, "signature": signature}
        self.write(HEAD, head)
        anchored = {name: head[name] for name in ("size", "root", "time", "keyId", "signature")}
        self.record.anchor.append(compact({"log": self.id, **anchored}))
        return head

    def next_segment(self) -> None:
        self._begin(len(self.files) + 1, "segment", size=self.size, root=self.root().hex())

    def close(self, how: str = "closed") -> None:
        if how == "closed":
            self.head()
        self.record.announce("close", log=self.id, size=self.size, root=self.root().hex(), how=how)
