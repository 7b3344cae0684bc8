"""An independent reader of the chained record, made from docs/formats.md alone: it shares no code with hyperkms."""

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ORDER = '{"v":%d,"log":"%s","index":%d,"prev":"%s","record":'
ZERO = "0" * 64


def leaf(line: bytes) -> bytes:
    return hashlib.sha256(b"\0" + line).digest()


def root_of(leaves: Sequence[bytes]) -> str:
    """RFC 6962 section 2.1."""
    if not leaves:
        return hashlib.sha256().hexdigest()
    nodes = list(leaves)
    while len(nodes) > 1:
        pairs = zip(nodes[::2], nodes[1::2], strict=False)
        joined = [hashlib.sha256(b"\1" + left + right).digest() for left, right in pairs]
        nodes = joined + (nodes[-1:] if len(nodes) % 2 else [])
    return nodes[0].hex()


@dataclass
class ReadLog:
    """A log that was read whole."""

    lines: list[Any] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)

    def root(self, size: int) -> str:
        return root_of(self.leaves[:size])

    def heads(self) -> list[Any]:
        return [line["record"] for line in self.lines if line["v"] == 17]


def read_logs(folder: Path) -> dict[str, ReadLog]:
    """Every log; AssertionError at the first thing that is not as the document says."""
    logs: dict[str, ReadLog] = defaultdict(ReadLog)
    entries = read_manifest(folder)
    for path in sorted(folder.glob("*.jsonl")):
        name = re.fullmatch(r"\d{8}T\d{6}Z-([0-9a-f]{32})-(\d{4})\.jsonl", path.name)
        if name:
            _read_file(logs[name[1]], path, name[1], int(name[2]))
    for log, read in logs.items():
        listed = [entry for entry in entries if entry.get("log") == log]
        assert [entry["file"] for entry in listed if "file" in entry] == [path.name for path in read.files]
        for entry in listed:
            if "root" in entry:
                assert entry["root"] == read.root(entry["size"]), entry
    return dict(logs)


def read_manifest(folder: Path) -> list[Any]:
    """Its entries, in order."""
    text = (folder / "manifest.jsonl").read_bytes()
    lines = text.split(b"\n")[:-1]
    assert text == b"".join(line + b"\n" for line in lines)
    key = json.loads(lines[0])["entry"]
    assert key["event"] == "key"
    public = _public_key(key)
    prev = ZERO
    for number, line in enumerate(lines):
        read = json.loads(line)
        start = b'{"v":1,"index":%d,"prev":"%b","entry":' % (number, prev.encode())
        end = b',"keyId":"%b","signature":"%b"}' % (key["keyId"].encode(), read["signature"].encode())
        assert line.startswith(start)
        assert line.endswith(end)
        said = hashlib.sha256(line[len(start) : -len(end)]).digest()
        message = b"hyperkms manifest entry v1\n" + number.to_bytes(8) + bytes.fromhex(prev) + said
        public.verify(bytes.fromhex(read["signature"][2:]), message)
        prev = leaf(line).hex()
    return [json.loads(line)["entry"] for line in lines]


def _read_file(read: ReadLog, path: Path, log: str, number: int) -> None:
    assert number == len(read.files) + 1
    read.files.append(path)
    for line in path.read_bytes().split(b"\n")[:-1]:
        found, index = json.loads(line), len(read.lines)
        prev = read.leaves[-1].hex() if read.leaves else ZERO
        assert line.startswith((ORDER % (found["v"], log, index, prev)).encode()), line
        assert (found["v"] == 11) == (index == 0)
        if found["v"] == 17:
            _check_head(read, found["record"], log, index)
        read.lines.append(found)
        read.leaves.append(leaf(line))


def _check_head(read: ReadLog, head: Any, log: str, index: int) -> None:
    opening = read.lines[0]["record"]
    assert (head["size"], head["root"], head["keyId"]) == (index, read.root(index), opening["keyId"])
    message = b"hyperkms tree head v1\n" + bytes.fromhex(log) + index.to_bytes(8) + bytes.fromhex(head["root"])
    signature = bytes.fromhex(head["signature"][2:])
    _public_key(opening).verify(signature, message + head["time"].to_bytes(8))


def _public_key(said: Any) -> Ed25519PublicKey:
    raw = bytes.fromhex(said["publicKey"][2:])
    assert hashlib.sha256(raw).hexdigest()[:16] == said["keyId"]
    return Ed25519PublicKey.from_public_bytes(raw)
