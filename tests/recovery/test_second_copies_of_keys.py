"""A master key has a second copy from its birth: the drill, and the whole way back from it."""

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct

from support.commands import ADDRESS, KEY, key_file, refusal, run
from support.recovering import Recipient, piped, read_recipient, recover, refused, told
from support.service import Service, command


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("offline")


@pytest.fixture(scope="module")
def recipient(offline: Path) -> Recipient:
    return read_recipient(told("recipient", "new", "--out", offline / "recovery.identity"))


@pytest.fixture(scope="module")
def named(offline: Path, recipient: Recipient) -> Path:
    """The file that HYPERKMS_RECOVERY_RECIPIENT names: what the program printed."""
    file = offline / "recipient"
    file.write_text(f"recipient: {recipient.text}\nfingerprint: {recipient.fingerprint}\n")
    return file


@pytest.fixture
def settings(named: Path) -> dict[str, str]:
    return {"HYPERKMS_RECOVERY_RECIPIENT": str(named)}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    with Service.start(tmp_path / "data"):
        pass
    return tmp_path / "data"


def _made(data: Path, wallet: str, **settings: str) -> Any:
    done = run("wallet", "generate", wallet, "--master", "--json", "--data", str(data), cwd=data.parent, **settings)
    assert done.returncode == 0, done.stderr
    assert b"second copy is in" in done.stderr
    return json.loads(done.stdout)


def _copy(data: Path, wallet: str) -> Path:
    (found,) = (data / "copies").glob(f"{wallet}.1.*.hkkc")
    assert found.stat().st_mode & 0o777 == 0o600
    return found


def test_a_lost_master_key_comes_back_from_its_copy(
    data: Path, tmp_path: Path, offline: Path, settings: dict[str, str]
) -> None:
    made = _made(data, "treasury", **settings)
    copy = _copy(data, "treasury").read_bytes()
    (offline / "treasury.hkkc").write_bytes(copy)
    checked = told("check", "--in", offline / "treasury.hkkc", "--identity", offline / "recovery.identity")
    assert f"address: {made['address']}" in checked
    assert "wallet: treasury" in checked

    new = tmp_path / "new"
    words: list[str | Path] = ["open", "--in", offline / "treasury.hkkc", "--identity", offline / "recovery.identity"]
    words += ["--public-key", made["publicKey"]]
    into = command("wallet", "import", "again", "--key-type", "secp256k1", "--key-file", "-", "--data", str(new))
    piped(words, into, cwd=tmp_path)
    sign = ("wallet", "sign", "again", "--message", "hello", "--json", "--data", str(new))
    signed = json.loads(run(*sign, cwd=tmp_path).stdout)["signature"]
    assert Account.recover_message(encode_defunct(b"hello"), signature=signed).lower() == made["address"]


def test_an_imported_key_is_copied_as_well(data: Path, tmp_path: Path, offline: Path, settings: dict[str, str]) -> None:
    words = ("wallet", "import", "owned", "--key-type", "secp256k1", "--key-file", str(key_file(tmp_path / "key")))
    done = run(*words, "--master", "--data", str(data), cwd=tmp_path, **settings)
    assert done.returncode == 0, done.stderr
    copy = _copy(data, "owned")
    assert KEY.encode() not in copy.read_bytes()
    assert bytes.fromhex(KEY) not in copy.read_bytes()
    opened = recover("open", "--in", copy, "--identity", offline / "recovery.identity")
    assert opened.stdout == KEY.encode() + b"\n"
    assert ADDRESS.encode() in opened.stderr


def test_agents_are_not_copied_and_without_a_recipient_no_master_key_is_made(
    data: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    assert run("wallet", "generate", "agent", "--data", str(data), cwd=tmp_path, **settings).returncode == 0
    assert not (data / "copies").exists()
    make = ("wallet", "generate", "treasury", "--master")
    assert "[no-recovery-recipient]" in refusal(*make, "--data", str(data), cwd=tmp_path)
    assert "[wallet-not-found]" in refusal("wallet", "show", "treasury", "--data", str(data), cwd=tmp_path)
    at_service = {"HYPERKMS_API_KEY": "a key of no service at all", **settings}
    assert "[master-needs-directory]" in refusal(*make, "--url", "http://127.0.0.1:9", cwd=tmp_path, **at_service)
    for_bytes = (*make, "--key-type", "ed25519", "--data", str(data))
    assert "[wrong-key-type]" in refusal(*for_bytes, cwd=tmp_path, **settings)


def test_a_recipient_with_a_wrong_digit_or_none_stops_the_start(
    data: Path, tmp_path: Path, recipient: Recipient
) -> None:
    digit = "0" if recipient.text[10] != "0" else "1"
    for text, code in (
        (recipient.text[:10] + digit + recipient.text[11:], "malformed-recipient"),
        ("", "malformed-recipient"),
        (f"{recipient.text} {recipient.text}", "malformed-recipient"),
    ):
        (tmp_path / "named").write_text(text)
        named = {"HYPERKMS_RECOVERY_RECIPIENT": str(tmp_path / "named")}
        assert f"[{code}]" in refusal("wallet", "list", "--data", str(data), cwd=tmp_path, **named)


def test_a_copy_that_was_changed_or_is_for_another_is_not_opened(
    data: Path, tmp_path: Path, offline: Path, settings: dict[str, str]
) -> None:
    made = _made(data, "treasury", **settings)
    copy = _copy(data, "treasury")
    told("recipient", "new", "--out", tmp_path / "other.identity")
    assert refused("open", "--in", copy, "--identity", tmp_path / "other.identity") == "copy-for-another"
    identity = offline / "recovery.identity"
    other_key = ("open", "--in", copy, "--identity", identity, "--public-key", "02" + "ab" * 32)
    assert refused(*other_key) == "copies-of-another-key"
    content = copy.read_bytes()
    public_key = content.index(bytes.fromhex(made["publicKey"][2:]))
    for place in (13, public_key + 5, len(content) - 70, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        (tmp_path / "changed").write_bytes(changed)
        assert refused("check", "--in", tmp_path / "changed", "--identity", identity) in {
            "copy-tampered",
            "copy-malformed",
        }
    with (tmp_path / "out").open("wb") as file:
        assert refused("open", "--in", copy, "--identity", identity, stdout=file.fileno()) == "output-not-a-pipe"
