"""No data key that came from AWS KMS is in the memory of a cosigner, raw or in base64, nor the share that it seals."""

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from support.aws import Aws
from support.aws_accounts import Account
from support.cosigners import Cosigners, message_intent
from support.cosigners_on_aws import on_aws
from support.memory_scan import Scanner, files_below
from support.sealed_key_reader import Secret, open_with, read_sealed_key, sealed_keys_of
from support.share_reader import OpenShare, Wrapped, open_share_by

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read through /proc, which is Linux")

SIGNATURES = 20
MESSAGE = b"hello"


@pytest.mark.parametrize("lease", ["strict", "300"])
def test_no_data_key_of_aws_is_in_the_memory_of_a_cosigner_or_in_a_file(
    emulated_aws: Aws, tmp_path: Path, lease: str
) -> None:
    """Strict has a data key come in at every step; the emulator itself says what each one is."""
    settings = {"HYPERKMS_KEY_LEASE": lease, "HYPERKMS_MEMORY_LOCK": "mlock", "LOG_LEVEL": "debug"}
    with on_aws(emulated_aws, tmp_path, **settings) as (cosigners, made):
        held = cosigners.generate("bytes", "ed25519")
        cosigners.generate("text", "secp256k1", "testnet")
        for number in range(SIGNATURES):
            cosigners.sign(held, message_intent(MESSAGE), signers=cosigners.quorums[number % 3])
        for index, account in enumerate(made, 1):
            process = cosigners.processes[index]
            named = _secrets(emulated_aws, account, cosigners, index)
            assert len(named) >= 2 * 3 + 2 * 2
            planted = Secret(account.settings()["AWS_SECRET_ACCESS_KEY"].encode())
            assert process.process is not None
            memory = Scanner({**named, "planted": planted}).look_into(process.process.pid)
            assert [hit for hit in memory.hits if hit.name != "planted"] == []
            assert memory.hits, "the control: AWS credentials are ordinary memory"
            assert memory.unreadable == []
            said = [("the log", repr(process.lines).encode()), *files_below(process.data)]
            assert Scanner(named).look_at_all(said) == []


def _secrets(aws: Aws, account: Account, cosigners: Cosigners, index: int) -> dict[str, Secret]:
    """What KMS has given this cosigner, and what was sealed with it."""
    data, found = cosigners.processes[index].data, {}
    for share in _shares(aws, account, data):
        found[f"data key of {share.wallet}"] = share.data_key
        found[f"encryption key of {share.wallet}"] = share.encryption_key
        found[f"share of {share.wallet}"] = share.scalar
    identity = {"hyperkms:purpose": "cosigner-identity", "hyperkms:cosigner": "identity"}
    log_key = {
        "hyperkms:purpose": "log-key",
        "hyperkms:wallet": "record",
        "hyperkms:version": "1",
        "hyperkms:key-type": "ed25519",
        "hyperkms:network": "none",
        "hyperkms:origin": "generated",
    }
    for name, content, context in (
        ("identity", (data / "identity").read_bytes(), identity),
        ("log key", sealed_keys_of(data)["log key"], log_key),
    ):
        sealed = read_sealed_key(content)
        opened = open_with(sealed, Secret(account.unwrap(aws.url, sealed.wrapped, context)))
        found |= {f"data key of the {name}": opened.data_key, name: opened.private_key}
    return found


def _shares(aws: Aws, account: Account, data: Path) -> list[OpenShare]:
    def unwrap(wrapped: Wrapped) -> Secret:
        assert wrapped.root_key_id == f"aws-kms:{account.arn}"
        own = {"hyperkms:purpose": "share", "hyperkms:cosigner": account.cosigner}
        return Secret(account.unwrap(aws.url, wrapped.data_key, {**own, **wrapped.context}))

    with closing(sqlite3.connect(data / "hyperkms.db")) as database:
        rows = database.execute("SELECT sealed FROM shares WHERE sealed IS NOT NULL").fetchall()
    return [open_share_by(bytes(sealed), unwrap) for (sealed,) in rows]
