"""Wallets with keys in AWS KMS live under the policies of docs/aws.md and need every right that they give."""

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hyperkms.metrics.catalogue import NATIVE_OPERATIONS
from support import custody
from support.aws import Aws
from support.aws_gate import Gate, guarded
from support.commands import run
from support.iam import policy
from support.kms_signer import signing
from support.native_wallets import KEY_TYPES, NATIVE, settings
from support.service import Service

pytestmark = custody.needs(custody.FILE, because="it names the places of keys itself")

LOOKED_FOR = {"kms:ListKeys"}
"""What is called where a call was cut off alone."""
CALLED = {f"{service}:{operation}" for service, operation in NATIVE_OPERATIONS} | {"kms:TagResource"}


@contextmanager
def policies_around(aws: Aws, folder: Path, *, without: str = "") -> Iterator[tuple[Gate, dict[str, str]]]:
    """All policies that judge a call of the service, and the settings with which it meets them."""
    names = {"key_id": aws.key_id, "prefix": f"{folder.name}/"}
    role, added = policy("service-role.json", **names), copy.deepcopy(policy("kms-native.json", **names))
    for statement in added["Statement"]:
        actions = statement["Action"]
        statement["Action"] = [each for each in ([actions] if isinstance(actions, str) else actions) if each != without]
    both: Any = {"Statement": [*role["Statement"], *added["Statement"]]}
    judged = {"kms": [both, policy("endpoint-kms-native.json", **names), policy("account-guard.json", **names)]}
    with signing(aws.url) as signer, guarded(signer.url, judged) as gate:
        yield gate, settings(aws, gate.url, folder)


def test_the_whole_life_of_such_wallets_passes_and_uses_every_right(emulated_aws: Aws, tmp_path: Path) -> None:
    with policies_around(emulated_aws, tmp_path) as (gate, at), Service.start(tmp_path / "data", **at) as service:
        for key_type in KEY_TYPES:
            service.generate(key_type, keyType=key_type, **NATIVE)
            for done in (
                service.post("/wallets/sign", {"walletId": key_type, "message": "hello"}),
                service.post("/wallets/rotate", {"walletId": key_type}),
                service.post(f"/wallets/{key_type}/retire", {"destroy": True}),
            ):
                assert done.status == 200, done.body
        versions = service.get("/wallets/ed25519/versions").json["versions"]
        assert all("destroyedAt" in version for version in versions)
        assert gate.stopped == set()
        assert gate.passed >= CALLED - LOOKED_FOR


@pytest.mark.parametrize(
    "right", ["kms:CreateKey", "kms:TagResource", "kms:GetPublicKey", "kms:Sign", "kms:ListResourceTags"]
)
def test_without_a_right_no_wallet_is_made_and_the_answer_names_it(
    emulated_aws: Aws, tmp_path: Path, right: str
) -> None:
    with (
        policies_around(emulated_aws, tmp_path, without=right) as (_, at),
        Service.start(tmp_path / "data", **at) as service,
    ):
        refused = service.post("/wallets/generate", {"walletId": "w", **NATIVE})
        named = "kms:CreateKey" if right == "kms:TagResource" else right
        assert (refused.status, refused.json["code"], refused.json["right"]) == (503, "kms-access-denied", named)
        assert service.get("/wallets/w").status == 404


@pytest.mark.parametrize("missing", ["", "ListKeys", "ListResourceTags", "Sign", "ScheduleKeyDeletion", "CreateKey"])
def test_the_doctor_lives_the_life_of_a_key_and_names_the_right_that_is_missing(
    emulated_aws: Aws, tmp_path: Path, missing: str
) -> None:
    with policies_around(emulated_aws, tmp_path, without=f"kms:{missing}") as (gate, at):
        with Service.start(tmp_path / "data", **at):
            pass
        words = ("doctor", "--aws", "--kms-native", "--json", "--data", str(tmp_path / "data"))
        done = run(*words, cwd=tmp_path, **at)
        found = json.loads(done.stdout)
        wrong = [each for each in found if each["verdict"] == "bad"]
        if not missing:
            assert wrong == []
            assert gate.passed >= CALLED
            assert gate.stopped <= {"kms:ListResourceTags"}, "on keys of others, which it looks through"
        else:
            assert any(f"kms:{missing}" in each["what"] for each in wrong)
            left = [each for each in wrong if "still there" in each["words"]]
            assert bool(left) == (missing == "ScheduleKeyDeletion")
