"""Three cosigners with their shares in the Secrets Manager of three accounts: each its own, and none is left behind."""

import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hyperkms.threshold.wire import HeldShare, Retire, ShareName, Shares, Status
from support.aws import Aws
from support.aws_accounts import PREFIX, Account
from support.commands import refusal, run
from support.cosigners import BEARER, COORDINATOR, Cosigners, Refusal, message_intent, unique
from support.cosigners_on_aws import on_aws
from support.databases import rows
from support.mpc import generate, sign
from support.service import Service
from support.until import until

STORE = {"HYPERKMS_KEY_STORE": "aws-secrets-manager:"}
MESSAGE = b"hello"


class Desk:
    """A group, its accounts, and what is asked of both."""

    def __init__(self, aws: Aws, cosigners: Cosigners, accounts: list[Account]) -> None:
        self.aws = aws
        self.cosigners = cosigners
        self.accounts = accounts

    def data(self, index: int) -> Path:
        return self.cosigners.processes[index].data

    def secrets(self, index: int, wallet: str) -> list[str]:
        """Version and epoch of each sealed share of a wallet, as the names of secrets have it."""
        account = self.accounts[index - 1]
        folder = f"{PREFIX}hyperkms-cosigner/{account.cosigner}/{wallet}/"
        names = [name for name in account.names(self.aws.url) if name.startswith(folder)]
        shares = {tuple(name.removeprefix(folder).split("/")[:3]) for name in names}
        return [f"{version}/{epoch}" for version, epoch, _ in sorted(shares)]

    def name(self, index: int, wallet: str, epoch: int = 0) -> str:
        """The secret that the row of a share of an Ed25519 key names."""
        query = "SELECT secret FROM shares WHERE wallet = ? AND epoch = ? AND sealed IS NULL"
        [(digest,)] = rows(self.data(index), query, wallet, epoch)
        cosigner = self.accounts[index - 1].cosigner
        return f"{PREFIX}hyperkms-cosigner/{cosigner}/{wallet}/v1/e{epoch}/{digest.hex()}/1"

    def value(self, index: int, name: str) -> bytes:
        """What is in a secret."""
        client = self.accounts[index - 1].secrets(self.aws.url)
        value: bytes = client.get_secret_value(SecretId=name)["SecretBinary"]
        return value

    def notes(self, index: int, wallet: str) -> int:
        """How many secrets this cosigner knows of, of one wallet."""
        [(count,)] = rows(self.data(index), "SELECT count(*) FROM share_secrets WHERE wallet = ?", wallet)
        return int(count)

    @contextmanager
    def stopped(self, index: int) -> Iterator[None]:
        """A cosigner is not there within this block, and opens everything anew after it."""
        self.cosigners.hang_up(index)
        process = self.cosigners.processes[index]
        process.stop()
        try:
            yield
        finally:
            process.start()

    def refreshed(self, held: HeldShare) -> HeldShare:
        """The same key in the next epoch."""
        kept = self.cosigners.refresh(held.name, held.key_type, held.network)
        following = self.cosigners.held(1, held.name.wallet, held.name.version)
        self.cosigners.commit(following.name, kept, self.cosigners.tests(following))
        return self.cosigners.held(1, held.name.wallet, held.name.version)

    def sign(self, held: HeldShare, *signers: int) -> None:
        """A signature by these, which is verified."""
        signature = self.cosigners.sign(held, message_intent(MESSAGE), signers=signers)
        Ed25519PublicKey.from_public_bytes(held.public_key).verify(signature, MESSAGE)

    def code(self, held: HeldShare, *signers: int) -> str:
        """With what these refuse to sign."""
        with pytest.raises(Refusal) as refused:
            self.sign(held, *signers)
        return refused.value.code

    def signs(self, held: HeldShare, *signers: int) -> bool:
        """Whether these sign now."""
        try:
            self.sign(held, *signers)
        except Refusal:
            return False
        return True


@pytest.fixture(scope="module")
def desk(emulated_aws: Aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One group for tests that leave it as it was."""
    with on_aws(emulated_aws, tmp_path_factory.mktemp("secrets"), **STORE) as (cosigners, accounts):
        yield Desk(emulated_aws, cosigners, accounts)


def test_keys_of_both_kinds_live_and_end_in_secrets_of_their_own_cosigner(desk: Desk) -> None:
    """Made, signed with, refreshed, rotated, repaired, retired, and found again after a restart: one secret a share."""
    cosigners, everyone = desk.cosigners, desk.cosigners.everyone
    wallet, treasury = unique(), unique()
    held = cosigners.generate(wallet, "ed25519")
    for quorum in cosigners.quorums:
        desk.sign(held, *quorum)
    following = desk.refreshed(held)
    assert (following.name.epoch, following.public_key) == (1, held.public_key)
    assert [desk.secrets(index, wallet) for index in everyone] == [["v1/e1"]] * 3, "those before are destroyed"
    rotated = cosigners.generate(wallet, "ed25519", version=2)
    cosigners.activate(wallet, 2)
    made = cosigners.generate(treasury, "secp256k1", "testnet")
    renewed = desk.refreshed(made)
    assert [desk.secrets(index, treasury) for index in everyone] == [["v1/e1"]] * 3
    for index in everyone:
        cosigners.restart(index, kill=True)
    desk.sign(following, 2, 3)
    desk.sign(rotated, 1, 3)
    cosigners.tests(renewed)
    cosigners.lose(3, rotated.name)
    cosigners.repair(rotated, target=3, helpers=[1, 2])
    cosigners.tests(cosigners.held(3, wallet, 2))
    for index in (1, 2):
        cosigners.ask(index, Retire(wallet=wallet, version=1, asker=BEARER))
    assert [desk.secrets(index, wallet) for index in (1, 2)] == [["v2/e0"]] * 2
    assert rows(desk.data(1), "SELECT wallet FROM shares WHERE sealed IS NOT NULL") == []
    for account in desk.accounts:
        assert account.stopped == [], "no policy refused anything"
        assert {operation for operation, _ in account.asked} == {"CreateSecret", "GetSecretValue", "DeleteSecret"}
        assert all(f"/{account.cosigner}/" in name for _, name in account.asked)


def test_signing_asks_for_a_secret_once(desk: Desk) -> None:
    held = desk.cosigners.generate(unique(), "ed25519")
    desk.sign(held, 1, 2)
    asked = [reads(account) for account in desk.accounts]
    for _ in range(10):
        desk.sign(held, 1, 2)
    assert [reads(account) for account in desk.accounts] == asked


def reads(account: Account) -> int:
    """How many secrets were read."""
    return [operation for operation, _ in account.asked].count("GetSecretValue")


def test_a_secret_that_was_rolled_back_or_swapped_or_deleted_is_refused_and_the_others_sign(desk: Desk) -> None:
    cosigners, client = desk.cosigners, desk.accounts[1].secrets(desk.aws.url)
    first = cosigners.generate(unique(), "ed25519")
    name = desk.name(2, first.name.wallet)
    before = desk.value(2, name)
    held, other = desk.refreshed(first), cosigners.generate(unique(), "ed25519")
    name, foreign = desk.name(2, held.name.wallet, 1), desk.value(2, desk.name(2, other.name.wallet))
    own, theirs = desk.value(2, name), desk.value(1, desk.name(1, held.name.wallet, 1))
    unwraps = len(desk.accounts[1].passed)
    for changed in (before, foreign, theirs, own[:-1] + bytes([own[-1] ^ 1])):
        with desk.stopped(2):
            client.put_secret_value(SecretId=name, SecretBinary=changed)
            unwraps = len(desk.accounts[1].passed)
        unwraps = len(desk.accounts[1].passed)
        assert desk.code(held, 2, 3) == "share-tampered"
        assert len(desk.accounts[1].passed) == unwraps, "the root key was not asked"
        desk.sign(held, 1, 3)
    with desk.stopped(2):
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    assert desk.code(held, 2, 3) == "share-missing"
    with desk.stopped(2):
        client.create_secret(Name=name, SecretBinary=own)
    desk.sign(held, 2, 3)


def test_a_row_that_names_the_share_of_another_wallet_or_cosigner_opens_nothing(desk: Desk) -> None:
    """Whoever writes database and secrets: what is sealed says whose it is."""
    cosigners, client = desk.cosigners, desk.accounts[1].secrets(desk.aws.url)
    held, other = (cosigners.generate(unique(), "ed25519") for _ in range(2))
    wallet = held.name.wallet
    name = desk.name(2, wallet)
    own = bytes.fromhex(name.split("/")[-2])
    add = "INSERT INTO share_secrets SELECT ?, wallet, version, epoch, pieces, noted_at FROM share_secrets"

    def name_another(digest: bytes) -> None:
        rows(desk.data(2), "UPDATE shares SET secret = ? WHERE wallet = ?", digest, wallet)

    for stolen in (desk.value(2, desk.name(2, other.name.wallet)), desk.value(1, desk.name(1, wallet))):
        digest = sha256(stolen).digest()
        with desk.stopped(2):
            client.create_secret(Name=name.replace(own.hex(), digest.hex()), SecretBinary=stolen)
            rows(desk.data(2), "DELETE FROM share_secrets WHERE digest = ?", digest)
            rows(desk.data(2), f"{add} WHERE digest = ?", digest, own)
            name_another(digest)
        assert desk.code(held, 2, 3) == "share-misplaced"
    with desk.stopped(2):
        name_another(own)
    assert desk.signs(held, 2, 3)


def test_where_secrets_are_away_open_shares_sign_and_others_say_why_not(desk: Desk) -> None:
    cosigners, account = desk.cosigners, desk.accounts[0]
    opened, closed = (cosigners.generate(unique(), "ed25519") for _ in range(2))
    cosigners.restart(1)
    desk.sign(opened, 1, 2)
    account.secrets_away = True
    desk.sign(opened, 1, 2)
    assert desk.code(closed, 1, 2) == "secrets-unavailable"
    desk.sign(closed, 2, 3)
    wallet = unique()
    with pytest.raises(Refusal) as refused:
        cosigners.keygen(wallet, "ed25519", "none")
    assert refused.value.code == "secrets-unavailable"
    assert cosigners.ask(1, Shares(wallet=wallet)).shares == []
    account.secrets_away = False
    until(lambda: desk.signs(closed, 1, 3))  # for a second after an outage Secrets Manager is not asked
    account.without = "secretsmanager:GetSecretValue"
    cosigners.restart(1)
    assert desk.code(closed, 1, 2) == "secrets-access-denied"
    account.without = ""
    account.stopped.clear()
    desk.sign(closed, 1, 2)


def test_a_secret_that_is_slow_holds_up_nothing_else(desk: Desk) -> None:
    cosigners, account = desk.cosigners, desk.accounts[0]
    opened, slow = (cosigners.generate(unique(), "ed25519") for _ in range(2))
    cosigners.restart(1)
    desk.sign(opened, 1, 2)
    is_asked, may_go_on = threading.Event(), threading.Event()

    def wait(_operation: str, name: str) -> None:
        if slow.name.wallet in name:
            is_asked.set()
            may_go_on.wait()

    def read() -> None:
        beside = Cosigners(cosigners.group, cosigners.processes, cosigners.file)
        try:
            beside.sign(slow, message_intent(MESSAGE), signers=[1, 3])
        finally:
            beside.hang_up()

    account.before = wait
    with ThreadPoolExecutor(1) as pool:
        try:
            reading = pool.submit(read)
            assert is_asked.wait(30)
            desk.sign(opened, 1, 2)
            assert cosigners.ask(1, Status()).index == 1
            with pytest.raises(Refusal) as refused:
                reading.result()
            assert refused.value.code == "secrets-unavailable"
        finally:
            account.before = lambda *_: None
            may_go_on.set()
    until(lambda: desk.signs(slow, 1, 3))


def test_shares_whose_secrets_cannot_be_destroyed_sign_no_more_and_are_destroyed_later(desk: Desk) -> None:
    """A refresh and a retirement say so, and have done everything else; asked again they end."""
    cosigners, account = desk.cosigners, desk.accounts[0]
    held, ended = (cosigners.generate(unique(), "ed25519") for _ in range(2))
    wallet, retired = held.name.wallet, ended.name.wallet
    account.without = "secretsmanager:DeleteSecret"
    with pytest.raises(Refusal) as refused:
        desk.refreshed(held)
    assert (refused.value.code, refused.value.problem.kind) == ("secrets-access-denied", "Withdrawn")
    assert "sign nothing more" in refused.value.problem.message
    with pytest.raises(Refusal) as refused:
        cosigners.ask(1, Retire(wallet=retired, version=1, asker=BEARER))
    assert refused.value.code == "secrets-access-denied"
    assert desk.secrets(1, wallet) == ["v1/e0", "v1/e1"]
    following = cosigners.held(1, wallet)
    desk.sign(following, 1, 2)
    assert desk.code(held, 1, 2) == "share-retired"
    assert desk.code(ended, 1, 2) in {"share-retired", "version-retired", "wallet-retired"}
    account.without = ""
    account.stopped.clear()
    cosigners.ask(1, Retire(wallet=retired, version=1, asker=BEARER))
    assert desk.secrets(1, retired) == []
    with desk.stopped(1):
        long_ago(desk, 1)
    until(lambda: desk.secrets(1, wallet) == ["v1/e1"])
    desk.sign(following, 1, 3)


def test_a_service_says_what_is_left_and_has_it_destroyed_later(desk: Desk, tmp_path: Path) -> None:
    account, wallet, settings = desk.accounts[0], unique(), {"HYPERKMS_MPC_GROUP": str(desk.cosigners.file)}
    data = tmp_path / "data"
    assert (
        run("wallet", "generate", "single", "--network", "testnet", "--data", str(data), cwd=tmp_path).returncode == 0
    )
    rows(data, "UPDATE facts SET value = ? WHERE name = 'service_id'", COORDINATOR)
    with Service.start(data, MPC_ENABLED="true", **settings) as service:
        generate(service, wallet)
        account.without = "secretsmanager:DeleteSecret"
        refreshed = service.post(f"/mpc/wallets/{wallet}/refresh", {})
        assert (refreshed.status, refreshed.json["code"]) == (503, "secrets-access-denied")
        sign(service, wallet)
        account.without = ""
        refreshed = service.post(f"/mpc/wallets/{wallet}/refresh", {})
        assert (refreshed.status, refreshed.json["epoch"]) == (200, 2)
        sign(service, wallet)
        assert [desk.secrets(index, wallet) for index in (1, 2, 3)] == [["v1/e2"]] * 3
        account.without = "secretsmanager:DeleteSecret"
        retired = service.post(f"/wallets/{wallet}/retire", {"destroy": True})
        assert retired.status == 200, retired.body
        until(lambda: any(json.loads(line).get("event") == "shares-left" for line in list(service.lines)))
        assert [desk.secrets(index, wallet) for index in (1, 2, 3)] == [["v1/e2"], [], []]
    account.without = ""
    account.stopped.clear()
    long_ago(desk, 1)
    until(lambda: desk.secrets(1, wallet) == [])


def long_ago(desk: Desk, index: int) -> None:
    """All that was noted was noted more than a minute ago."""
    rows(desk.data(index), "UPDATE share_secrets SET noted_at = 0")


STEPS = {
    "noted, and not made": ("before", "CreateSecret"),
    "made, and not named": ("after", "CreateSecret"),
    "retired, and not destroyed": ("before", "DeleteSecret"),
    "destroyed, and not forgotten": ("after", "DeleteSecret"),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_cosigner_that_is_killed_in_a_refresh_loses_no_share_and_leaves_no_secret(desk: Desk, step: str) -> None:
    cosigners, account = desk.cosigners, desk.accounts[0]
    held = cosigners.generate(unique(), "ed25519")
    wallet = held.name.wallet
    process = cosigners.processes[1].process
    assert process is not None

    def kill(operation: str, name: str) -> None:
        if operation == STEPS[step][1] and wallet in name:
            os.kill(process.pid, signal.SIGKILL)

    setattr(account, STEPS[step][0], kill)
    with pytest.raises(ConnectionError):
        desk.refreshed(held)
    setattr(account, STEPS[step][0], lambda *_: None)
    cosigners.hang_up()
    cosigners.processes[1].kill()
    long_ago(desk, 1)
    cosigners.processes[1].start()
    epoch = cosigners.held(2, wallet).name.epoch
    if step in {"noted, and not made", "made, and not named"}:
        desk.sign(held, 1, 2)
        cosigners.drop(ShareName(wallet=wallet, version=1, epoch=epoch))
    else:
        assert cosigners.held(1, wallet).name.epoch == 1, "it was committed before"
    until(lambda: desk.secrets(1, wallet) == [f"v1/e{cosigners.held(1, wallet).name.epoch}"])
    until(lambda: desk.notes(1, wallet) == 1)
    current = cosigners.held(1, wallet)
    for quorum in cosigners.quorums:
        desk.sign(current, *quorum)
    following = desk.refreshed(current)
    desk.sign(following, 1, 3)
    assert desk.secrets(1, wallet) == [f"v1/e{following.name.epoch}"]


@pytest.mark.parametrize("right", ["CreateSecret", "GetSecretValue", "DeleteSecret"])
def test_the_doctor_names_the_right_on_secrets_that_is_missing(desk: Desk, tmp_path: Path, right: str) -> None:
    account = desk.accounts[0]
    words = ("doctor", "--aws", "--json", "--data", str(desk.data(1)))

    def verdicts() -> dict[str, str]:
        found = json.loads(run(*words, cwd=tmp_path, **account.settings(), **STORE).stdout)
        return {one["what"]: one["verdict"] for one in found if one["what"].startswith("secretsmanager:")}

    assert set(verdicts().values()) == {"good"}
    account.without = f"secretsmanager:{right}"
    found = verdicts()
    account.without = ""
    account.stopped.clear()
    assert {name for name, verdict in found.items() if verdict == "bad"} == {f"secretsmanager:{right}"}
    assert len(found) == (1 if right == "CreateSecret" else 3)


def test_a_share_is_exported_from_its_secret_a_backup_is_refused_and_the_place_stays(
    desk: Desk, tmp_path: Path
) -> None:
    held = desk.cosigners.generate(unique(), "ed25519")
    wallet, data, settings = held.name.wallet, str(desk.data(1)), desk.accounts[0].settings()
    out = tmp_path / "share"
    words = ("mpc", "export-share", wallet, "--data", data, "--out", str(out))
    done = run(*words, cwd=tmp_path, **settings, **STORE)
    assert done.returncode == 0, done.stderr
    assert out.read_bytes() == desk.value(1, desk.name(1, wallet))
    backup = ("backup", "--data", data, "--to", str(tmp_path / "backup"))
    assert "[cosigner-not-copied]" in refusal(*backup, cwd=tmp_path, **settings, **STORE)
    for other in ("database:", "aws-secrets-manager:other/"):
        elsewhere = {**settings, "HYPERKMS_KEY_STORE": other}
        assert "[wrong-key-store]" in refusal("cosigner", "shares", "--data", data, cwd=tmp_path, **elsewhere)


def test_resealing_and_a_replacement_make_secrets_anew_and_destroy_those_before(
    emulated_aws: Aws, tmp_path: Path
) -> None:
    with on_aws(emulated_aws, tmp_path, **STORE) as (cosigners, accounts):
        desk = Desk(emulated_aws, cosigners, accounts)
        held = cosigners.generate("one", "ed25519")
        cosigners.generate("two", "ed25519")
        reseal(desk, held, tmp_path)
        replace_third(desk, held)


def reseal(desk: Desk, held: HeldShare, folder: Path) -> None:
    """From KMS to a file and back: cut off where the secret before cannot be destroyed, the same command goes on."""
    account, process = desk.accounts[0], desk.cosigners.processes[1]
    before = {wallet: desk.name(1, wallet) for wallet in ("one", "two")}
    new = f"file:{folder / 'new.key'}"
    words = ("cosigner", "reseal", "--data", str(process.data), "--json", "--root-key")
    with desk.stopped(1):
        account.without = "secretsmanager:DeleteSecret"
        cut_off = run(*words, new, cwd=folder, **process.settings)
        assert (cut_off.returncode, cut_off.stderr.decode().rstrip()[-23:]) == (1, "[secrets-access-denied]")
        account.without = ""
        account.stopped.clear()
        done = run(*words, new, cwd=folder, **process.settings)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["shares"] == 1
        assert [desk.secrets(1, wallet) for wallet in before] == [["v1/e0"]] * 2
        assert {wallet: desk.name(1, wallet) for wallet in before}.items().isdisjoint(before.items())
        own, process.settings = process.settings, {**process.settings, "HYPERKMS_ROOT_KEY": new}
    desk.sign(held, 1, 2)
    with desk.stopped(1):
        done = run(*words, f"aws-kms:{account.arn}", cwd=folder, **process.settings)
        assert done.returncode == 0, done.stderr
        process.settings = own
    desk.sign(held, 1, 2)


def replace_third(desk: Desk, held: HeldShare) -> None:
    """The third cosigner is lost; the others bind their shares to the group with its successor, or none of them."""
    cosigners, wallet = desk.cosigners, held.name.wallet
    before = desk.name(1, wallet)
    cosigners.hang_up()
    for process in cosigners.processes.values():
        process.stop()
    lost = cosigners.processes[3]
    lost.data.rename(lost.data.with_name("lost"))
    desk.accounts[2].cosigner = (identity := lost.init()).hex()
    members = (*cosigners.group.members[:2], replace(cosigners.group.members[2], identity=identity))
    cosigners.group = group = replace(cosigners.group, members=members)
    cosigners.file.write_bytes(group.describe())
    joining = ("mpc", "join", "--replace", "--data", str(desk.data(1)), "--group", str(cosigners.file))
    account = desk.accounts[0]
    account.without = "secretsmanager:CreateSecret"
    fingerprint = ("--fingerprint", group.fingerprint)
    assert "[secrets-access-denied]" in refusal(*joining, *fingerprint, cwd=desk.data(1), **account.settings(), **STORE)
    account.without = ""
    assert desk.name(1, wallet) == before, "nothing was bound"
    for index, process in cosigners.processes.items():
        process.join(cosigners.file, group.fingerprint, *(["--replace"] if index != 3 else []))
        long_ago(desk, index)
        process.start()
    until(lambda: [desk.secrets(index, wallet) for index in (1, 2)] == [["v1/e0"]] * 2)
    assert desk.name(1, wallet) != before
    desk.sign(held, 1, 2)
    cosigners.repair(held, target=3, helpers=[1, 2])
    desk.sign(desk.refreshed(held), 2, 3)
