"""A cosigner as an operator meets it: its directory, its record, and what is refused at its start."""

import json
import os
from pathlib import Path

import pytest

from hyperkms.threshold.group import Group
from support import databases
from support.asking_cosigners import command
from support.commands import refusal, run
from support.cosigners import Cosigners, Process, message_intent, unique
from support.service import START_S, Service


def test_the_identity_is_made_once_and_is_this_users_alone(tmp_path: Path) -> None:
    process = Process(tmp_path / "c", {})
    assert process.init() == process.init()
    names = {path.name for path in process.data.iterdir()}
    assert {"identity", "root.key", "hyperkms.db"} <= names
    assert "admin.key" not in names
    assert (process.data / "identity").stat().st_mode & 0o777 == 0o600


def test_a_directory_is_of_one_kind_for_ever(tmp_path: Path) -> None:
    process = Process(tmp_path / "c", {})
    process.init()
    for words in (("serve", "--port", "0"), ("wallet", "generate", "w"), ("wallet", "list")):
        assert "wrong-kind" in refusal(*words, "--data", str(process.data), cwd=tmp_path)
    with Service.start(tmp_path / "s"):
        pass
    why = "wrong-kind" if databases.kind() == databases.SQLITE else "wrong-database"  # of which a cosigner has none
    for group_of in (("cosigner", "init"), ("cosigner", "serve"), ("cosigner", "shares")):
        assert why in refusal(*group_of, "--data", str(tmp_path / "s"), cwd=tmp_path)


def test_a_cosigner_serves_its_own_group_and_no_other(cosigners: Cosigners, tmp_path: Path) -> None:
    process = Process(tmp_path / "c", {})
    process.init()
    serve = ("cosigner", "serve", "--data", str(process.data))
    assert "group-not-found" in refusal(*serve, cwd=tmp_path)
    assert "not-a-member" in refusal(*serve, "--group", str(cosigners.file), cwd=tmp_path)
    other = tmp_path / "other.json"
    group = cosigners.group
    other.write_bytes(
        Group(name="other", threshold=2, members=group.members, coordinators=group.coordinators).describe()
    )
    told = refusal(*serve, "--group", str(other), cwd=tmp_path)
    assert "wrong-group" in told


def test_one_process_serves_a_directory(cosigners: Cosigners, tmp_path: Path) -> None:
    words = ("cosigner", "serve", "--data", str(cosigners.processes[1].data), "--uds", str(tmp_path / "s.sock"))
    assert "cosigner-running" in refusal(*words, cwd=tmp_path)


def test_the_socket_is_this_users_alone_and_goes_with_the_process(cosigners: Cosigners) -> None:
    process = cosigners.processes[3]
    assert process.socket.stat().st_mode & 0o777 == 0o600
    cosigners.hang_up(3)
    assert process.stop() == 0
    assert not process.socket.exists()
    process.start()


def test_a_child_ends_with_its_parent(cosigners: Cosigners) -> None:
    process = cosigners.processes[2]
    cosigners.hang_up(2)
    process.stop()
    ours, theirs = os.pipe()
    try:
        process.start("--parent-channel", str(ours), passed=[ours])
    finally:
        os.close(ours)
    child = process.process
    assert child is not None
    os.close(theirs)
    assert child.wait(START_S) == 0
    process.stop()
    process.start()


def test_the_record_of_a_cosigner_is_verified_and_explains_its_lines(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    cosigners.sign(held, message_intent(b"hello"))
    head = {"size": 7, "root": "0" * 64, "time": 1, "keyId": "k", "signature": "0x"}
    cosigners.witness(1, "ab" * 16, json.dumps(head))
    report = command(cosigners, 1, "audit", "verify")
    assert (report["ok"], report["findings"]) == (True, [])
    data = cosigners.processes[1].data
    done = run("audit", "tail", "-n", "3", "--data", str(data), cwd=data.parent)
    words = done.stdout.decode()
    assert f"{held.name.wallet} v1 epoch 0: share given, sign-message a message of 5 bytes" in words
    assert "(evidence: bearer; signers 1, 2)" in words
    assert "the coordinator's log abababab has 7 lines by its head" in words
    history = command(cosigners, 1, "audit", "show", "--wallet", held.name.wallet)["records"]
    assert [one["record"]["operation"] for one in history] == [
        "keep-share",
        "test",
        "test",
        "commit-share",
        "sign-message",
    ]


def test_shares_are_listed(cosigners: Cosigners) -> None:
    held = cosigners.generate(unique(), "ed25519")
    shares = {one["walletId"]: one for one in command(cosigners, 2, "cosigner", "shares")}
    assert shares[held.name.wallet]["state"] == "in-force"
    assert shares[held.name.wallet]["publicKey"] == "0x" + held.public_key.hex()


@pytest.mark.parametrize("address", ["7443", "host:", "host:99999", ":1"])
def test_an_address_that_is_none_is_refused(tmp_path: Path, address: str) -> None:
    words = ("cosigner", "serve", "--data", str(tmp_path / "c"), "--listen", address)
    assert "--listen" in refusal(*words, cwd=tmp_path)
