"""How the record is written, as the settings say."""

import json
from pathlib import Path
from typing import Any

from support.commands import run
from support.keyed import NOOP
from support.record import entries_in, files_in
from support.record_reader import read_logs, read_manifest
from support.service import Service

BODY = {"walletId": "bot", "action": NOOP}
SIGNED = 40


def test_durability_os_is_said_wherever_the_record_is_spoken_of(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", HYPERKMS_AUDIT_DURABILITY="os") as service:
        service.generate("bot", keyType="secp256k1")
        assert service.post("/hyperliquid/sign", BODY).json["receipt"]["durability"] == "os"
        assert service.get("/status").json["records"]["durability"] == "os"
        assert any(json.loads(line)["event"] == "durability-os" for line in service.lines)
    ((_, read),) = read_logs(tmp_path / "data" / "records").items()
    assert read.lines[0]["record"]["durability"] == "os"


def test_receipts_are_of_the_lines_and_heads_that_are_in_the_files(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data") as service:
        service.generate("bot", keyType="secp256k1")
        receipts: list[Any] = []
        while not receipts or receipts[-1]["head"] is None:
            receipts += [service.post("/hyperliquid/sign", BODY).json["receipt"] for _ in range(SIGNED)]
    ((log, read),) = read_logs(tmp_path / "data" / "records").items()
    for receipt in receipts:
        assert (receipt["log"], receipt["leafHash"]) == (log, "0x" + read.leaves[receipt["index"]].hex())
        assert receipt["durability"] == "fsync"
    newest = receipts[-1]["head"]
    assert newest in [{name: head[name] for name in newest} for head in read.heads()]
    assert newest["size"] <= receipts[-1]["index"]


def test_segments_and_the_anchor_of_several_workers(tmp_path: Path) -> None:
    """Every worker has a log of its own, and all of them are in one manifest and one anchor."""
    anchor = tmp_path / "elsewhere"
    settings = {"HYPERKMS_AUDIT_SEGMENT_MB": "1", "HYPERKMS_AUDIT_ANCHOR": str(anchor)}
    with Service.start(tmp_path / "data", "--workers", "2", **settings) as service:
        service.generate("bot", keyType="secp256k1")
        while len({path.name.split("-")[1] for path in files_in(tmp_path / "data" / "records")}) < 2:
            assert service.post("/hyperliquid/sign", BODY).status == 200
        large = {"requests": [{"walletId": "bot", "action": big_order()}] * 20}
        while not list((tmp_path / "data" / "records").glob("*-0002.jsonl")):
            assert service.post("/hyperliquid/sign-batch", large).status == 200
        assert service.stop() == 0
    folder = tmp_path / "data" / "records"
    logs = read_logs(folder)
    assert len(logs) == 2
    assert any(len(read.files) > 1 for read in logs.values())
    closed = {entry["log"]: entry["size"] for entry in entries_in(folder) if entry["event"] == "close"}
    assert closed == {log: len(read.lines) for log, read in logs.items()}
    anchored = [json.loads(line) for line in anchor.read_text().splitlines()]
    entries = sorted(line["manifest"] for line in anchored if "manifest" in line)
    assert entries == list(range(len(read_manifest(folder))))
    heads = {(log, head["size"]) for log, read in logs.items() for head in read.heads()}
    assert {(line["log"], line["size"]) for line in anchored if "log" in line} == heads


def big_order() -> dict[str, object]:
    """Some 3 KB of an action."""
    order = {"a": 0, "b": True, "p": "60000", "s": "0.001", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    return {"type": "order", "orders": [order] * 30, "grouping": "na"}


def test_a_command_tells_once_that_the_anchor_cannot_be_written(tmp_path: Path) -> None:
    anchor = tmp_path / "away" / "anchor"
    words = ("--data", str(tmp_path / "data"))
    assert run("wallet", "generate", "bot", *words, cwd=tmp_path).returncode == 0
    done = run("wallet", "rotate", "bot", *words, "--json", cwd=tmp_path, HYPERKMS_AUDIT_ANCHOR=str(anchor))
    assert json.loads(done.stdout)["newVersion"] == 2, "nothing else stands there"
    told = [line for line in done.stderr.decode().splitlines() if "anchor" in line]
    assert len(told) == 1
    assert f"the anchor cannot be written, and the record goes on without it: {anchor}" in told[0]
    anchor.parent.mkdir()
    done = run("wallet", "activate", "bot", "2", *words, cwd=tmp_path, HYPERKMS_AUDIT_ANCHOR=str(anchor))
    assert done.returncode == 0
    assert b"anchor" not in done.stderr
    assert anchor.exists()
