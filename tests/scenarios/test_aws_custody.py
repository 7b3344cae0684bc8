"""A service whose root key is in AWS KMS, with its sealed keys in AWS Secrets Manager or in its database."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hyperkms._core import verify_ed25519
from support import custody, databases
from support.aws import Aws
from support.aws_faults import Spoiler, spoiled
from support.commands import run
from support.service import Service
from support.until import until

pytestmark = [
    custody.needs(custody.FILE, because="it names the places of keys itself"),
    databases.needs(databases.SQLITE, because="it names the places of keys itself"),
]

IN_AWS = {"HYPERKMS_KEY_STORE": ""}
IN_SQLITE = {"HYPERKMS_KEY_STORE": "sqlite:"}
ORDER = {"a": 1, "b": True, "p": "2900.5", "s": "0.1", "r": False, "t": {"limit": {"tif": "Gtc"}}}


def sign(service: Service, wallet: str, **members: object) -> Any:
    return service.post("/wallets/sign", {"walletId": wallet, "message": "hello", **members})


def signs(service: Service, wallet: str, **members: object) -> bool:
    answer = sign(service, wallet, **members)
    if answer.status != 200:
        return False
    body = answer.json
    public_key, signature = (bytes.fromhex(body[name].removeprefix("0x")) for name in ("publicKey", "signature"))
    verify_ed25519(public_key, b"hello", signature)
    return True


def calls(service: Service) -> dict[str, int]:
    """Calls of AWS that came through, by operation."""
    page = service.get("/metrics").body.decode()
    found, timed = (
        re.findall(rf'^hyperkms_aws_{name}\{{.*operation="(\w+)",outcome="ok"\}} (\d+)', page, re.MULTILINE)
        for name in ("calls_total", "call_seconds_count")
    )
    assert timed == found, "each has its time"
    return {operation: int(number) for operation, number in found}


@pytest.mark.parametrize("store", [IN_AWS, IN_SQLITE], ids=["aws-secrets-manager", "sqlite"])
def test_the_life_of_wallets_over_a_restart(emulated_aws: Aws, tmp_path: Path, store: dict[str, str]) -> None:
    prefix = f"{tmp_path.name}/"
    settings = emulated_aws.settings(SECRETS_PREFIX=prefix, HYPERKMS_GRACE_DAYS="1", **store)
    with Service.start(tmp_path / "data", **settings) as service:
        service.generate("bytes")
        service.generate("bot", keyType="secp256k1")
        assert signs(service, "bytes")
        rotated = service.post("/wallets/rotate", {"walletId": "bytes"})
        assert rotated.status == 200, rotated.body
        assert signs(service, "bytes")
        assert signs(service, "bytes", version=1)
        assert service.post("/wallets/generate", {"walletId": "bot"}).status == 409
        in_aws = {f"{prefix}hyperkms/bytes/v1", f"{prefix}hyperkms/bytes/v2", f"{prefix}hyperkms/bot/v1"}
        kept = {name for name in emulated_aws.secrets() if name.startswith(prefix)}
        assert kept == (in_aws if store is IN_AWS else set())
        assert not (tmp_path / "data" / "root.key").exists()
    with Service.start(tmp_path / "data", **settings) as service:
        assert signs(service, "bytes")
        assert signs(service, "bytes", version=1)
        retired = service.post("/wallets/bytes/retire", {"destroy": True})
        assert retired.status == 200, retired.body
        assert not signs(service, "bytes")
        kept = {name for name in emulated_aws.secrets() if name.startswith(prefix)}
        assert kept == ({f"{prefix}hyperkms/bot/v1"} if store is IN_AWS else set())


def test_another_key_or_another_place_is_refused_at_the_start(emulated_aws: Aws, tmp_path: Path) -> None:
    prefix = f"{tmp_path.name}/"
    with Service.start(tmp_path / "data", **emulated_aws.settings(SECRETS_PREFIX=prefix)) as service:
        service.generate("bytes")
    other = emulated_aws.settings(SECRETS_PREFIX=prefix, AWS_KMS_KEY_ID=emulated_aws.make_key())
    for settings, code in (
        (other, "wrong-root-key"),
        (emulated_aws.settings(SECRETS_PREFIX="elsewhere/"), "wrong-key-store"),
        (emulated_aws.settings(AWS_KMS_KEY_ID="00000000-0000-0000-0000-000000000000"), "kms-key-not-found"),
        (emulated_aws.settings(AWS_ENDPOINT_URL="http://198.51.100.1"), "aws-endpoint-refused"),
        (emulated_aws.settings(AWS_ENDPOINT_URL="http://127.0.0.1:9"), "kms-unreachable"),
        (emulated_aws.settings(AWS_REGION="", AWS_DEFAULT_REGION=""), "malformed-setting"),
        (emulated_aws.settings(AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY=""), "aws-credentials"),
    ):
        with pytest.raises(AssertionError, match=code), Service.start(tmp_path / "data", **settings):
            pass


def test_calls_of_aws_are_counted_by_the_life_of_leases(emulated_aws: Aws, tmp_path: Path) -> None:
    settings = emulated_aws.settings(SECRETS_PREFIX=f"{tmp_path.name}/")
    with Service.start(tmp_path / "data", **settings) as service:
        service.generate("bytes")
        before = calls(service)
        for _ in range(50):
            assert signs(service, "bytes")
        after = calls(service)
    opened = {name: after[name] - before[name] for name in after}
    assert {name: number for name, number in opened.items() if number} == {"Decrypt": 1, "GetSecretValue": 1}


@pytest.fixture
def bad_day(emulated_aws: Aws) -> Iterator[Spoiler]:
    """What stands in front of the emulator, and spoils what it is told to."""
    with spoiled(emulated_aws.url) as spoiler:
        yield spoiler


@contextmanager
def leased(aws: Aws, spoiler: Spoiler, folder: Path, lease: str) -> Iterator[Service]:
    """A service with such leases, and a wallet."""
    settings = aws.settings(SECRETS_PREFIX=f"{folder.name}/", AWS_ENDPOINT_URL=spoiler.url, HYPERKMS_KEY_LEASE=lease)
    with Service.start(folder / "data", **settings) as service:
        service.generate("bytes")
        assert signs(service, "bytes")
        yield service


def test_strict_asks_kms_for_every_request(emulated_aws: Aws, bad_day: Spoiler, tmp_path: Path) -> None:
    with leased(emulated_aws, bad_day, tmp_path, "strict") as service:
        before = calls(service)["Decrypt"]
        for _ in range(10):
            assert signs(service, "bytes")
        assert calls(service)["Decrypt"] - before == 10
        bad_day.spoil_all("disabled", "Decrypt")
        answer = sign(service, "bytes")
        assert (answer.status, answer.json["code"]) == (503, "kms-key-disabled"), answer.body
        assert "retry-after" not in answer.headers
        bad_day.heal()
        assert signs(service, "bytes")


def test_a_lease_is_renewed_while_the_key_is_used(emulated_aws: Aws, bad_day: Spoiler, tmp_path: Path) -> None:
    with leased(emulated_aws, bad_day, tmp_path, "4") as service:
        before, end = calls(service), time.monotonic() + 8
        while time.monotonic() < end:
            assert signs(service, "bytes")
            time.sleep(0.05)
        after = calls(service)
        assert after["GetSecretValue"] == before["GetSecretValue"], "it was never let go"
        assert after["Decrypt"] - before["Decrypt"] >= 2
        last = bad_day.asked["Decrypt"]
        time.sleep(6)
        assert bad_day.asked["Decrypt"] <= last + 1, "nobody uses it, and nobody renews it"


@pytest.mark.parametrize(("fault", "code"), [("disabled", "kms-key-disabled"), ("denied", "kms-access-denied")])
def test_a_right_that_is_taken_away_ends_what_was_opened(
    emulated_aws: Aws, bad_day: Spoiler, tmp_path: Path, fault: str, code: str
) -> None:
    with leased(emulated_aws, bad_day, tmp_path, "4") as service:
        bad_day.spoil_all(fault, "Decrypt", "DescribeKey")
        until(lambda: sign(service, "bytes").status == 503)
        answer = sign(service, "bytes")
        assert answer.json["code"] == code
        assert "somebody" not in answer.body.decode(), "AWS's own words"
        until(lambda: service.get("/ready").status == 503)
        bad_day.heal()
        assert signs(service, "bytes")
        until(lambda: service.get("/ready").status == 200)


def test_while_kms_is_away_a_lease_is_used_to_its_end_and_nothing_after(
    emulated_aws: Aws, bad_day: Spoiler, tmp_path: Path
) -> None:
    with leased(emulated_aws, bad_day, tmp_path, "4") as service:
        assert signs(service, "bytes")
        bad_day.spoil_all("hang", "Decrypt")
        assert signs(service, "bytes"), "its lease runs"
        until(lambda: sign(service, "bytes").status == 503)
        answer = sign(service, "bytes")
        assert (answer.status, answer.json["code"]) == (503, "kms-unreachable"), answer.body
        assert answer.headers["retry-after"]
        assert sign(service, "nobody").status == 404, "what needs no key is answered"
        bad_day.heal()
        until(lambda: signs(service, "bytes"))


def test_no_answer_and_no_line_repeats_what_aws_says(emulated_aws: Aws, tmp_path: Path) -> None:
    """Its messages name accounts, roles and resources; ours name the KMS key and the secret, and nothing more."""
    settings = emulated_aws.settings(SECRETS_PREFIX=f"{tmp_path.name}/", HYPERKMS_KEY_LEASE="strict", LOG_LEVEL="debug")
    with Service.start(tmp_path / "data", **settings) as service:
        service.generate("bytes")
        secret = emulated_aws.client("secretsmanager")
        secret.delete_secret(SecretId=f"{tmp_path.name}/hyperkms/bytes/v1", ForceDeleteWithoutRecovery=True)
        answer = sign(service, "bytes")
        assert (answer.status, answer.json["code"]) == (500, "sealed-key-missing"), answer.body
    text = json.dumps(service.lines) + answer.body.decode()
    for said in ("can't find", settings["AWS_SECRET_ACCESS_KEY"], "AKIA", "Signature="):
        assert said not in text


def test_the_doctor_names_the_right_that_is_missing(emulated_aws: Aws, bad_day: Spoiler, tmp_path: Path) -> None:
    settings = emulated_aws.settings(SECRETS_PREFIX=f"{tmp_path.name}/", AWS_ENDPOINT_URL=bad_day.url)
    with Service.start(tmp_path / "data", **settings):
        pass

    def verdicts() -> dict[str, str]:
        words = ["doctor", "--aws", "--json", "--data", str(tmp_path / "data")]
        return {found["what"]: found["verdict"] for found in json.loads(run(*words, cwd=tmp_path, **settings).stdout)}

    rights = {"kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt"}
    rights |= {f"secretsmanager:{name}" for name in ("CreateSecret", "GetSecretValue", "DeleteSecret")}
    found = verdicts()
    assert {right: found[right] for right in rights} == dict.fromkeys(rights, "good")
    for missing in ("GenerateDataKey", "Decrypt", "GetSecretValue", "DeleteSecret"):
        bad_day.spoil_all("denied", missing)
        found = verdicts()
        assert [right for right in found if found[right] == "bad" and right in rights] == [
            right for right in rights if right.endswith(f":{missing}")
        ]
        bad_day.heal()
    left = [name for name in emulated_aws.secrets() if name.startswith(f"{tmp_path.name}/hyperkms/doctor-")]
    assert len(left) == 1, "a probe stays only where it may not be removed"
