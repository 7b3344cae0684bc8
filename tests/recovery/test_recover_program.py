"""Break-glass recovery, as its people do it: one who puts the key together, and one at each cosigner."""

import json
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
from coincurve import PublicKey
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils.crypto import keccak

from hyperkms.errors import Malformed
from support.commands import run
from support.recovering import Recipient, piped, program, read_recipient, recover, refused, told
from support.service import command
from support.shared_keys import Members, SharedKey

MESSAGE = b"the funds go to a new key\n"


@dataclass(frozen=True)
class Desk:
    """A group of two of three, a wallet of theirs, and a folder for what the people send each other."""

    folder: Path
    members: Members
    key: SharedKey

    def share_file(self, key: SharedKey, index: int) -> Path:
        path = self.folder / f"sealed-{index}"
        path.write_bytes(key.sealed[index])
        return path

    def hand_over(self, index: int, recipient: Recipient, name: str, key: SharedKey | None = None) -> Path:
        """What the person at cosigner `index` runs, and the file that it sends."""
        out = self.folder / name
        words = self.hand_over_words(index, recipient.text, out, key)
        printed = told(*words)
        assert recipient.fingerprint in printed
        assert f"share: {index} of 3, any 2 make the key" in printed
        assert f"public key: 0x{(key or self.key).public_key.hex()}" in printed
        return out

    def hand_over_words(self, index: int, recipient: str, out: Path, key: SharedKey | None = None) -> list[str | Path]:
        root = self.members.by_index[index].root_file
        share = self.share_file(key or self.key, index)
        return ["hand-over", "--share", share, "--root-key", root, "--to", recipient, "--out", out]

    def message(self) -> Path:
        path = self.folder / "message"
        path.write_bytes(MESSAGE)
        return path

    def combine(self, where: list[str | Path], copies: list[Path], *more: str | Path) -> list[str | Path]:
        given = [word for copy in copies for word in ("--in", copy)]
        return ["combine", *where, *given, "--sign-file", self.message(), *more]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Members, SharedKey]:
    members = Members.make(tmp_path_factory.mktemp("roots"), threshold=2, count=3)
    return members, members.generate("desk")


@pytest.fixture
def desk(made: tuple[Members, SharedKey], tmp_path: Path) -> Desk:
    return Desk(tmp_path, *made)


def begin(desk: Desk, wallet: str = "desk", name: str = "recovery") -> tuple[Path, Recipient]:
    folder = desk.folder / name
    return folder, read_recipient(told("begin", "--wallet", wallet, "--out", folder))


def require_signed(signature: str, key: SharedKey) -> None:
    Ed25519PublicKey.from_public_bytes(key.public_key).verify(bytes.fromhex(signature.strip()[2:]), MESSAGE)


def test_any_two_cosigners_hand_over_and_the_key_is_whole_on_the_offline_machine(desk: Desk) -> None:
    folder, recipient = begin(desk)
    assert (folder.stat().st_mode & 0o777, (folder / "recovery.identity").stat().st_mode & 0o777) == (0o700, 0o600)
    copies = {index: desk.hand_over(index, recipient, f"copy-{index}") for index in (1, 2, 3)}
    for chosen in ([1, 2], [3, 1], [2, 3], [1, 2, 3]):
        public = "0x" + desk.key.public_key.hex()
        words = desk.combine(["--dir", folder], [copies[index] for index in chosen], "--public-key", public)
        done = recover(*words)
        said = done.stderr.decode()
        assert done.returncode == 0, said
        require_signed(done.stdout.decode(), desk.key)
        assert "COUNTS AS EXPOSED" in said
        assert "wallet: desk" in said
        with pytest.raises(InvalidSignature):
            require_signed("0x" + "00" * 64, desk.key)


def test_an_ed25519_key_that_was_made_in_shares_is_not_put_out(desk: Desk) -> None:
    folder, recipient = begin(desk)
    copies = [desk.hand_over(index, recipient, f"copy-{index}") for index in (1, 2)]
    words = [word for word in desk.combine(["--dir", folder], copies) if word not in ("--sign-file", desk.message())]
    assert refused(*words) == "ed25519-key-has-no-seed"


def test_a_secp256k1_key_goes_through_a_pipe_into_a_wallet_with_the_address_of_the_group(desk: Desk) -> None:
    key = desk.members.generate("master", "secp256k1")
    folder, recipient = begin(desk, wallet="master")
    copies = [desk.hand_over(index, recipient, f"copy-{index}", key) for index in (3, 1)]
    words: list[str | Path] = ["combine", "--dir", folder, "--in", copies[0], "--in", copies[1]]
    assert refused(*words, "--sign-file", desk.message()) == "wrong-key-type"
    with (desk.folder / "out").open("wb") as file:
        assert refused(*words, stdout=file.fileno()) == "output-not-a-pipe"
    imports = command("wallet", "import", "rescued", "--key-type", "secp256k1", "--key-file", "-", "--data", "data")
    piped(words, imports, cwd=desk.folder)
    shown = json.loads(run("wallet", "show", "rescued", "--data", "data", "--json", cwd=desk.folder).stdout)
    assert shown["publicKey"] == "0x" + key.public_key.hex()
    signed = run("wallet", "sign", "rescued", "--message", "moved", "--data", "data", "--json", cwd=desk.folder)
    signature = json.loads(signed.stdout)["signature"]
    address = Account.recover_message(encode_defunct(text="moved"), signature=signature)
    assert address.lower() == shown["address"]
    public = PublicKey(key.public_key).format(compressed=False)
    assert shown["address"] == "0x" + keccak(public[1:])[-20:].hex()


def test_copies_of_secp256k1_shares_are_drilled(desk: Desk) -> None:
    key = desk.members.generate("drilled", "secp256k1")
    identity, copy = desk.folder / "offline.identity", desk.folder / "born-2"
    recipient = read_recipient(told("recipient", "new", "--out", identity))
    copy.write_bytes(desk.members.open(key, 2).copy_for(recipient.text))
    printed = told("check", "--in", copy, "--identity", identity)
    address = "0x" + keccak(PublicKey(key.public_key).format(compressed=False)[1:])[-20:].hex()
    assert printed.splitlines()[3:] == [
        "key type: secp256k1",
        "network: testnet",
        f"public key: 0x{key.public_key.hex()}",
        f"address: {address}",
        "share: 2 of 3, any 2 make the key",
    ]
    whole = copy.read_bytes()
    for place in (0, 51, 300, len(whole) // 2, len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1
        copy.write_bytes(changed)
        assert refused("check", "--in", copy, "--identity", identity)


def test_copies_that_were_made_at_birth_are_drilled_and_make_the_key(desk: Desk) -> None:
    identity = desk.folder / "offline.identity"
    recipient = read_recipient(told("recipient", "new", "--out", identity))
    assert identity.stat().st_mode & 0o777 == 0o600
    assert refused("recipient", "new", "--out", identity) == "file-exists"
    copies = []
    for index in (1, 2, 3):
        copies.append(desk.folder / f"born-{index}")
        copies[-1].write_bytes(desk.members.open(desk.key, index).copy_for(recipient.text))
        printed = told("check", "--in", copies[-1], "--identity", identity)
        assert printed.splitlines() == [
            "wallet: desk",
            "version: 1",
            "epoch: 0",
            "key type: ed25519",
            "network: none",
            f"public key: 0x{desk.key.public_key.hex()}",
            f"share: {index} of 3, any 2 make the key",
        ]
    # One that was made at birth and one that is handed over now go together.
    copies[1] = desk.hand_over(2, recipient, "now-2")
    done = recover(*desk.combine(["--identity", identity], copies[:2]))
    assert done.returncode == 0, done.stderr.decode()
    require_signed(done.stdout.decode(), desk.key)


def test_a_copy_for_a_misread_recipient_is_not_made(desk: Desk) -> None:
    _, recipient = begin(desk)
    last = recipient.text[-1]
    misread = recipient.text[:-1] + ("0" if last != "0" else "1")
    out = desk.folder / "copy"
    assert refused(*desk.hand_over_words(1, misread, out)) == "malformed-recipient"
    assert not out.exists()
    with pytest.raises(Malformed) as caught:
        desk.members.open(desk.key, 1).copy_for(misread)
    assert caught.value.code == "malformed-recipient"


def test_a_share_is_handed_over_by_its_own_cosigner_alone_and_overwrites_nothing(desk: Desk) -> None:
    _, recipient = begin(desk)
    words = desk.hand_over_words(1, recipient.text, desk.folder / "copy")
    other = [
        desk.members.by_index[2].root_file if word == desk.members.by_index[1].root_file else word for word in words
    ]
    assert refused(*other) == "share-tampered"
    sealed = desk.folder / "sealed-1"
    for place in (0, 60, 120, 300, len(desk.key.sealed[1]) - 1):
        changed = bytearray(desk.key.sealed[1])
        changed[place] ^= 1
        sealed.write_bytes(changed)
        assert refused(*words)
        sealed.write_bytes(desk.key.sealed[1][:place])
        assert refused(*words)
    assert not (desk.folder / "copy").exists()
    sealed.write_bytes(desk.key.sealed[1])
    told(*words)
    assert refused(*words) == "file-exists"


def test_too_few_copies_the_same_twice_or_a_changed_one_give_nothing(desk: Desk) -> None:
    folder, recipient = begin(desk)
    one, two = (desk.hand_over(index, recipient, f"copy-{index}") for index in (1, 2))
    where: list[str | Path] = ["--dir", folder]
    assert refused(*desk.combine(where, [])) == "not-understood"
    assert refused(*desk.combine(where, [one])) == "copies-too-few"
    assert refused(*desk.combine(where, [one, one])) == "copies-alike"
    assert refused(*desk.combine(where, [one, two], "--public-key", "00" * 32)) == "copies-of-another-key"
    whole = two.read_bytes()
    for place in range(0, len(whole), 23):
        changed = bytearray(whole)
        changed[place] ^= 0x10
        two.write_bytes(changed)
        assert refused(*desk.combine(where, [one, two]))
        two.write_bytes(whole[:place])
        assert refused(*desk.combine(where, [one, two]))


def test_copies_of_two_wallets_or_two_epochs_are_not_mixed(desk: Desk) -> None:
    folder, recipient = begin(desk)
    other, refreshed = desk.members.generate("other"), desk.members.refresh(desk.key)
    one = desk.hand_over(1, recipient, "one")
    where: list[str | Path] = ["--dir", folder]
    of_other = desk.hand_over(2, recipient, "of-other", other)
    assert refused(*desk.combine(where, [one, of_other])) == "copy-of-another-wallet"
    of_next = desk.hand_over(2, recipient, "of-next", refreshed)
    assert refused(*desk.combine(where, [one, of_next])) == "copies-differ"
    assert refreshed.public_key == desk.key.public_key
    done = recover(*desk.combine(where, [of_next, desk.hand_over(3, recipient, "next-3", refreshed)]))
    require_signed(done.stdout.decode(), desk.key)

    identity = desk.folder / "identity"
    for_all = read_recipient(told("recipient", "new", "--out", identity))
    mixed = [desk.hand_over(1, for_all, "all-1"), desk.hand_over(2, for_all, "all-2", other)]
    assert refused(*desk.combine(["--identity", identity], mixed)) == "copies-differ"


def test_the_copies_of_one_recovery_open_in_no_other(desk: Desk) -> None:
    folder, recipient = begin(desk)
    elsewhere, _ = begin(desk, name="elsewhere")
    copies = [desk.hand_over(index, recipient, f"copy-{index}") for index in (1, 2)]
    assert refused(*desk.combine(["--dir", elsewhere], copies)) == "copy-for-another"
    assert refused("check", "--in", copies[0], "--identity", elsewhere / "recovery.identity") == "copy-for-another"
    told("check", "--in", copies[0], "--identity", folder / "recovery.identity")
    assert refused("begin", "--wallet", "desk", "--out", folder) == "file-exists"
    (folder / "recovery.identity").chmod(0o640)
    assert refused(*desk.combine(["--dir", folder], copies)) == "key-file-permissions"


def test_nothing_that_a_service_or_a_cosigner_loads_puts_keys_together() -> None:
    told_by_it = (b"first-system-shares-mismatch", b"hyperkms-recovery-identity-v1", b"recovered-key-mismatch")
    libraries = (import_module(name) for name in ("hyperkms._core", "hyperkms_cosign.hyperkms_cosign"))
    loaded = [Path(str(library.__file__)).read_bytes() for library in libraries]
    for words in told_by_it:
        assert words in Path(program()).read_bytes()
        assert not any(words in library for library in loaded)


def test_what_is_not_understood_is_said_with_status_2_and_not_repeated() -> None:
    for words in ([], ["undo"], ["recipient", "old"], ["combine", "5ec2e7"], ["check", "--in"], ["begin", "--to=x"]):
        done = recover(*words)
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"[not-understood]" in done.stderr
        assert b"5ec2e7" not in done.stderr
    assert "combine --dir DIR" in told("--help")
    assert told("--version").startswith("hyperkms-recover ")
