"""No key in AWS KMS is left without anybody knowing, whatever is cut off, and no listed version loses its key."""

import http.client
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from hyperkms.errors import Unavailable
from hyperkms.operations.generate_native import generate_by_custody
from hyperkms.operations.new_wallet import NewWallet
from hyperkms.operations.sweep import ORPHAN_KEPT_MS, Swept, remove_orphans
from hyperkms.wallet import Custody, KeyType, WalletId
from support import custody, databases
from support.aws import Aws
from support.aws_faults import spoiled
from support.in_process import ACTOR, Here, here
from support.kms_signer import signing
from support.mpc import check_message
from support.native_wallets import KEY_TYPES, NATIVE, keys_with, settings, states
from support.service import Service

pytestmark = custody.needs(custody.FILE, because="it names the places of keys itself")

W = WalletId("w")
OPERATIONS = {
    "generate": lambda service: service.post("/wallets/generate", {"walletId": "w", "keyType": "secp256k1", **NATIVE}),
    "rotate": lambda service: service.post("/wallets/rotate", {"walletId": "w", "activate": True}),
}


def on(operation: str, act: Callable[[], object]) -> Callable[[str], None]:
    """A hook of the door that does this once, at that operation."""
    due = [act]

    def hook(asked: str) -> None:
        if asked == operation and due:
            due.pop()()

    return hook


@contextmanager
def opened(aws: Aws, url: str, folder: Path) -> Iterator[Here]:
    """The data directory in this process, after the service has ended."""
    at = settings(aws, url, folder)
    with pytest.MonkeyPatch.context() as patched:
        for name, value in at.items():
            patched.setenv(name, value)
        with here(folder / "data", **at) as found:
            yield found


def swept(at: Here, *, after_ms: int) -> list[Swept]:
    at.now += after_ms
    return list(remove_orphans(at.parts))


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("point", ["CreateKey", "GetPublicKey", "Sign"])
def test_a_service_that_is_killed_after_kms_made_a_key_leaves_none_for_long(
    emulated_aws: Aws, tmp_path: Path, operation: str, point: str
) -> None:
    """At CreateKey nobody has noted which key it is: the sweep finds it by its token."""
    version = {"generate": 1, "rotate": 2}[operation]
    with signing(emulated_aws.url) as signer:
        at = settings(emulated_aws, signer.url, tmp_path)
        with Service.start(tmp_path / "data", **at) as service:
            if operation == "rotate":
                OPERATIONS["generate"](service)
            signer.after = on(point, service.process.kill)
            with pytest.raises((OSError, http.client.HTTPException)):
                OPERATIONS[operation](service)
            service.kill()
        with Service.start(tmp_path / "data", **at) as service:
            assert service.get("/wallets/w").status == (404 if operation == "generate" else 200)
            done = OPERATIONS[operation](service)
            assert done.status == 200, done.body
            check_message(service.post("/wallets/sign", {"walletId": "w", "message": "hello"}).json, "hello")
            [version_view] = service.get("/wallets/w/versions").json["versions"][version - 1 :]
            assert states(emulated_aws, service)["w", version] == ["Enabled", "Enabled"]
        with opened(emulated_aws, signer.url, tmp_path) as found:
            assert swept(found, after_ms=ORPHAN_KEPT_MS // 2) == []
            assert swept(found, after_ms=ORPHAN_KEPT_MS) == [Swept("kms-key-withdrawn", W, version)]
            assert swept(found, after_ms=ORPHAN_KEPT_MS) == []
            assert found.rows("SELECT count(*) FROM kms_keys_begun") == [(0,)]
        with Service.start(tmp_path / "data", **at) as service:
            ended = states(emulated_aws, service)["w", version]
            assert sorted(ended) == ["Enabled", "PendingDeletion"]
            key = emulated_aws.client("kms").describe_key(KeyId=version_view["kmsKey"])["KeyMetadata"]
            assert key["KeyState"] == "Enabled", "the one that is listed"
            check_message(service.post("/wallets/sign", {"walletId": "w", "message": "hello"}).json, "hello")


def test_a_call_that_never_reached_kms_is_forgotten(emulated_aws: Aws, tmp_path: Path) -> None:
    with signing(emulated_aws.url) as signer:
        at = settings(emulated_aws, signer.url, tmp_path)
        with Service.start(tmp_path / "data", **at) as service:
            signer.before, signer.dropped = on("CreateKey", service.process.kill), {"CreateKey"}
            with pytest.raises((OSError, http.client.HTTPException)):
                OPERATIONS["generate"](service)
            service.kill()
        with opened(emulated_aws, signer.url, tmp_path) as found:
            assert found.rows("SELECT wallet, version, kms_key FROM kms_keys_begun") == [("w", 1, None)]
            assert swept(found, after_ms=2 * ORPHAN_KEPT_MS) == []
            assert found.rows("SELECT count(*) FROM kms_keys_begun") == [(0,)]


def test_a_key_whose_making_was_not_answered_is_not_made_a_second_time(emulated_aws: Aws, tmp_path: Path) -> None:
    """KMS makes a key at each call: of two made for one note nobody would ever find the first."""
    with (
        signing(emulated_aws.url) as signer,
        spoiled(signer.url) as spoiler,
        opened(emulated_aws, spoiler.url, tmp_path) as at,
    ):
        wanted = NewWallet(id=W, custody=Custody.KMS_NATIVE)
        for fault in ("cut-after", "internal"):
            spoiler.spoil("CreateKey", fault)
            with pytest.raises(Unavailable):
                generate_by_custody(at.parts, ACTOR, wanted)
        assert generate_by_custody(at.parts, ACTOR, wanted).is_kms_native
        assert signer.asked["CreateKey"] == 2, "once it had gone no further than the door"
        [(service,)] = at.rows("SELECT value FROM facts WHERE name = 'service_id'")
        assert [key["KeyState"] for key in keys_with(emulated_aws, service)["w", 1]] == ["Enabled"] * 2
        assert swept(at, after_ms=2 * ORPHAN_KEPT_MS) == [Swept("kms-key-withdrawn", W, 1)]
        ended = sorted(key["KeyState"] for key in keys_with(emulated_aws, service)["w", 1])
        assert ended == ["Enabled", "PendingDeletion"]


def test_of_several_that_make_the_same_wallet_one_succeeds_and_the_other_keys_end(
    emulated_aws: Aws, tmp_path: Path
) -> None:
    with (
        signing(emulated_aws.url) as signer,
        Service.start(tmp_path / "data", **settings(emulated_aws, signer.url, tmp_path)) as service,
    ):
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(OPERATIONS["generate"], [service] * 4))
        assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
        made = states(emulated_aws, service)["w", 1]
        assert made.count("Enabled") == 1
        assert set(made) <= {"Enabled", "PendingDeletion"}
        assert databases.rows(service.data, "SELECT count(*) FROM kms_keys_begun") == [(0,)]
        check_message(service.post("/wallets/sign", {"walletId": "w", "message": "hello"}).json, "hello")


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_key_that_is_being_withdrawn_is_listed_no_more(emulated_aws: Aws, tmp_path: Path, key_type: str) -> None:
    """A call that took longer than any does: the sweep has claimed its key before the version was listed."""
    with signing(emulated_aws.url) as signer, opened(emulated_aws, signer.url, tmp_path) as at:
        claim = at.parts.kms_keys.claim
        signer.before = on("Sign", lambda: claim(begun_before=at.now + ORPHAN_KEPT_MS, now=at.now))
        wanted = NewWallet(id=W, key_type=KeyType(key_type), custody=Custody.KMS_NATIVE)
        with pytest.raises(Unavailable) as refused:
            generate_by_custody(at.parts, ACTOR, wanted)
        assert refused.value.code == "sealed-key-being-removed"
        assert at.parts.wallets.find(W) is None
        assert swept(at, after_ms=0) == [Swept("kms-key-withdrawn", W, 1)]
        assert generate_by_custody(at.parts, ACTOR, wanted).is_kms_native


def test_a_key_that_aws_does_not_let_go_keeps_no_other(emulated_aws: Aws, tmp_path: Path) -> None:
    with (
        signing(emulated_aws.url) as signer,
        spoiled(signer.url) as spoiler,
        opened(emulated_aws, spoiler.url, tmp_path) as at,
    ):
        claim = at.parts.kms_keys.claim
        for wallet in ("v", "w"):
            signer.before = on("Sign", lambda: claim(begun_before=at.now + ORPHAN_KEPT_MS, now=at.now))
            with pytest.raises(Unavailable):
                generate_by_custody(at.parts, ACTOR, NewWallet(id=WalletId(wallet), custody=Custody.KMS_NATIVE))
        spoiler.spoil("DisableKey", "denied")
        first, second = swept(at, after_ms=0), swept(at, after_ms=0)
        assert (len(first), len(second)) == (1, 1)
        assert {one.wallet for one in (*first, *second)} == {"v", "w"}
        assert swept(at, after_ms=0) == []
