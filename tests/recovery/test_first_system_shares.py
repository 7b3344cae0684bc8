"""Shares of the first system, read by the recovery program and made by the library that made them then."""

import itertools
import json
import os
import pty
import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from support.commands import key_file, run
from support.recovering import full_pipe, piped, program, recover, refused
from support.service import START_S, command, environment

ROOT = Path(__file__).resolve().parents[2]
GOLDEN: list[dict[str, Any]] = json.loads((ROOT / "tests/golden/first_system_shares.json").read_text())
NODE = ROOT / "tests" / "recovery" / "node"
OFFLINE = re.compile(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|ENETUNREACH")
FIRST = GOLDEN[0]


def files(folder: Path, shares: list[str]) -> list[str | Path]:
    """The options that name these shares, each in a file of its own."""
    words: list[str | Path] = []
    for number, share in enumerate(shares):
        words += ["--share", key_file(folder / f"share-{number}", share + "\n")]
    return words


def seed(folder: Path, shares: list[str], public_key: str) -> str:
    done = recover("first-system", *files(folder, shares), "--public-key", public_key)
    assert done.returncode == 0, done.stderr.decode()
    said = done.stderr.decode()
    assert "COUNTS AS EXPOSED" in said
    assert f"0x{public_key.removeprefix('0x')}" in said
    printed = done.stdout.decode()
    assert printed.strip() not in said
    return printed


@pytest.mark.parametrize("golden", GOLDEN, ids=[golden["name"] for golden in GOLDEN])
def test_any_shares_that_are_enough_give_the_seed_to_a_pipe(golden: dict[str, Any], tmp_path: Path) -> None:
    quorums = list(itertools.combinations(golden["shares"], golden["threshold"]))
    for number, quorum in enumerate(quorums[:: max(1, len(quorums) // 8)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert seed(folder, list(quorum), golden["publicKey"]) == golden["seed"] + "\n"


def test_the_key_goes_through_a_pipe_into_a_wallet_that_signs_with_it(tmp_path: Path) -> None:
    words = ["first-system", *files(tmp_path, FIRST["shares"][1:]), "--public-key", "0x" + FIRST["publicKey"]]
    imports = command("wallet", "import", "old-bot", "--key-type", "ed25519", "--key-file", "-", "--data", "data")
    piped(words, imports, cwd=tmp_path)
    signed = run("wallet", "sign", "old-bot", "--message", "hello", "--data", "data", "--json", cwd=tmp_path)
    answer = json.loads(signed.stdout)
    key = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(FIRST["seed"]))
    assert answer["signature"] == "0x" + key.sign(b"hello").hex()


def test_nothing_is_put_out_on_a_terminal_or_into_a_file(tmp_path: Path) -> None:
    words = ["first-system", *files(tmp_path, FIRST["shares"][:2]), "--public-key", FIRST["publicKey"]]
    leader, terminal = pty.openpty()
    assert refused(*words, stdout=terminal) == "output-not-a-pipe"
    os.set_blocking(leader, False)
    with pytest.raises(BlockingIOError):
        os.read(leader, 1)
    os.close(leader)
    os.close(terminal)
    for name in (str(tmp_path / "out"), os.devnull):
        with Path(name).open("wb") as file:
            assert refused(*words, stdout=file.fileno()) == "output-not-a-pipe"
    assert (tmp_path / "out").read_bytes() == b""


def test_a_changed_share_gives_no_key_and_the_refusal_tells_nothing_of_it(tmp_path: Path) -> None:
    first, second, _ = FIRST["shares"]
    for place in (1, 3, 34, 36, 100, len(second) - 1):
        changed = second[:place] + ("7" if second[place] != "7" else "c") + second[place + 1 :]
        words = files(tmp_path, [first, changed])
        done = recover("first-system", *words, "--public-key", FIRST["publicKey"])
        assert (done.returncode, done.stdout) == (1, b"")
        assert done.stderr.decode().endswith("[first-system-shares-mismatch]\n")
        assert re.search(r"[0-9a-f]{12}", done.stderr.decode()) is None


def test_too_few_the_same_twice_or_another_public_key_give_nothing(tmp_path: Path) -> None:
    three = GOLDEN[2]
    one, two, *_ = three["shares"]
    cases = {
        "first-system-shares-mismatch": [([one, two], three), ([FIRST["shares"][0], two], FIRST)],
        "first-system-shares-incomplete": [([one], three), ([one, one], three), ([], three)],
        "first-system-share-malformed": [([one, two[:-1]], three), ([one, "9" + two[1:]], three)],
    }
    for code, asked in cases.items():
        for shares, of in asked:
            words = files(tmp_path, shares)
            assert refused("first-system", *words, "--public-key", of["publicKey"]) == code
    words = files(tmp_path, FIRST["shares"][:2])
    assert refused("first-system", *words, "--public-key", three["publicKey"]) == "first-system-shares-mismatch"
    assert refused("first-system", *words, "--public-key", three["publicKey"][2:]) == "not-understood"
    assert refused("first-system", *words) == "not-understood"
    (tmp_path / "share-0").chmod(0o644)
    assert refused("first-system", *words, "--public-key", FIRST["publicKey"]) == "key-file-permissions"


def test_the_process_leaves_no_core_file(tmp_path: Path) -> None:
    words = [program(), "first-system", *files(tmp_path, FIRST["shares"][:2]), "--public-key", FIRST["publicKey"]]
    reading, writing = full_pipe()
    with subprocess.Popen(words, env=environment(), stdout=writing, stderr=subprocess.DEVNULL) as process:
        os.close(writing)
        try:
            # It waits in its last step for room in the pipe.
            limits = Path(f"/proc/{process.pid}/limits")
            pattern = re.compile(r"^Max core file size +0 +0 ", re.MULTILINE)
            until = time.monotonic() + START_S
            while pattern.search(limits.read_text()) is None:
                assert time.monotonic() < until, limits.read_text()
                time.sleep(0.01)
        finally:
            with os.fdopen(reading, "rb") as pipe:
                left = pipe.read()
    assert left.endswith(FIRST["seed"].encode() + b"\n")


@pytest.fixture(scope="module")
def splitting() -> Path:
    """The folder in which secrets.js is installed, once a lock file."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("node and npm are not installed")
    folder = ROOT / "target" / "recovery"
    shutil.copytree(NODE, folder, ignore=shutil.ignore_patterns("node_modules"), dirs_exist_ok=True)
    if not (folder / "node_modules" / "secrets.js-grempe" / "package.json").is_file():
        installed = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--prefer-offline"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        if installed.returncode and OFFLINE.search(installed.stderr):
            pytest.skip("npm ci reaches no registry from here")
        assert installed.returncode == 0, installed.stderr
    return folder


def test_what_the_library_of_the_first_system_splits_is_read(splitting: Path, tmp_path: Path) -> None:
    asked = [
        {"seed": os.urandom(32).hex(), "threshold": 2, "members": 3},
        {"seed": "00" * 16 + os.urandom(16).hex(), "threshold": 2, "members": 2},
        {"seed": os.urandom(32).hex(), "threshold": 5, "members": 9, "newIds": [10, 16, 171, 255]},
        {"seed": os.urandom(32).hex(), "threshold": 3, "members": 3, "zero": [2]},
        {"seed": os.urandom(32).hex(), "threshold": 4, "members": 4, "zero": [1, 2, 3]},
    ]
    made = subprocess.run(
        ["node", "split.cjs"],
        cwd=splitting,
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=True,
    )
    splits = json.loads(made.stdout)
    assert len(splits) == len(asked)
    for number, split in enumerate(splits):
        folder = tmp_path / str(number)
        folder.mkdir()
        for shares in (split["shares"][: split["threshold"]], split["shares"][-split["threshold"] :]):
            assert seed(folder, shares, split["publicKey"]) == split["seed"] + "\n"
