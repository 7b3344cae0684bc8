"""Wallets whose keys AWS KMS made and keeps: each signature is asked for, and verified before it leaves."""

import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from support import custody, databases
from support.aws import Aws
from support.aws_faults import Spoiler, spoiled
from support.commands import run
from support.keyed import post, signatures
from support.kms_signer import Signer, signing
from support.mpc import check_message, post_to_exchange
from support.native_wallets import KEY_TYPES, NATIVE, held, keys_of, native, settings, states
from support.sandbox import sandbox
from support.scraped import scrape
from support.service import Answer, Service
from support.until import until

pytestmark = custody.needs(custody.FILE, because="it names the places of keys itself")

ORDER_N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""The group order of secp256k1."""
ORDER = {"a": 1, "b": True, "p": "2900.5", "s": "0.1", "r": False, "t": {"limit": {"tif": "Gtc"}}}
ACTION = {"type": "order", "orders": [ORDER], "grouping": "na"}
NOOP = {"type": "noop"}
CALLS = "hyperkms_aws_calls_total"


@pytest.fixture(scope="module")
def exchange() -> Iterator[str]:
    with sandbox("--allow-any") as running:
        yield running.url


@pytest.fixture(scope="module")
def running(emulated_aws: Aws, exchange: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with native(emulated_aws, tmp_path_factory.mktemp("native"), HYPERKMS_TESTNET_URL=exchange) as both:
        both[0].generate("standard", keyType="secp256k1")
        yield both


@pytest.fixture
def service(running: tuple[Service, Signer]) -> Service:
    return running[0]


@pytest.fixture
def signer(running: tuple[Service, Signer]) -> Iterator[Signer]:
    yield running[1]
    running[1].spoil = None
    running[1].says.clear()


def sign(service: Service, wallet: str, message: str = "hello", **members: object) -> Answer:
    return service.post("/wallets/sign", {"walletId": wallet, "message": message, **members})


def sign_action(service: Service, action: object = ACTION, **members: object) -> Answer:
    return service.post("/hyperliquid/sign", {"walletId": "secp256k1", "action": action, **members})


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.json["code"]


def signed_lines(service: Service) -> int:
    return sum(len(signatures(service.data, wallet)) for wallet in KEY_TYPES)


# ---- what is made and shown -----------------------------------------------------------------------------


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_the_wallet_says_its_custody_and_the_key_what_it_is_for(
    emulated_aws: Aws, service: Service, key_type: str
) -> None:
    wallet = service.get(f"/wallets/{key_type}").json["wallet"]
    assert wallet["custody"] == "kms-native"
    [version] = service.get(f"/wallets/{key_type}/versions").json["versions"]
    [key] = keys_of(emulated_aws, service)[key_type, 1]
    assert version["kmsKey"] == key["Arn"]
    network = "testnet" if key_type == "secp256k1" else "no network"
    assert key["Description"] == f"hyperkms: wallet {key_type}, version 1, {key_type}, {network}"
    assert key["KeyUsage"] == "SIGN_VERIFY"
    assert "custody" not in service.get("/wallets/standard").json["wallet"]
    assert databases.rows(service.data, "SELECT count(*) FROM sealed_keys WHERE wallet = ?", key_type) == [(0,)]
    assert databases.rows(service.data, "SELECT count(*) FROM kms_keys_begun") == [(0,)]


def test_the_command_makes_one_too(emulated_aws: Aws, signer: Signer, tmp_path: Path) -> None:
    at = settings(emulated_aws, signer.url, tmp_path)
    words = (
        "wallet",
        "generate",
        "desk",
        "--custody",
        "kms-native",
        "--network",
        "testnet",
        "--json",
        "--data",
        "data",
    )
    made = run(*words, cwd=tmp_path, **at)
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["custody"] == "kms-native"
    signed = run("wallet", "sign", "desk", "--message", "hello", "--json", "--data", "data", cwd=tmp_path, **at)
    check_message(json.loads(signed.stdout), "hello")


def test_where_the_root_key_is_elsewhere_there_are_none(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data") as service:
        answer = service.post("/wallets/generate", {"walletId": "w", **NATIVE})
        assert refusal(answer) == (403, "kms-native-off")
        assert service.get("/wallets/w").status == 404


def test_an_import_and_a_second_copy_are_refused_in_words(emulated_aws: Aws, signer: Signer, tmp_path: Path) -> None:
    at = settings(emulated_aws, signer.url, tmp_path)
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text("5a" * 32)
    there = ("--custody", "kms-native", "--network", "testnet", "--data", "data")
    imported = run("wallet", "import", "w", "--key-type", "secp256k1", "--key-file", "key", *there, cwd=tmp_path, **at)
    assert b"kms-native-not-imported" in imported.stderr
    before = signer.asked["CreateKey"]
    master = run("wallet", "generate", "w", "--master", *there, cwd=tmp_path, **at)
    assert b"no-copy-of-kms-native" in master.stderr
    assert signer.asked["CreateKey"] == before
    assert run("wallet", "list", "--data", "data", cwd=tmp_path, **at).stdout == b""


def test_an_id_that_is_taken_gets_no_key(service: Service, signer: Signer) -> None:
    before = signer.asked["CreateKey"]
    for taken in ("secp256k1", "standard"):
        answer = service.post("/wallets/generate", {"walletId": taken, "keyType": "secp256k1", **NATIVE})
        assert refusal(answer) == (409, "wallet-exists")
    assert signer.asked["CreateKey"] == before


# ---- what is signed -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key_type", KEY_TYPES)
def test_a_message_is_signed_as_independent_libraries_verify(service: Service, signer: Signer, key_type: str) -> None:
    for number in range(8):
        message = f"hello {number}"
        answer = sign(service, key_type, message)
        assert answer.status == 200, answer.body
        check_message(answer.json, message)
    asked = signer.messages[-1]
    assert asked == b"hello 7" if key_type == "ed25519" else len(asked) == 32


def test_an_action_is_taken_by_the_exchange(service: Service, exchange: str) -> None:
    for number in range(4):
        answer = sign_action(service)
        assert answer.status == 200, answer.body
        taken = post_to_exchange(exchange, answer.json)
        assert taken["status"] == "ok", (number, taken)


def test_each_signature_is_one_call_of_kms(service: Service, signer: Signer) -> None:
    before = signer.asked["Sign"]
    for _ in range(5):
        assert sign_action(service, NOOP).status == 200
    assert signer.asked["Sign"] == before + 5


@pytest.mark.parametrize(("length", "status"), [(4096, 200), (4097, 400)])
def test_an_ed25519_message_has_at_most_what_kms_takes(service: Service, length: int, status: int) -> None:
    answer = sign(service, "ed25519", "m" * length)
    assert answer.status == status, answer.body
    if status == 200:
        check_message(answer.json, "m" * length)
    else:
        assert answer.json["code"] == "message-too-long-for-kms"
        assert sign(service, "secp256k1", "m" * length).status == 200, "its digest is what is signed"


def test_a_batch_is_signed_one_by_one_and_one_too_large_is_refused(service: Service) -> None:
    wanted = [{"walletId": wallet, "message": "hello"} for wallet in (*KEY_TYPES, "standard") * 2]
    answer = service.post("/wallets/sign-batch", {"requests": wanted})
    assert answer.status == 200, answer.body
    for result in answer.json["results"]:
        check_message(result, "hello")
    too_many = service.post("/wallets/sign-batch", {"requests": [wanted[0]] * 51})
    assert refusal(too_many) == (400, "batch-too-large")
    assert service.post("/wallets/sign-batch", {"requests": [wanted[2]] * 51}).status == 200


# ---- what KMS answers ------------------------------------------------------------------------------------


def _high(_: bytes, der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return encode_dss_signature(r, max(s, ORDER_N - s))


def _low(_: bytes, der: bytes) -> bytes:
    r, s = decode_dss_signature(der)
    return encode_dss_signature(r, min(s, ORDER_N - s))


@pytest.mark.parametrize("half", [_high, _low])
def test_an_s_of_either_half_becomes_a_low_one_with_its_recovery_id(
    service: Service, signer: Signer, exchange: str, half: Callable[[bytes, bytes], bytes]
) -> None:
    seen: set[int] = set()
    signer.spoil = half
    while seen != {27, 28}:
        made = sign_action(service).json
        assert int(made["signature"]["s"], 16) <= ORDER_N // 2
        seen.add(made["signature"]["v"])
        assert post_to_exchange(exchange, made)["status"] == "ok"


def _integer(value: bytes) -> bytes:
    return bytes([2, len(value)]) + value


def _number(value: int) -> bytes:
    return _integer(value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _der(*parts: bytes) -> bytes:
    content = b"".join(parts)
    return bytes([0x30, len(content)]) + content


def _of(build: Callable[[int, int], bytes]) -> Callable[[bytes, bytes], bytes]:
    return lambda _, der: build(*decode_dss_signature(der))


WRONG: dict[str, Callable[[bytes, bytes], bytes]] = {
    "nothing": lambda *_: b"",
    "a byte more": lambda _, der: der + b"\0",
    "a byte less": lambda _, der: der[:-1],
    "a length in two bytes": lambda _, der: bytes([0x30, 0x81]) + der[1:],
    "an integer with a zero too many": _of(lambda r, s: _der(_integer(b"\0" + _number(r)[2:]), _number(s))),
    "a negative r": _of(lambda r, s: _der(_integer((r | 1 << 255).to_bytes(32, "big")), _number(s))),
    "a negative s": _of(lambda r, s: _der(_number(r), _integer((s | 1 << 255).to_bytes(32, "big")))),
    "an r of zero": _of(lambda _, s: _der(_integer(b"\0"), _number(s))),
    "an s of zero": _of(lambda r, _: _der(_number(r), _integer(b"\0"))),
    "r over n": _of(lambda r, s: _der(_number(r + ORDER_N), _number(s))),
    "s over n": _of(lambda r, s: _der(_number(r), _number(s + ORDER_N))),
    "an r cut short": _of(lambda r, s: _der(_number(r >> 8), _number(s))),
    "an s cut short": _of(lambda r, s: _der(_number(r), _number(s >> 8))),
    "three integers": _of(lambda r, s: _der(_number(r), _number(s), _number(1))),
    "64 bytes as they are": _of(lambda r, s: r.to_bytes(32, "big") + s.to_bytes(32, "big")),
    "another key's": lambda *_: encode_dss_signature(
        0x79BE667EF9DCBBAC55A06295CE870B07029BFCDB2DCE28D959F2815B16F81798, 0x1234567890ABCDEF
    ),
    "the signature before": lambda *_: _BEFORE[0],
    "a page of a proxy": lambda *_: b"<html>",
}
_BEFORE: list[bytes] = []


def _remember(_: bytes, der: bytes) -> bytes:
    _BEFORE[:] = [der]
    return der


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_signature_by_the_wallets_key_is_answered_to_nobody(
    service: Service, signer: Signer, case: str
) -> None:
    signer.spoil = _remember
    assert sign(service, "secp256k1", "something else").status == 200
    standing = signed_lines(service)
    signer.spoil = WRONG[case]
    for answer in (sign(service, "secp256k1"), sign_action(service)):
        assert refusal(answer) == (500, "kms-signature-wrong"), case
        assert "signature" not in answer.json
    assert signed_lines(service) == standing, "nothing was signed, as the record has it"
    signer.spoil = None
    assert sign(service, "secp256k1").status == 200


@pytest.mark.parametrize(
    "wrong",
    [
        lambda _, made: made[:63],
        lambda _, made: made + b"\0",
        lambda _, made: made[:-1] + bytes([made[-1] ^ 1]),
        lambda *_: bytes(64),
        lambda _, made: made[:32] + (int.from_bytes(made[32:], "little") + _L).to_bytes(32, "little"),
    ],
    ids=["short", "long", "changed", "zeros", "s over the order"],
)
def test_an_ed25519_answer_that_does_not_verify_is_none(
    service: Service, signer: Signer, wrong: Callable[[bytes, bytes], bytes]
) -> None:
    signer.spoil = wrong
    assert refusal(sign(service, "ed25519")) == (500, "kms-signature-wrong")


_L = 2**252 + 27742317777372353535851937790883648493


@pytest.mark.parametrize(
    ("says", "code"),
    [
        ({"KeyId": "arn:aws:kms:eu-west-1:123456789012:key/another"}, "kms-key-mismatch"),
        ({"SigningAlgorithm": "ECDSA_SHA_384"}, "kms-signature-wrong"),
        ({"KeyId": None}, "kms-answer-malformed"),
    ],
)
def test_an_answer_for_another_key_or_algorithm_is_none(
    service: Service, signer: Signer, says: dict[str, Any], code: str
) -> None:
    signer.says.update(says)
    assert sign(service, "secp256k1").json["code"] == code


# ---- as with other wallets --------------------------------------------------------------------------------


def test_a_request_that_is_repeated_is_answered_the_same_and_asks_kms_nothing(service: Service, signer: Signer) -> None:
    body = {"walletId": "secp256k1", "action": ACTION}
    first = post(service, "/hyperliquid/sign", body, "once")
    asked = signer.asked["Sign"]
    again = post(service, "/hyperliquid/sign", body, "once")
    assert (first.status, again.body) == (200, first.body)
    assert signer.asked["Sign"] == asked


def test_nonces_are_never_given_twice_nor_taken_twice(service: Service) -> None:
    given = [sign_action(service, NOOP).json["nonce"] for _ in range(5)]
    assert given == sorted(set(given))
    assert refusal(sign_action(service, NOOP, nonce=given[-1])) == (409, "nonce-allocated")


def test_the_policy_decides_before_kms_is_asked(service: Service, signer: Signer) -> None:
    asked = signer.asked["Sign"]
    transfer = {"type": "usdSend", "destination": "0x" + "11" * 20, "amount": "1"}
    assert sign_action(service, transfer).status == 403
    assert signer.asked["Sign"] == asked


def test_the_record_has_the_signature_and_the_receipt_names_it(service: Service) -> None:
    answer = sign_action(service).json
    text = "".join(answer["signature"][name].removeprefix("0x") for name in ("r", "s"))
    [record] = [
        one for one in signatures(service.data, "secp256k1") if one["requestId"] == answer["receipt"]["requestId"]
    ]
    assert record["signature"].startswith("0x" + text)
    assert record["digest"] == answer["receipt"]["digest"]
    assert "cosigned" not in record


# ---- KMS on a bad day ------------------------------------------------------------------------------------


@contextmanager
def bad_day(aws: Aws, folder: Path) -> Iterator[tuple[Service, Spoiler, Signer]]:
    with (
        signing(aws.url) as signer,
        spoiled(signer.url) as spoiler,
        Service.start(folder / "data", **settings(aws, spoiler.url, folder)) as service,
    ):
        service.generate("secp256k1", keyType="secp256k1", **NATIVE)
        yield service, spoiler, signer


@pytest.mark.parametrize(
    ("fault", "code", "retry"),
    [
        ("throttled", "kms-unavailable", True),
        ("internal", "kms-unavailable", True),
        ("cut-before", "kms-unreachable", True),
        ("garbage", "kms-answer-malformed", True),
        ("disabled", "kms-key-disabled", False),
        ("denied", "kms-access-denied", False),
    ],
)
def test_while_kms_is_away_or_says_no_nothing_is_signed(
    emulated_aws: Aws, tmp_path: Path, fault: str, code: str, *, retry: bool
) -> None:
    with bad_day(emulated_aws, tmp_path) as (service, spoiler, _):
        spoiler.spoil_all(fault, "Sign")
        answer = sign_action(service)
        assert refusal(answer) == (503, code)
        assert ("retry-after" in answer.headers) is retry
        assert "somebody" not in answer.body.decode(), "AWS's own words"
        assert signed_lines(service) == 0
        spoiler.heal()
        until(lambda: sign_action(service).status == 200)  # an outage is believed for a second


def test_a_fault_that_passes_is_not_seen_but_in_the_time_that_the_call_took(emulated_aws: Aws, tmp_path: Path) -> None:
    with bad_day(emulated_aws, tmp_path) as (service, spoiler, _):
        spoiler.spoil("Sign", "throttled", "cut-after", "slow")
        sign, name = {"service": "kms", "operation": "Sign"}, "hyperkms_aws_call_seconds"
        before = scrape(service)
        assert sign_action(service).status == 200
        after = scrape(service)

        def more(part: str, outcome: str, **labels: str) -> float:
            of = {**sign, "outcome": outcome, **labels}
            return after.value(f"{name}_{part}", **of) - before.value(f"{name}_{part}", **of)

        assert more("count", "ok") == after.total(CALLS, **sign) - before.total(CALLS, **sign) == 1
        assert more("sum", "ok") >= 0.2, "the slow answer, and what was asked before it"
        assert more("bucket", "ok", le="0.1") == 0
        spoiler.spoil_all("denied", "Sign")
        assert sign_action(service).status == 503
        after = scrape(service)
        assert [more("count", outcome) for outcome in ("ok", "refused", "failed")] == [1, 1, 0]


@pytest.mark.parametrize("under", [None, "a-key", "a-key-and-a-nonce"])
def test_while_kms_takes_its_time_others_are_served(running: tuple[Service, Signer], under: str | None) -> None:
    """A signature by a plan was asked for in the event loop, where everybody waited for KMS."""
    service, signer = running
    body: dict[str, Any] = {"walletId": "secp256k1", "action": NOOP}
    if under == "a-key-and-a-nonce":
        body["nonce"] = time.time_ns() // 10**6 + 20_000
    ask = partial(post, service, "/hyperliquid/sign", body, under) if under else partial(sign_action, service, NOOP)
    with held(signer, ask) as go_on:
        assert sign(service, "standard").status == 200
        assert sign(service, "ed25519").status == 200
        assert service.get("/ready", headers={}).status == 200
        answer = go_on()
    assert answer.status == 200, "others did not wait until it was given up"


def test_a_wallet_that_is_retired_while_kms_signs_has_signed_nothing(emulated_aws: Aws, tmp_path: Path) -> None:
    with native(emulated_aws, tmp_path) as (service, signer):
        with held(signer, lambda: sign_action(service, NOOP)) as go_on:
            assert service.post("/wallets/secp256k1/retire", {}).status == 200
            assert refusal(go_on()) == (403, "wallet-retired")
        assert signed_lines(service) == 0


def test_a_root_key_in_a_file_is_refused_while_kms_keeps_keys(emulated_aws: Aws, tmp_path: Path) -> None:
    with native(emulated_aws, tmp_path) as (_, signer):
        pass
    at = settings(emulated_aws, signer.url, tmp_path)
    with signing(emulated_aws.url) as again:
        at["AWS_ENDPOINT_URL"] = again.url
        done = run("wallet", "reseal", "--root-key", "file:new.key", "--data", "data", cwd=tmp_path, **at)
        assert done.returncode == 1
        assert b"kms-native-off" in done.stderr
        with Service.start(tmp_path / "data", **at) as service:
            assert sign(service, "secp256k1").status == 200


def test_a_copy_of_the_directory_has_all_that_is_needed_to_sign_with_them(emulated_aws: Aws, tmp_path: Path) -> None:
    with signing(emulated_aws.url) as signer:
        at = {**databases.setting_for(tmp_path / "data"), **settings(emulated_aws, signer.url, tmp_path)}
        with Service.start(tmp_path / "data", **at) as service:
            made = service.generate("w", keyType="secp256k1", **NATIVE)
        shutil.copytree(tmp_path / "data", tmp_path / "new")
        shutil.rmtree(tmp_path / "data")
        fenced = run("recover", "fence", "--rolled-back", "--yes", "--data", "new", cwd=tmp_path, **at)
        assert fenced.returncode == 0, fenced.stderr
        signed = run("wallet", "sign", "w", "--message", "hello", "--json", "--data", "new", cwd=tmp_path, **at)
        check_message(json.loads(signed.stdout), "hello")
        assert json.loads(signed.stdout)["address"] == made["address"]


# ---- rotating and retiring --------------------------------------------------------------------------------


def test_a_rotation_makes_another_key_and_the_one_before_signs_to_the_end_of_its_grace(
    emulated_aws: Aws, tmp_path: Path
) -> None:
    with native(emulated_aws, tmp_path) as (service, _):
        pending = service.post("/wallets/rotate", {"walletId": "secp256k1"}).json["rotation"]
        assert pending["state"] == "pending"
        assert refusal(sign(service, "secp256k1", version=2)) == (403, "version-pending")
        assert service.post("/wallets/secp256k1/activate", {"version": 2}).status == 200
        assert service.post("/wallets/rotate", {"walletId": "ed25519"}).status == 200
        for wallet in KEY_TYPES:
            made = [sign(service, wallet, version=version).json for version in (1, 2)]
            for one in made:
                check_message(one, "hello")
            assert made[0]["publicKey"] != made[1]["publicKey"]
            assert made[1] | {"receipt": 0} == sign(service, wallet).json | {"receipt": 0} or wallet == "secp256k1"
        places = {(wallet, version): ["Enabled"] for wallet in KEY_TYPES for version in (1, 2)}
        assert states(emulated_aws, service) == places
        retired = service.post("/wallets/ed25519/retire", {"version": 1})
        assert retired.status == 200, retired.body
        assert "destroyedAt" in retired.json["versions"][0]
        assert refusal(sign(service, "ed25519", version=1)) == (403, "version-retired")
        assert states(emulated_aws, service) == {**places, ("ed25519", 1): ["PendingDeletion"]}
        [key] = keys_of(emulated_aws, service)["ed25519", 1]
        assert (key["DeletionDate"] - key["CreationDate"]).days in (29, 30)


def test_a_wallet_that_is_retired_never_signs_again_and_its_keys_end(emulated_aws: Aws, tmp_path: Path) -> None:
    with native(emulated_aws, tmp_path, HYPERKMS_GRACE_DAYS="0") as (service, _):
        for wallet, members in (("secp256k1", {"destroy": True}), ("ed25519", {})):
            assert service.post(f"/wallets/{wallet}/retire", members).status == 200
            assert refusal(sign(service, wallet)) == (403, "wallet-retired")
            again = service.post(f"/wallets/{wallet}/retire", members)
            assert again.status == 200, "asked for again, it answers the same"
        ended = {(wallet, 1): ["PendingDeletion"] for wallet in KEY_TYPES}
        until(lambda: states(emulated_aws, service) == ended)


def test_a_deletion_that_aws_refuses_is_tried_again_by_the_sweep(emulated_aws: Aws, tmp_path: Path) -> None:
    with bad_day(emulated_aws, tmp_path) as (service, spoiler, _):
        spoiler.spoil_all("denied", "ScheduleKeyDeletion")
        retired = service.post("/wallets/secp256k1/retire", {"destroy": True})
        assert retired.status == 200, retired.body
        assert "destroyedAt" not in retired.json["versions"][0]
        assert states(emulated_aws, service) == {("secp256k1", 1): ["Disabled"]}
        assert any("kms-key-left" in line for line in service.lines)
        spoiler.heal()
        again = service.post("/wallets/secp256k1/retire", {"destroy": True})
        assert "destroyedAt" in again.json["versions"][0]
        assert states(emulated_aws, service) == {("secp256k1", 1): ["PendingDeletion"]}
