"""A cosigner with a recovery recipient keeps no share, and no address is shown, before its second copy is durable."""

from pathlib import Path

import pytest

from hyperkms.threshold.wire import Shares
from support.commands import refusal
from support.cosigners import Cosigners, Refusal
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
