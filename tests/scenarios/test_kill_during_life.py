"""Whatever is killed while a wallet rotates or retires: one current version, no gap, and what is listed signs."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_account import Account
from eth_account.messages import encode_defunct

from hyperkms import _core
from hyperkms.operations.activate import activate
from hyperkms.operations.retire import RetireRequest, retire
from hyperkms.operations.rotate import RotateRequest, rotate
from hyperkms.operations.sweep import sweep
from hyperkms.wallet import KeyType, KeyVersion, VersionState, WalletId
from hyperkms.wallet_life import KeyFate, WalletHistory
from support.custody import settings_for
from support.forked import Forked
from support.in_process import ACTOR, Here, here, resolve
from support.killed_in_life import (
    AFTER_CHANGE,
    AFTER_DELETE,
    AFTER_NOTE,
    BEFORE_DELETE,
    BEFORE_KEY,
    CHANGING,
    DESTROYING,
    MAKING,
)
from support.service import environment

TIMES = int(os.environ.get("HYPERKMS_TEST_KILLS", "2"))
"""Kills at each point; more of them outside CI."""
ROTATIONS = int(os.environ.get("HYPERKMS_TEST_ROTATIONS", "100"))
PROCESSES = 8
SUPPORT = Path(__file__).resolve().parents[1] / "support"
KILLED = Forked("killed_in_life")
KEY_TYPES = tuple(KeyType)
MESSAGE = b"hello"
HAPPENED = {AFTER_CHANGE, BEFORE_DELETE, AFTER_DELETE, AFTER_NOTE}
"""Points after the commit."""
NO_GRACE = {"HYPERKMS_GRACE_DAYS": "0"}


@pytest.fixture(scope="module", autouse=True)
def _killed() -> Iterator[None]:
    with KILLED.waiting():
        yield


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Here]:
    """A data directory that other processes work on and are killed."""
    with here(tmp_path_factory.mktemp("life") / "data") as opened:
        yield opened


def kill_halfway(data: Path, point: str, operation: str, wallet: str, **settings: str) -> None:
    """The operation in a process that dies at the point, as by `kill -9`."""
    died = KILLED.run(str(data), point, operation, wallet, **settings)
    assert died.returncode == -signal.SIGKILL, died.stderr


def assert_stands(at: Here, wallet: str) -> WalletHistory:
    """No gap, at most one current version, and whatever may sign does, says another implementation."""
    history = at.parts.wallets.history(WalletId(wallet))
    assert [version.number for version in history.versions] == list(range(1, len(history.versions) + 1))
    states = [version.state for version in history.versions]
    assert states.count(VersionState.ACTIVE) == (1 if history.wallet.retired_at is None else 0)
    assert history.wallet.current.state is VersionState.ACTIVE or history.wallet.retired_at is not None
    for version in history.versions:
        if version.state is not VersionState.RETIRED:
            assert_opens(at, history, version)
        if history.wallet.retired_at is None and version.state in (VersionState.ACTIVE, VersionState.RETIRING):
            assert resolve(at.parts, history.wallet.id, version.number).version == version
    return history


def assert_opens(at: Here, history: WalletHistory, version: KeyVersion) -> None:
    handle = at.parts.keyring.handle(history.wallet, version)
    if history.wallet.key_type is KeyType.ED25519:
        signature, _ = _core.sign_ed25519_message(handle, MESSAGE)
        Ed25519PublicKey.from_public_bytes(version.public_key).verify(bytes.fromhex(signature[2:]), MESSAGE)
        return
    signature, _ = _core.sign_eip191(handle, MESSAGE)
    assert Account.recover_message(encode_defunct(MESSAGE), signature=signature).lower() == version.address


@dataclass(frozen=True)
class Case:
    """A wallet of its own for each kill."""

    wallet: str
    point: str

    @property
    def happened(self) -> bool:
        return self.point in HAPPENED


def case_of(*names: str) -> Case:
    return Case("-".join(name.replace(" ", "-") for name in names), names[-2])


# ---- each point ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("attempt", range(TIMES))
@pytest.mark.parametrize("point", MAKING)
@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_rotation_that_was_killed_happened_or_did_not(at: Here, key_type: KeyType, point: str, attempt: int) -> None:
    case = case_of("ro", key_type.value, point, str(attempt))
    at.wallet(case.wallet, key_type)
    kill_halfway(at.data, point, "rotate-at-once", case.wallet)
    before = assert_stands(at, case.wallet)
    assert len(before.versions) == (2 if case.happened else 1)
    assert at.sealed(case.wallet) == ([1] if point == BEFORE_KEY else [1, 2])
    rotated = rotate(at.parts, ACTOR, RotateRequest(wallet=WalletId(case.wallet), activate=True))
    assert rotated.new.number == len(before.versions) + 1
    assert at.sealed(case.wallet) == list(range(1, rotated.new.number + 1))
    assert_stands(at, case.wallet)


@pytest.mark.parametrize("attempt", range(TIMES))
@pytest.mark.parametrize("point", MAKING)
def test_a_pending_version_whose_making_was_killed_is_there_or_is_made_by_the_next_call(
    at: Here, point: str, attempt: int
) -> None:
    case = case_of("pe", point, str(attempt))
    at.wallet(case.wallet, KeyType.SECP256K1)
    kill_halfway(at.data, point, "rotate", case.wallet)
    assert_stands(at, case.wallet)
    rotated = rotate(at.parts, ACTOR, RotateRequest(wallet=WalletId(case.wallet)))
    assert (rotated.new.number, rotated.new.state) == (2, VersionState.PENDING)
    assert at.sealed(case.wallet) == [1, 2]
    assert_stands(at, case.wallet)


@pytest.mark.parametrize("attempt", range(TIMES))
@pytest.mark.parametrize("point", CHANGING)
def test_an_activation_that_was_killed_happened_or_is_done_by_the_next_call(at: Here, point: str, attempt: int) -> None:
    case = case_of("ac", point, str(attempt))
    at.wallet(case.wallet, KeyType.SECP256K1)
    rotate(at.parts, ACTOR, RotateRequest(wallet=WalletId(case.wallet)))
    kill_halfway(at.data, point, "activate", case.wallet)
    assert assert_stands(at, case.wallet).wallet.current.number == (2 if case.happened else 1)
    assert activate(at.parts, ACTOR, WalletId(case.wallet), 2).new.state is VersionState.ACTIVE
    assert len(assert_stands(at, case.wallet).rotations) == 1


@pytest.mark.parametrize("attempt", range(TIMES))
@pytest.mark.parametrize("point", DESTROYING)
def test_a_retirement_that_was_killed_happened_or_is_done_by_the_next_call(at: Here, point: str, attempt: int) -> None:
    case = case_of("re", point, str(attempt))
    at.wallet(case.wallet)
    kill_halfway(at.data, point, "destroy", case.wallet)
    assert (assert_stands(at, case.wallet).wallet.retired_at is not None) == case.happened
    request = RetireRequest(wallet=WalletId(case.wallet), fate=KeyFate.AT_ONCE)
    history = retire(at.parts, ACTOR, request).history
    assert [version.state for version in history.versions] == [VersionState.RETIRED]
    assert history.versions[0].destroyed_at is not None
    assert at.sealed(case.wallet) == []


@pytest.mark.parametrize("attempt", range(TIMES))
@pytest.mark.parametrize("point", DESTROYING)
def test_a_sweep_that_was_killed_is_finished_by_the_next(tmp_path: Path, point: str, attempt: int) -> None:
    case = case_of("sw", point, str(attempt))
    with here(tmp_path / "data", **NO_GRACE) as at:
        at.wallet(case.wallet)
        rotate(at.parts, ACTOR, RotateRequest(wallet=WalletId(case.wallet)))
        kill_halfway(at.data, point, "sweep", case.wallet, **NO_GRACE)
        list(sweep(at.parts, ACTOR))
        history = assert_stands(at, case.wallet)
        assert [version.state for version in history.versions] == [VersionState.RETIRED, VersionState.ACTIVE]
        assert at.sealed(case.wallet) == [2]


# ---- many processes ------------------------------------------------------------------------------------


@pytest.mark.timeout(120 + 2 * ROTATIONS)
@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_processes_that_rotate_one_wallet_make_no_gap_and_lose_no_key(tmp_path: Path, key_type: KeyType) -> None:
    with here(tmp_path / "data") as at:
        at.wallet("w", key_type)
        each = -(-ROTATIONS // PROCESSES)
        words = [sys.executable, str(SUPPORT / "rotating.py"), str(at.data), "w", str(each)]
        settings = environment(**settings_for(at.data))
        processes = [subprocess.Popen(words, env=settings, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
        told = [process.communicate()[0].splitlines() for process in processes]
        assert [process.returncode for process in processes] == [0] * PROCESSES
        history = assert_stands(at, "w")
        made = {(version.number, version.public_key_text) for version in history.versions[1:]}
        answers = [line.split() for lines in told for line in lines]
        assert {(int(number), key) for number, key in answers} == made
        assert at.sealed("w") == [version.number for version in history.versions]
        assert len(history.rotations) == len(history.versions) - 1
