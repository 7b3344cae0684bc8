"""Everything of a cosigner under another root key: it is the same cosigner, and the key that was left opens nothing."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import hyperkms_cosign as cosign
import pytest

from hyperkms import _core
from support.aws import Aws
from support.aws_accounts import Account, accounts
from support.commands import run
from support.cosigners import Cosigners, Process, message_intent


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Cosigners]:
    """2 of 3 with root keys in files."""
    with Cosigners.running(tmp_path) as running:
        yield running


@pytest.fixture
def account(emulated_aws: Aws) -> Iterator[Account]:
    """Of the cosigner that moves there."""
    with accounts(emulated_aws, 1) as [made]:
        yield made


def stop(cosigners: Cosigners, index: int) -> Process:
    cosigners.hang_up(index)
    process = cosigners.processes[index]
    process.stop()
    return process


def reseal(process: Process, root_key: str, **settings: str) -> Any:
    words = ("cosigner", "reseal", "--data", str(process.data), "--root-key", root_key, "--json")
    done = run(*words, cwd=process.data.parent, **settings)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def refused(*words: str, cwd: Path, **settings: str) -> str:
    """The code of a command that must be refused; a progress bar may stand before it."""
    done = run(*words, cwd=cwd, **settings)
    assert done.returncode == 1, done.stderr.decode()
    return done.stderr.decode().rstrip().rpartition("[")[2].rstrip("]")


def root_keys(data: Path) -> set[str]:
    """The ids of those under which anything of a directory is."""
    with closing(sqlite3.connect(data / "hyperkms.db")) as database:
        shares = [row[0] for row in database.execute("SELECT sealed FROM shares WHERE sealed IS NOT NULL")]
        keys = [row[0] for row in database.execute("SELECT sealed FROM log_keys")]
    keys.append((data / "identity").read_bytes())
    found = {_core.inspect_sealed_key(one).root_key_id for one in keys}
    return found | {str(cosign.inspect_share(one)["root_key_id"]) for one in shares}


def test_a_cosigner_moves_from_a_file_to_kms_and_back(group: Cosigners, account: Account) -> None:
    held = group.generate("bytes", "ed25519")
    group.generate("text", "secp256k1", "testnet")
    process = stop(group, 1)
    account.cosigner = group.group.by_index[1].identity.hex()
    moved = {**account.settings(), "HYPERKMS_ROOT_KEY": "file:"}
    assert reseal(process, f"aws-kms:{account.arn}", **moved)["shares"] == 2
    assert root_keys(process.data) == {f"aws-kms:{account.arn}"}
    assert reseal(process, f"aws-kms:{account.arn}", **moved)["shares"] == 0, "again: it is done"
    (process.data / "root.key").rename(process.data.parent / "left.key")
    process.settings = account.settings()
    process.start()
    group.sign(held, message_intent(b"hello"), signers=[1, 2])
    stop(group, 1)
    new = f"file:{process.data.parent / 'new.key'}"
    assert reseal(process, new, **account.settings())["shares"] == 2
    assert len(root_keys(process.data)) == 1
    process.settings = {"HYPERKMS_ROOT_KEY": new}
    account.away = True
    process.start()
    group.sign(held, message_intent(b"hello"), signers=[1, 3])


def test_while_it_runs_or_is_unfinished_it_is_refused_and_the_same_command_goes_on(
    group: Cosigners, account: Account
) -> None:
    """The right to make data keys ends in the middle of it: some shares are under each, and the cosigner stays down."""
    held = [group.generate(name, "ed25519") for name in ("one", "two", "three")]
    process, uri = group.processes[1], f"aws-kms:{account.arn}"
    account.cosigner = group.group.by_index[1].identity.hex()
    words = ("cosigner", "reseal", "--data", str(process.data), "--root-key", uri)
    settings = {**account.settings(), "HYPERKMS_ROOT_KEY": "file:"}
    assert refused(*words, cwd=process.data.parent, **settings) == "cosigner-running"
    stop(group, 1)
    account.most_data_keys = 2
    assert refused(*words, cwd=process.data.parent, **settings) == "kms-access-denied"
    assert len(root_keys(process.data)) == 2
    for root_key in ("file:", uri):
        serve = ("cosigner", "serve", "--data", str(process.data))
        code = refused(*serve, cwd=process.data.parent, **{**settings, "HYPERKMS_ROOT_KEY": root_key})
        assert code in {"reseal-unfinished", "wrong-root-key"}
    account.most_data_keys = None
    assert reseal(process, uri, **settings)["shares"] == 1
    assert root_keys(process.data) == {uri}
    process.settings = account.settings()
    process.start()
    for one in held:
        group.sign(one, message_intent(b"hello"), signers=[1, 2])
