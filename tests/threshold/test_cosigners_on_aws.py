"""Three cosigners in three accounts of AWS: each has its root key, credentials and policies, and opens nothing else."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hyperkms.threshold.wire import HeldShare
from support.aws import Aws
from support.aws_accounts import Account
from support.commands import run
from support.cosigners import Cosigners, Refusal, message_intent, unique
from support.cosigners_on_aws import on_aws
from support.until import until

MESSAGE = b"hello"


@pytest.fixture(scope="module")
def group(emulated_aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cosigners, list[Account]]]:
    """One group for tests that leave it as it was."""
    with on_aws(emulated_aws, tmp_path_factory.mktemp("accounts")) as running:
        yield running


def sign(cosigners: Cosigners, held: HeldShare, *signers: int) -> None:
    """A signature by these, which is verified."""
    signature = cosigners.sign(held, message_intent(MESSAGE), signers=signers)
    Ed25519PublicKey.from_public_bytes(held.public_key).verify(signature, MESSAGE)


def signs(cosigners: Cosigners, held: HeldShare, *signers: int) -> bool:
    """Whether these sign now."""
    try:
        sign(cosigners, held, *signers)
    except Refusal:
        return False
    return True


def test_keys_live_under_three_keys_and_every_data_key_names_its_cosigner(
    group: tuple[Cosigners, list[Account]],
) -> None:
    """Made, signed with, refreshed, rotated, and found again after a restart."""
    cosigners, made = group
    wallet = unique()
    held = cosigners.generate(wallet, "ed25519")
    for quorum in cosigners.quorums:
        sign(cosigners, held, *quorum)
    kept = cosigners.refresh(held.name.__class__(wallet=wallet, version=1, epoch=0), "ed25519", "none")
    following = cosigners.held(1, wallet)
    cosigners.commit(following.name, kept, cosigners.tests(following))
    following = cosigners.held(1, wallet)
    assert following.name.epoch == 1
    assert following.public_key == held.public_key
    rotated = cosigners.generate(wallet, "ed25519", version=2)
    cosigners.activate(wallet, 2)
    for index in cosigners.everyone:
        cosigners.restart(index, kill=True)
    sign(cosigners, following, 2, 3)
    sign(cosigners, rotated, 1, 3)
    treasury = cosigners.generate(unique(), "secp256k1", "testnet")
    assert treasury.key_type == "secp256k1"
    for index, account in enumerate(made, 1):
        assert account.stopped == []
        contexts = [context for _, context in account.passed if context.get("hyperkms:purpose") == "share"]
        assert {context["hyperkms:cosigner"] for context in contexts} == {account.cosigner}
        assert {context["hyperkms:index"] for context in contexts} == {str(index)}
        assert {context["hyperkms:epoch"] for context in contexts} == {"0", "1"}
        purposes = {context["hyperkms:purpose"] for action, context in account.passed if action == "kms:Decrypt"}
        assert purposes == {"share", "cosigner-identity", "log-key", "store-key"}


def test_signing_asks_kms_once_a_lease(group: tuple[Cosigners, list[Account]]) -> None:
    cosigners, made = group
    held = cosigners.generate(unique(), "ed25519")
    sign(cosigners, held, 1, 2)
    asked = [len(account.passed) for account in made]
    for _ in range(20):
        sign(cosigners, held, 1, 2)
    assert [len(account.passed) for account in made] == asked


def test_a_share_in_the_database_of_another_cosigner_does_not_open(group: tuple[Cosigners, list[Account]]) -> None:
    """Nor does the account of the other unwrap its data key, whoever asks."""
    cosigners, made = group
    held = cosigners.generate(unique(), "ed25519")
    stolen = cosigners.sealed(1, held.name)
    cosigners.hang_up(2)
    process = cosigners.processes[2]
    process.stop()
    with closing(sqlite3.connect(process.data / "hyperkms.db")) as database, database:
        [(own,)] = database.execute("SELECT sealed FROM shares WHERE wallet = ?", (held.name.wallet,)).fetchall()
        database.execute("UPDATE shares SET sealed = ? WHERE wallet = ?", (stolen, held.name.wallet))
    process.start()
    asked = len(made[0].passed)
    with pytest.raises(Refusal) as refused:
        sign(cosigners, held, 2, 3)
    assert refused.value.code == "share-misplaced"
    assert len(made[0].passed) == asked
    sign(cosigners, held, 1, 3)
    cosigners.hang_up(2)
    process.stop()
    with closing(sqlite3.connect(process.data / "hyperkms.db")) as database, database:
        database.execute("UPDATE shares SET sealed = ? WHERE wallet = ?", (own, held.name.wallet))
    process.start()
    sign(cosigners, held, 2, 3)


def test_the_directory_of_one_cosigner_opens_with_no_other_ones_credentials(
    group: tuple[Cosigners, list[Account]], tmp_path: Path
) -> None:
    cosigners, made = group
    stolen = tmp_path / "stolen"
    shutil.copytree(cosigners.processes[1].data, stolen, ignore=shutil.ignore_patterns("*.lock", "*.sock"))
    for settings in (
        made[1].settings(),  # the other cosigner's own key, in its own account
        {
            **made[1].settings(),
            "HYPERKMS_ROOT_KEY": f"aws-kms:{made[0].arn}",
        },  # its key, with the credentials of another
        {**made[1].settings(), "AWS_ENDPOINT_URL": made[0].url, "HYPERKMS_ROOT_KEY": f"aws-kms:{made[0].key_id}"},
    ):
        done = run("cosigner", "serve", "--data", str(stolen), cwd=tmp_path, **settings)
        assert done.returncode == 1
        assert any(code in done.stderr.decode() for code in ("[wrong-root-key]", "[kms-access-denied]")), done.stderr


def test_one_cosigners_kms_is_away_at_the_end_of_its_lease_and_the_others_sign(
    emulated_aws: Aws, tmp_path: Path
) -> None:
    with on_aws(emulated_aws, tmp_path, HYPERKMS_KEY_LEASE="strict") as (cosigners, made):
        held = cosigners.generate("bytes", "ed25519")
        sign(cosigners, held, 1, 2)
        made[0].away = True
        with pytest.raises(Refusal) as refused:
            sign(cosigners, held, 1, 2)
        assert (refused.value.code, refused.value.problem.kind) == ("kms-unreachable", "Unavailable")
        sign(cosigners, held, 2, 3)
        made[0].away = False
        until(lambda: signs(cosigners, held, 1, 3))  # for a second after an outage KMS is not asked
        made[1].disabled = True
        with pytest.raises(Refusal) as refused:
            sign(cosigners, held, 2, 3)
        assert (refused.value.code, refused.value.problem.kind) == ("kms-key-disabled", "Withdrawn")
        sign(cosigners, held, 1, 3)
        made[1].disabled = False
        until(lambda: signs(cosigners, held, 1, 2))


def test_a_key_is_not_made_where_one_cosigners_kms_is_away_and_nothing_is_left_of_it(
    group: tuple[Cosigners, list[Account]],
) -> None:
    cosigners, made = group
    wallet = unique()
    made[2].away = True
    with pytest.raises(Refusal) as refused:
        cosigners.keygen(wallet, "ed25519", "none")
    assert refused.value.code == "kms-unreachable"
    made[2].away = False
    with closing(sqlite3.connect(cosigners.processes[3].data / "hyperkms.db")) as database:
        assert database.execute("SELECT count(*) FROM shares WHERE wallet = ?", (wallet,)).fetchall() == [(0,)]


@pytest.mark.parametrize("right", ["kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt"])
def test_the_doctor_names_the_right_that_is_missing(
    group: tuple[Cosigners, list[Account]], tmp_path: Path, right: str
) -> None:
    cosigners, made = group
    words = ("doctor", "--aws", "--json", "--data", str(cosigners.processes[1].data))
    found = json.loads(run(*words, cwd=tmp_path, **made[0].settings()).stdout)
    of_kms = {each["what"]: each["verdict"] for each in found if each["what"].startswith("kms:")}
    assert set(of_kms.values()) == {"good"}
    assert {name.partition(" for ")[2] for name in of_kms} == {
        "",
        "the log key",
        "the identity key",
        "shares of cosigner 1",
    }
    made[0].without = right
    found = json.loads(run(*words, cwd=tmp_path, **made[0].settings()).stdout)
    made[0].without = ""
    made[0].stopped.clear()
    bad = {each["what"].partition(" for ")[0] for each in found if each["verdict"] == "bad"} - {"data directory"}
    assert bad == {right}


def test_a_role_that_is_given_to_the_wrong_host_opens_nothing(
    group: tuple[Cosigners, list[Account]], tmp_path: Path
) -> None:
    """The policy names one identity: with another one's the doctor finds the shares refused."""
    cosigners, made = group
    own, made[0].cosigner = made[0].cosigner, made[1].cosigner
    words = ("doctor", "--aws", "--json", "--data", str(cosigners.processes[1].data))
    found = json.loads(run(*words, cwd=tmp_path, **made[0].settings()).stdout)
    made[0].cosigner = own
    made[0].stopped.clear()
    assert {each["what"] for each in found if each["verdict"] == "bad"} - {"data directory"} == {
        "kms:GenerateDataKey for shares of cosigner 1"
    }
