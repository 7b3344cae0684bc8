"""Kill -9 of `mpc join --replace` wherever it makes something last: the same command finishes it, and shares open.

The long form (`make faults`, HYPERKMS_TEST_KILLS) kills it at every such call, the short one at every sixth.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from hyperkms.threshold.group import Group
from hyperkms.threshold.wire import Prepare
from support.asking_cosigners import asker, known
from support.cosigners import Cosigners, Process
from support.service import command, environment

LASTING = "fsync,fdatasync,rename,renameat,renameat2,unlink,unlinkat"
"""What is certain, or another file, after it."""
MOST = 200
APART = 1 if "HYPERKMS_TEST_KILLS" in os.environ else 6


def test_a_cosigner_that_was_killed_while_it_followed_a_replacement_follows_it_by_the_same_command(
    tmp_path: Path,
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    with Cosigners.running(tmp_path, HYPERKMS_ENV="production") as cosigners:
        owner = known(cosigners, "owner", "generate")
        made = {"walletId": "w", "keyType": "ed25519"}
        held = cosigners.generate("w", "ed25519", asker=asker(owner, "/mpc/wallets/generate", made))
        group = successor_of(cosigners, tmp_path / "new")
        process = cosigners.processes[1]
        cosigners.hang_up()
        process.stop()
        before = tmp_path / "before"
        shutil.copytree(process.data, before)
        at = 1
        while is_killed(process, cosigners.file, group.fingerprint, at=at):
            at += APART
            joined = process.join(cosigners.file, group.fingerprint, "--replace")
            assert joined["group"] == group.name
            assert process.join(cosigners.file, group.fingerprint, "--replace")["changed"] is False
            process.start()
            cosigners.ask(1, Prepare(share=held.name, signers=[1, 2], count=1))
            cosigners.hang_up()
            process.stop()
            shutil.rmtree(process.data)
            shutil.copytree(before, process.data)
        assert 2 * APART < at < MOST


def successor_of(cosigners: Cosigners, data: Path) -> Group:
    """Another in the place of cosigner 3; the description that names it, in the file of the group."""
    last = cosigners.group.members[-1]
    identity = Process(data, {"HYPERKMS_ENV": "production"}).init()
    member = type(last)(
        index=last.index, name=last.name, identity=identity, address=last.address, certificate=last.certificate
    )
    members = (*cosigners.group.members[:-1], member)
    group = Group(name=cosigners.group.name, threshold=2, members=members, coordinators=cosigners.group.coordinators)
    cosigners.file.write_bytes(group.describe())
    return group


def is_killed(process: Process, file: Path, fingerprint: str, *, at: int) -> bool:
    """Run the command under strace, which kills it at that one of its calls that make something last."""
    words = (
        "mpc",
        "join",
        "--data",
        str(process.data),
        "--group",
        str(file),
        "--fingerprint",
        fingerprint,
        "--replace",
    )
    inject = ("-f", "-qq", "-o", "/dev/null", "-e", f"trace={LASTING}", "-e", f"inject={LASTING}:signal=KILL:when={at}")
    done = subprocess.run(
        ["strace", *inject, *command(*words)], env=environment(**process.settings), capture_output=True, check=False
    )
    assert done.returncode in (0, -signal.SIGKILL, 128 + signal.SIGKILL), done.stderr.decode()
    return done.returncode != 0
