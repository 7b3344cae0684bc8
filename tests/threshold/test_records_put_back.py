"""A cosigner whose directory was put back to an older state has forgotten what it signed: the others tell it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hyperkms.threshold.coordinator.coordinator import Coordinator
from hyperkms.threshold.wire import Heads, HeadsKnown, RecordHead, ShareName, SignShare
from support.asking_cosigners import command
from support.commands import refusal
from support.cosigners import BEARER, Cosigners, Refusal, message_intent
from support.until import until

CARRIED_S = 100
"""Heads are carried every ten seconds, by a coordinator that first has to find the cosigner again."""


@pytest.fixture(scope="module")
def group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cosigners]:
    """2 of 2: each word is the other's."""
    with Cosigners.running(tmp_path_factory.mktemp("put-back"), threshold=2, members=2) as running:
        yield running


@pytest.fixture
def another_group(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cosigners]:
    """One in which nobody was fenced."""
    with Cosigners.running(tmp_path_factory.mktemp("gone"), threshold=2, members=2) as running:
        yield running


def carried(group: Cosigners, heads: list[RecordHead]) -> list[RecordHead]:
    """What a coordinator has after it went from one to the other with what it knows."""
    for index in group.everyone:
        answer: HeadsKnown = group.ask(index, Heads(heads=heads))
        heads = [*heads, *answer.seen, *([] if answer.own is None else [answer.own])]
    return heads


def put_back(group: Cosigners, index: int, copy: Path) -> None:
    process = group.processes[index]
    group.hang_up(index)
    process.stop()
    for name in ("records", "hyperkms.db"):
        there, kept = process.data / name, copy / name
        if there.is_dir():
            shutil.rmtree(there)
            shutil.copytree(kept, there)
        else:
            shutil.copy2(kept, there)
    process.start()


def code_of(group: Cosigners, held: Any, message: bytes) -> str:
    with pytest.raises(Refusal) as refused:
        group.sign(held, message_intent(message))
    return refused.value.code


def test_it_signs_nothing_until_its_operator_has_fenced_it(group: Cosigners, tmp_path: Path) -> None:
    held = group.generate("w", "ed25519")
    process = group.processes[1]
    group.hang_up(1)
    process.stop()
    shutil.copytree(process.data, tmp_path / "copy", ignore=shutil.ignore_patterns("*.lock", "*.sock"))
    process.start()
    group.sign(held, message_intent(b"after the copy"))
    heads = carried(group, carried(group, []))
    group.sign(held, message_intent(b"nothing is missing"))

    put_back(group, 1, tmp_path / "copy")
    forged = [msgspec.structs.replace(head, size=head.size + 1000) for head in heads]
    group.ask(1, Heads(heads=forged))
    group.sign(held, message_intent(b"nobody said that it was longer"))
    told: HeadsKnown = group.ask(2, Heads(heads=[]))
    assert {head.member for head in told.seen} == {1}, "the other one remembers"
    group.ask(1, Heads(heads=told.seen))
    assert code_of(group, held, b"m") == "record-behind"
    group.restart(1)
    assert code_of(group, held, b"m") == "record-behind"

    said = refusal("mpc", "fence", "--data", str(process.data), cwd=tmp_path, **process.settings)
    assert "[cosigner-running]" in said
    group.hang_up(1)
    process.stop()
    fenced = command(group, 1, "mpc", "fence")
    assert fenced["noncesAbove"] - fenced["fencedAt"] == 24 * 3600 * 1000
    process.start()
    group.ask(1, Heads(heads=told.seen))
    assert code_of(group, held, b"m") == "record-fenced"
    [line] = [one for one in command(group, 1, "audit", "show")["records"] if one["record"].get("groupId")]
    assert line["record"]["operation"] == "fence-record"


@pytest.mark.timeout(300)
def test_a_segment_that_is_gone_is_noticed_once_the_coordinator_carries_what_the_others_keep(
    another_group: Cosigners, tmp_path: Path
) -> None:
    group = another_group
    group.generate("w", "ed25519")  # a record with lines
    process = group.processes[2]
    coordinator = Coordinator(group.group, folder=tmp_path, coordinators=1, deployment="separate")
    coordinator.start()
    try:
        until(
            lambda: any(head.member == 2 and head.size for head in group.ask(1, Heads(heads=[])).seen),
            within_s=CARRIED_S,
        )
        group.hang_up(2)
        process.stop()
        for path in (process.data / "records").glob("*"):
            if path.is_file() and group_log(group) in path.name:
                path.unlink()
        process.start()
        until(lambda: "record-behind" in [line.get("event") for line in process.lines], within_s=CARRIED_S)
    finally:
        coordinator.stop()
    name = ShareName(wallet="w", version=1, epoch=0)
    ask = SignShare(share=name, signers=[1, 2], commitments=[], intent=message_intent(b"m"), asker=BEARER)
    with pytest.raises(Refusal) as refused:
        group.ask(2, ask)
    assert refused.value.code == "record-behind"


def group_log(group: Cosigners) -> str:
    """The newest log of the second one's record that the first keeps."""
    told: HeadsKnown = group.ask(1, Heads(heads=[]))
    return max((head for head in told.seen if head.member == 2), key=lambda head: head.time).log


def test_a_record_that_a_loss_of_power_could_cut_is_none_for_a_cosigner(group: Cosigners) -> None:
    process = group.processes[1]
    words = ("cosigner", "serve", "--data", str(process.data), "--group", str(group.file))
    settings = {**process.settings, "HYPERKMS_AUDIT_DURABILITY": "os"}
    group.hang_up(1)
    process.stop()
    try:
        assert "HYPERKMS_AUDIT_DURABILITY=os" in refusal(*words, cwd=process.data.parent, **settings)
    finally:
        process.start()
