"""A cosigner with a recovery recipient keeps no share, and no address is shown, before its second copy is durable."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperkms.threshold.wire import KeyTypeName, Shares
from support.commands import refusal
from support.cosigners import Cosigners, Refusal, message_intent, unique
from support.mpc import generate, service_in_shares
from support.recovering import told

SETTING = "HYPERKMS_RECOVERY_RECIPIENT"


def copies(group: Cosigners, index: int) -> list[Path]:
    return sorted((group.processes[index].data / "copies").glob("*.copy"))


def test_each_share_is_copied_for_the_recipient_before_it_counts(tmp_path: Path) -> None:
    identity, recipient = tmp_path / "recovery.identity", tmp_path / "recipient"
    recipient.write_text(told("recipient", "new", "--out", identity))
    with Cosigners.running(tmp_path, threshold=2, members=2, **{SETTING: str(recipient)}) as group:
        held = group.generate("w", "ed25519")
        for index in group.everyone:
            [copy] = copies(group, index)
            assert copy.stat().st_mode & 0o777 == 0o600
            assert held.public_key.hex() in told("check", "--in", copy, "--identity", identity)
        kept = group.refresh(held.name, held.key_type, held.network)
        assert [len(copies(group, index)) for index in group.everyone] == [2, 2]
        following = group.held(1, "w")
        group.commit(following.name, kept, group.tests(following))
        for index in group.everyone:
            [copy] = copies(group, index)
            assert copy.name.startswith("w-v1-e1-"), "that of the epoch before went with its share"
        no_folder(group.processes[2].data / "copies")
        with pytest.raises(Refusal) as refused:
            group.generate("v", "ed25519")
        assert refused.value.code == "share-copy-failed"
        assert group.ask(2, Shares(wallet="v")).shares == []


@pytest.mark.parametrize("key_type", ["ed25519", "secp256k1"])
def test_a_share_that_others_have_repaired_is_copied_as_one_that_was_made(
    copied: Cosigners, identity: Path, key_type: KeyTypeName
) -> None:
    wallet = unique()
    held = copied.generate(wallet, key_type, "none" if key_type == "ed25519" else "testnet")
    [made] = copies_of(copied, 3, wallet)
    copied.lose(3, held.name)
    made.unlink()
    copied.repair(held, target=3, helpers=[1, 2])
    [copy] = copies_of(copied, 3, wallet)
    assert copy.stat().st_mode & 0o777 == 0o600
    assert held.public_key.hex() in told("check", "--in", copy, "--identity", identity)


def test_a_share_is_not_repaired_where_its_copy_cannot_be_made(copied: Cosigners) -> None:
    wallet = unique()
    held = copied.generate(wallet, "ed25519")
    copied.lose(3, held.name)
    folder = copied.processes[3].data / "copies"
    no_folder(folder)
    with pytest.raises(Refusal) as refused:
        copied.repair(held, target=3, helpers=[1, 2])
    assert refused.value.code == "share-copy-failed"
    assert copied.ask(3, Shares(wallet=wallet)).shares == []
    folder.unlink()
    folder.with_name("elsewhere").rename(folder)
    copied.repair(held, target=3, helpers=[1, 2])
    copied.sign(held, message_intent(b"m"), signers=[2, 3])


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The offline half of the recipient, which lies beside it."""
    made = tmp_path_factory.mktemp("offline") / "recovery.identity"
    made.with_name("recipient").write_text(told("recipient", "new", "--out", made))
    return made


@pytest.fixture(scope="module")
def copied(identity: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cosigners]:
    """Two of three, each with that recipient."""
    recipient = str(identity.with_name("recipient"))
    with Cosigners.running(tmp_path_factory.mktemp("copied"), threshold=2, members=3, **{SETTING: recipient}) as group:
        yield group


def copies_of(group: Cosigners, index: int, wallet: str) -> list[Path]:
    return [path for path in copies(group, index) if path.name.startswith(f"{wallet}-")]


@pytest.mark.parametrize("given", ["as a whole path", "from where the service is started"])
def test_cosigners_that_a_service_starts_itself_copy_for_its_recipient(
    tmp_path: Path, identity: Path, given: str
) -> None:
    recipient = tmp_path / "recipient"
    recipient.write_text(identity.with_name("recipient").read_text())
    setting = str(recipient) if given == "as a whole path" else recipient.name
    with service_in_shares(tmp_path, **{SETTING: setting}) as service:
        made = generate(service, "copied")
        for index in (1, 2, 3):
            [copy] = (service.data / "cosigners" / str(index) / "copies").glob("copied-v1-e0-*.copy")
            said = told("check", "--in", copy, "--identity", identity)
            assert made["publicKey"].removeprefix("0x") in said


def no_folder(folder: Path) -> None:
    """A folder that takes nothing, whoever runs this."""
    folder.rename(folder.with_name("elsewhere"))
    folder.write_bytes(b"")


def test_a_cosigner_without_a_recipient_where_one_is_named_does_not_start(tmp_path: Path) -> None:
    wrong = tmp_path / "recipient"
    with Cosigners.running(tmp_path, threshold=2, members=2) as group:
        process = group.processes[1]
        process.stop()
        words = ("cosigner", "serve", "--data", str(process.data), "--group", str(group.file))
        settings = {**process.settings, SETTING: str(wrong)}
        assert "[recipient-not-found]" in refusal(*words, cwd=tmp_path, **settings)
        wrong.write_text("age1qqqq")
        assert "[malformed-recipient]" in refusal(*words, cwd=tmp_path, **settings)
