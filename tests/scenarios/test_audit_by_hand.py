"""The commands of docs/audit.md, as they stand there, on a record of the second implementation."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.chained_record import Log, Record

PAGE = Path(__file__).parents[2] / "docs" / "audit.md"
TOOLS = ("sh", "openssl", "sha256sum", "basenc")


@pytest.fixture(scope="module")
def script() -> str:
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    return "".join(blocks)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    made = Record(tmp_path / "records").log()
    made.sign(3)
    made.head()
    made.next_segment()
    made.refuse()
    made.sign(5)
    made.close()
    return made


def by_hand(script: str, log: Log) -> str:
    key = log.record.key.public_key.hex()
    variables = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LOG": log.id, "KEY": key, "LC_ALL": "C"}
    words = ["sh", "-u", "-c", script]
    done = subprocess.run(words, cwd=log.record.folder, env=variables, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    return done.stdout


def test_a_log_is_verified_by_hand(script: str, log: Log) -> None:
    assert by_hand(script, log).splitlines() == [
        "12 lines",
        "Signature Verified Successfully",
        "the head is of these lines",
    ]


def test_an_edit_is_found_by_hand(script: str, log: Log) -> None:
    file = log.files[0]
    file.write_bytes(file.read_bytes().replace(b"60000", b"60001", 1))
    assert by_hand(script, log).splitlines() == [
        "line 2, or the one before, was changed",
        "12 lines",
        "Signature Verified Successfully",
    ]


def test_a_head_by_another_key_is_found_by_hand(script: str, log: Log) -> None:
    file = log.files[-1]
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:-1], re.sub(rb'"signature":"0x..', b'"signature":"0x00', lines[-1])]))
    assert "Signature Verification Failure" in by_hand(script, log)
