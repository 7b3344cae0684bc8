"""Shares of the first system go from KMS to a recipient who is offline, and are put together there alone."""

import json
from pathlib import Path

import pytest

from hyperkms.cli.assemble import assemble
from hyperkms.cli.operator import operator
from hyperkms.config import load
from hyperkms.operations.sign import sign_message
from hyperkms.wallet import WalletId
from support.aws import Aws
from support.commands import refusal, run
from support.first_system import FirstSystem, Pair
from support.memory_scan import Scanner, files_below
from support.recovering import Recipient, piped, read_recipient, refused, told
from support.sealed_key_reader import Secret
from support.service import command, environment

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "first_system_shares.json").read_text())[0]
SHARES, PUBLIC = GOLDEN["shares"], GOLDEN["publicKey"]


@pytest.fixture
def first(emulated_aws: Aws, tmp_path: Path) -> FirstSystem:
    """A first system with one wallet in shares, which secrets.js made."""
    made = FirstSystem(emulated_aws, f"{tmp_path.name}/")
    made.shares("shared", Pair("its public record is not looked at"), SHARES)
    return made


@pytest.fixture
def recipient(tmp_path: Path) -> Recipient:
    """One who recovers this wallet, with the folder `recovery`."""
    return read_recipient(told("begin", "--wallet", "shared", "--out", tmp_path / "recovery"))


def handed_over(first: FirstSystem, folder: Path, recipient: Recipient) -> list[Path]:
    words = ("wallet", "first-system-shares", "shared", "--to", recipient.text, "--out", "copies", "--json")
    done = run(*words, cwd=folder, **first.aws.settings(SECRETS_PREFIX=first.prefix))
    assert done.returncode == 0, done.stderr
    view = json.loads(done.stdout)
    assert view["recipientFingerprint"] == recipient.fingerprint
    return [folder / file for file in view["files"]]


def test_two_shares_make_the_key_offline_and_it_is_imported(
    first: FirstSystem, recipient: Recipient, tmp_path: Path
) -> None:
    copies = handed_over(first, tmp_path, recipient)
    assert len(copies) == 3
    assert {copy.stat().st_mode & 0o777 for copy in copies} == {0o600}
    known = {f"share {number}": Secret(bytes.fromhex(share[3:])) for number, share in enumerate(SHARES)}
    known["seed"] = Secret(bytes.fromhex(GOLDEN["seed"]))
    assert Scanner(known).look_at_all(files_below(tmp_path / "copies")) == []
    for number, pair in enumerate(([0, 1], [0, 2], [1, 2], [0, 1, 2])):
        given = [word for place in pair for word in ("--in", str(copies[place]))]
        data = tmp_path / f"data-{number}"
        into = ["wallet", "import", "shared", "--key-type", "ed25519", "--key-file", "-", "--data", str(data)]
        recover = ["first-system", "--dir", str(tmp_path / "recovery"), *given, "--public-key", PUBLIC]
        piped([*recover], command(*into), cwd=tmp_path)
        parts = assemble(load(environment(), {"data": data}), create=False)
        try:
            signed = sign_message(parts, operator(), WalletId("shared"), b"m").wait()
        finally:
            parts.close()
        assert signed.version.public_key_text == "0x" + PUBLIC
    assert first.standing() == first.written


def test_what_does_not_fit_is_refused_and_puts_out_nothing(
    first: FirstSystem, recipient: Recipient, tmp_path: Path
) -> None:
    one, two, _ = handed_over(first, tmp_path, recipient)
    recovery = ("--dir", tmp_path / "recovery")
    ask = ("first-system", *recovery, "--public-key", PUBLIC)
    assert refused(*ask, "--in", one) == "first-system-shares-incomplete"
    assert refused(*ask, "--in", one, "--in", one) == "first-system-shares-incomplete"
    assert refused("first-system", *recovery, "--public-key", "00" * 32, "--in", one, "--in", two) == (
        "first-system-shares-mismatch"
    )
    for place in (4, 6, 40, 80, -1):
        changed = bytearray(two.read_bytes())
        changed[place] ^= 1
        (tmp_path / "changed").write_bytes(changed)
        code = refused(*ask, "--in", one, "--in", tmp_path / "changed")
        assert code in ("copy-malformed", "copy-of-another-wallet", "copy-for-another", "copy-tampered")
    other = tmp_path / "other"
    told("begin", "--wallet", "another", "--out", other)
    assert refused("first-system", "--dir", other, "--public-key", PUBLIC, "--in", one, "--in", two) == (
        "copy-for-another"
    )
    assert refused(*ask, "--in", one, "--share", two) == "not-understood"
    assert refused("first-system", "--public-key", PUBLIC, "--in", one, "--in", two) == "not-understood"


def test_records_that_hold_no_share_are_named(emulated_aws: Aws, recipient: Recipient, tmp_path: Path) -> None:
    first = FirstSystem(emulated_aws, f"{tmp_path.name}/")
    settings = emulated_aws.settings(SECRETS_PREFIX=first.prefix)
    ask = ("wallet", "first-system-shares", "shared", "--out", "copies", "--to")
    assert "[first-system-not-found]" in refusal(*ask, recipient.text, cwd=tmp_path, **settings)
    first.shares("shared", Pair("shared"), ["8" * 2000, "801"])
    assert "[first-system-share-malformed]" in refusal(*ask, recipient.text, cwd=tmp_path, **settings)
    other = recipient.text[:-1] + ("1" if recipient.text.endswith("0") else "0")
    assert "[malformed-recipient]" in refusal(*ask, other, cwd=tmp_path, **settings)
    assert not (tmp_path / "copies").exists()
