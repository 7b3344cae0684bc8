"""`hyperkms audit` on a copy of the record, on a data directory and over a service."""

import csv
import io
import json
import os
import pty
import re
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from support.chained_record import LogKey, Record, leaf
from support.commands import refusal, run
from support.places import PLACES, Place
from support.service import START_S, Service, command, environment


@dataclass(frozen=True)
class Copy:
    """A folder of records without anything else, and its anchor."""

    record: Record
    anchor: Path
    log: str

    def run(self, *words: str) -> "subprocess.CompletedProcess[bytes]":
        return run("audit", *words, "--records", str(self.record.folder), cwd=self.record.folder.parent)

    def text(self, *words: str) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stderr
        return done.stdout.decode()

    def json(self, *words: str) -> Any:
        return json.loads(self.text(*words, "--json"))

    def refusal(self, *words: str) -> str:
        return refusal("audit", *words, "--records", str(self.record.folder), cwd=self.record.folder.parent)


@pytest.fixture
def copied(tmp_path: Path) -> Copy:
    record = Record(tmp_path / "copy")
    record.adopt(2)
    log = record.log()
    log.sign(3, client="alice")
    log.head()
    log.next_segment()
    log.refuse(client="bob", wallet="bot-2")
    log.close()
    record.log().sign(2)
    return Copy(record, record.write_anchor(tmp_path / "anchor.jsonl"), log.id)


def edit(record: Record) -> None:
    file = next(iter(sorted(record.folder.glob("2026*"))))
    file.write_bytes(file.read_bytes().replace(b"60000", b"60001", 1))


# ---- verify --------------------------------------------------------------------------------------------


def test_verify_says_what_it_read_and_ends_with_0(copied: Copy) -> None:
    text = copied.text("verify", "--anchor", str(copied.anchor), "--public-key", copied.record.key.text)
    assert text.splitlines()[-1] == "nothing is wrong"
    numbers = dict(re.findall(r"^([a-z ]+?) {2,}(\S+)$", text, re.MULTILINE))
    assert (
        numbers.items()
        >= {
            "logs": "3",
            "segments": "4",
            "lines": "12",
            "heads checked": "2",
            "proved lines": "6",
            "key id": copied.record.key.id,
        }.items()
    )
    assert "log-open" in text
    found = copied.json("verify", "--key-id", copied.record.key.id)
    assert (found["ok"], found["lines"], found["heads"], found["findings"]) == (True, 12, 2, [])
    assert [(one["lines"], one["closed"]) for one in found["read"]] == [(7, True), (3, False), (2, True)]


def test_verify_names_what_it_finds_and_ends_with_1(copied: Copy) -> None:
    edit(copied.record)
    done = copied.run("verify")
    assert done.returncode == 1
    assert b"FOUND          line-changed: line 1 was changed: line 2 has another hash of it (2026" in done.stdout
    assert done.stdout.splitlines()[-1] == b"1 found"
    assert done.stderr == b""
    done = copied.run("verify", "--json")
    [finding] = json.loads(done.stdout)["findings"]
    assert done.returncode == 1
    assert (finding["code"], finding["log"], finding["index"]) == ("line-changed", copied.log, 1)


def test_verify_of_another_key_a_cut_log_or_a_folder_that_is_not_there(copied: Copy, tmp_path: Path) -> None:
    other = LogKey("of another")
    for words in (("--public-key", other.text), ("--key-id", other.id)):
        assert b"key-unknown" in copied.run("verify", *words).stdout
    for words in (("--public-key", "0x12"), ("--key-id", "12"), ("--since", "then")):
        assert f"{words[0]}: " in copied.refusal("verify", *words)
    assert "[no-anchor]" in copied.refusal("verify", "--anchor", str(tmp_path / "none"))
    (tmp_path / "empty").mkdir()
    done = run("audit", "verify", "--records", str(tmp_path / "empty"), cwd=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (1, b"1 found")
    assert b"no-record: " in done.stdout
    assert "[no-record]" in refusal("audit", "verify", "--records", str(tmp_path / "none"), cwd=tmp_path)
    newest = max(copied.record.folder.glob(f"*-{copied.log}-*"))
    newest.write_bytes(newest.read_bytes().splitlines(keepends=True)[0])
    assert b"log-truncated" in copied.run("verify").stdout
    assert copied.run("verify", "--since", "2026-09-22").stdout.endswith(b"nothing is wrong\n")


def test_a_terminal_is_shown_how_far_verification_is(copied: Copy) -> None:
    here, there = pty.openpty()
    words = command("audit", "verify", "--records", str(copied.record.folder))
    with subprocess.Popen(words, env=environment(), stdout=subprocess.PIPE, stderr=there) as process:
        os.close(there)
        output, _ = process.communicate(timeout=START_S)
    shown = os.read(here, 1 << 16)
    os.close(here)
    assert output.endswith(b"nothing is wrong\n")
    assert b"100%" in shown


# ---- prove ---------------------------------------------------------------------------------------------


def test_a_proof_is_made_of_files_and_checked_without_them(copied: Copy, tmp_path: Path) -> None:
    proof = tmp_path / "proof.json"
    proof.write_text(copied.text("prove", copied.log[:8], "2"))
    assert json.loads(proof.read_text())["treeSize"] == 6
    words = ("audit", "verify", "--proof", str(proof), "--public-key", copied.record.key.text)
    done = run(*words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.startswith(b"holds          yes\n")
    assert json.loads(run(*words, "--json", cwd=tmp_path).stdout)["index"] == 2
    proof.write_text(proof.read_text().replace("alice", "alicf"))
    assert "[proof-wrong]" in refusal(*words, cwd=tmp_path)
    assert "[file-unreadable]" in refusal("audit", "verify", "--proof", str(tmp_path / "none"), cwd=tmp_path)


def test_a_receipt_is_proved_from_a_file_or_a_pipe(copied: Copy, tmp_path: Path) -> None:
    [line] = [json.loads(one) for one in copied.text("export", "--client", "bob").splitlines()]
    proof = json.loads(copied.text("prove", line["log"], str(line["index"])))
    receipt = {"log": line["log"], "index": line["index"], "head": proof["head"]}
    receipt["leafHash"] = "0x" + leaf(proof["line"].encode()).hex()
    file = tmp_path / "answer.json"
    file.write_text(json.dumps({"success": True, "receipt": receipt}))
    assert json.loads(copied.text("prove", "--receipt", str(file))) == proof
    place = ("--records", str(copied.record.folder))
    piped = run("audit", "prove", "--receipt", "-", *place, cwd=tmp_path, stdin=json.dumps(receipt))
    assert json.loads(piped.stdout) == proof
    file.write_text(json.dumps({**receipt, "index": 1}))
    assert "[proof-wrong]" in copied.refusal("prove", "--receipt", str(file))


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("ffffffff", "1"), "no-such-line"),
        (("f" * 32, "1"), "no-such-line"),
        (("{log}", "6"), "proof-not-yet"),
        (("{log}", "7"), "no-such-line"),
    ],
)
def test_what_cannot_be_proved_is_told(copied: Copy, words: tuple[str, ...], code: str) -> None:
    assert f"[{code}]" in copied.refusal("prove", *(word.format(log=copied.log) for word in words))


def test_prove_needs_a_line_or_a_receipt(copied: Copy) -> None:
    for words in ((), (copied.log,), (copied.log, "1", "--receipt", "x")):
        assert copied.run("prove", *words).returncode == 2


# ---- show, export, tail --------------------------------------------------------------------------------


def test_show_has_filters_and_a_single_line(copied: Copy) -> None:
    assert copied.text("show").count("\n") == 8
    [refused] = copied.text("show", "--refused").splitlines()
    assert "bob" in refused
    assert "REFUSED policy-refused" in refused
    assert refused.endswith(f"[{copied.log[:8]}/5]")
    assert copied.json("show", "--client", "alice", "--since", "2026-09-21", "--until", "2026-09-21")["count"] == 3
    assert copied.json("show", "--since", "1m") == {"records": [], "count": 0}
    line = copied.text("show", f"{copied.log[:8]}/5")
    assert re.search(r"^code +policy-refused$", line, re.MULTILINE)
    assert re.search(r"^kind +refusal$", line, re.MULTILINE)
    assert re.search(r"^time +2026-09-21T\d\d:\d\d:\d\d\.\d{3}Z$", line, re.MULTILINE)
    raw = copied.json("show", f"{copied.log}/5")
    assert raw["text"].encode() in b"".join(file.read_bytes() for file in copied.record.folder.glob("2026*"))
    assert (raw["kind"], raw["record"]["time"]) == (16, json.loads(raw["text"])["record"]["time"])
    assert copied.json("show", f"{copied.log}/0")["record"]["keyId"] == copied.record.key.id
    for words, code in ((f"{copied.log}/99", "no-such-line"), ("x", "malformed"), ("ffffffff/1", "no-such-line")):
        assert f"[{code}]" in copied.refusal("show", words)


def test_export_writes_the_lines_or_a_table_and_says_how_many(copied: Copy, tmp_path: Path) -> None:
    done = copied.run("export", "-o", str(tmp_path / "all.jsonl"))
    assert (done.stdout, b"8 decisions written to" in done.stderr) == (b"", True)
    lines = (tmp_path / "all.jsonl").read_bytes().splitlines()
    stored = {line for file in copied.record.folder.glob("2*") for line in file.read_bytes().splitlines()}
    assert len(lines) == 8
    assert set(lines) < stored
    assert copied.json("export", "--refused", "-o", str(tmp_path / "some.jsonl"))["count"] == 1
    assert copied.run("export", "--json").returncode == 2
    assert (tmp_path / "all.jsonl").stat().st_mode & 0o777 == 0o600
    names, *rows = csv.reader(io.StringIO(copied.text("export", "--format", "csv", "--wallet", "bot-2")))
    assert [dict(zip(names, row, strict=True))["client"] for row in rows] == ["bob"]
    assert "[file-exists]" in copied.refusal("export", "-o", str(tmp_path / "all.jsonl"))
    assert "[file-unwritable]" in copied.refusal("export", "-o", str(tmp_path / "none" / "x"))


def test_tail_follows_what_is_written_until_it_is_interrupted(copied: Copy) -> None:
    words = command("audit", "tail", "-f", "-n", "2", "--records", str(copied.record.folder))
    with subprocess.Popen(words, env=environment(PYTHONUNBUFFERED="1"), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        shown = [process.stdout.readline() for _ in range(2)]
        log = copied.record.log()
        log.sign(client="newcomer")
        shown.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(START_S) == 130
    assert ["newcomer" in line for line in shown] == [False, False, True]
    assert shown[-1].endswith(f"[{log.id[:8]}/1]\n")
    one = json.loads(copied.text("tail", "-n", "1", "--json"))
    assert one["record"]["client"] == "newcomer"


# ---- a data directory and its service --------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service.start(tmp_path_factory.mktemp("served") / "data") as running:
        running.generate("w", keyType="secp256k1")
        for _ in range(3):
            assert running.post("/hyperliquid/sign", {"walletId": "w", "action": {"type": "noop"}}).status == 200
        running.post("/clients", {"name": "desk-bot", "allow": ["trade"]})
        yield running


@pytest.mark.parametrize("where", PLACES)
def test_the_record_of_a_running_service_is_shown_in_both_places(served: Service, where: str) -> None:
    place = Place(served, where, ("audit",))
    shown = place.json("show", "--operation", "sign-action")
    assert shown["count"] == 3
    assert {one["record"]["wallet"] for one in shown["records"]} == {"w"}
    first = shown["records"][0]
    assert place.json("show", f"{first['log']}/{first['index']}")["record"] == first["record"]
    assert "create-client desk-bot" in place.text("show", "--client", "desk-bot", "--since", "1h")
    exported = place.text("export", "--wallet", "w", "--operation", "sign-action").splitlines()
    assert [json.loads(line)["record"] for line in exported] == [one["record"] for one in shown["records"]]


def test_a_running_service_is_verified_in_its_directory_and_not_over_http(served: Service) -> None:
    assert Place(served, "data", ("audit",)).json("verify")["ok"] is True
    over_http = Place(served, "url", ("audit",))
    for words in (("verify",), ("tail",)):
        assert "[audit-needs-files]" in over_http.refusal(*words)


def test_records_stand_alone(copied: Copy) -> None:
    words = ("--data", str(copied.record.folder))
    assert "--records: is a folder by itself" in copied.refusal("show", *words)
