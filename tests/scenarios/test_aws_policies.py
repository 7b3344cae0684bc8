"""A service lives under the policies of docs/aws.md and needs every right that they give."""

import copy
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hyperkms.metrics.catalogue import AWS_OPERATIONS
from support import custody, databases
from support.aws import Aws
from support.aws_gate import Gate, guarded
from support.commands import run
from support.first_system import FirstSystem
from support.iam import Policy, listed, policy
from support.service import Service

pytestmark = [
    custody.needs(custody.FILE, because="it names the places of keys itself"),
    databases.needs(databases.SQLITE, because="it names the places of keys itself"),
]

CALLED = {f"{service}:{operation}" for service, operation in AWS_OPERATIONS}


@contextmanager
def policies_around(aws: Aws, folder: Path, *, without: str = "") -> Iterator[tuple[Gate, dict[str, str]]]:
    """All policies that judge a call of the service, and the settings with which it meets them."""
    names = {"key_id": aws.key_id, "prefix": f"{folder.name}/"}
    role: Any = copy.deepcopy(policy("service-role.json", **names))
    for statement in role["Statement"]:
        actions = statement["Action"]
        statement["Action"] = [each for each in ([actions] if isinstance(actions, str) else actions) if each != without]
    guard = policy("account-guard.json", **names)
    policies = {
        "kms": [role, policy("root-key-policy.json", **names), policy("endpoint-kms.json", **names), guard],
        "secretsmanager": [role, policy("endpoint-secretsmanager.json", **names), guard],
    }
    with guarded(aws.url, policies) as gate:
        yield gate, aws.settings(SECRETS_PREFIX=names["prefix"], AWS_ENDPOINT_URL=gate.url, HYPERKMS_KEY_LEASE="strict")


@contextmanager
def under_the_policies(aws: Aws, folder: Path, *, without: str = "") -> Iterator[tuple[Service, Gate]]:
    """A service whose calls all of them judge."""
    with (
        policies_around(aws, folder, without=without) as (gate, settings),
        Service.start(folder / "data", **settings) as service,
    ):
        yield service, gate


def test_the_whole_life_of_wallets_passes_and_uses_every_right(emulated_aws: Aws, tmp_path: Path) -> None:
    with under_the_policies(emulated_aws, tmp_path) as (service, gate):
        service.generate("bytes")
        service.generate("bot", keyType="secp256k1")
        for done in (
            service.post("/wallets/sign", {"walletId": "bytes", "message": "hello"}),
            service.post("/hyperliquid/sign", {"walletId": "bot", "action": {"type": "noop"}}),
            service.post("/wallets/rotate", {"walletId": "bytes"}),
            service.post("/wallets/sign", {"walletId": "bytes", "message": "hello"}),
            service.post("/wallets/bytes/retire", {"destroy": True}),
        ):
            assert done.status == 200, done.body
    assert gate.stopped == set()
    assert gate.passed == CALLED


@pytest.mark.parametrize("right", ["kms:GenerateDataKey", "kms:Decrypt", "kms:DescribeKey"])
def test_without_a_right_on_the_key_nothing_starts(emulated_aws: Aws, tmp_path: Path, right: str) -> None:
    with (
        pytest.raises(AssertionError, match="kms-access-denied"),
        under_the_policies(emulated_aws, tmp_path, without=right),
    ):
        pass


@pytest.mark.parametrize("right", ["secretsmanager:CreateSecret", "secretsmanager:GetSecretValue"])
def test_without_a_right_on_the_secrets_the_answer_names_it(emulated_aws: Aws, tmp_path: Path, right: str) -> None:
    with under_the_policies(emulated_aws, tmp_path, without=right) as (service, _):
        made = service.post("/wallets/generate", {"walletId": "bytes"})
        refused = (
            made if made.status != 200 else service.post("/wallets/sign", {"walletId": "bytes", "message": "hello"})
        )
    assert (refused.status, refused.json["code"], refused.json["right"]) == (503, "secrets-access-denied", right)


def test_the_doctor_finds_every_right_under_the_policies(emulated_aws: Aws, tmp_path: Path) -> None:
    with policies_around(emulated_aws, tmp_path) as (gate, settings):
        with Service.start(tmp_path / "data", **settings):
            pass
        words = ("doctor", "--aws", "--json", "--data", str(tmp_path / "data"))
        found = json.loads(run(*words, cwd=tmp_path, **settings).stdout)
    assert {each["what"] for each in found if each["what"] in CALLED and each["verdict"] == "good"} == CALLED
    assert gate.stopped == set()


@contextmanager
def around_a_reseal(aws: Aws, folder: Path, new: str, *, without: str = "") -> Iterator[tuple[Gate, dict[str, str]]]:
    """The policies with the new root key beside the old one, of which the role only unwraps data keys any more."""
    prefix = f"{folder.name}/"
    of_old, of_new = ({"key_id": key, "prefix": prefix} for key in (aws.key_id, new))
    role: Any = {"Statement": copy.deepcopy([*_statements("service-role.json", of_old)])}
    role["Statement"][1]["Action"] = "kms:Decrypt"
    added: Any = copy.deepcopy([*_statements("service-role.json", of_new)])
    for statement in added:
        statement["Action"] = [each for each in listed(statement["Action"]) if each != without]
    role["Statement"] += added
    endpoint = {"Statement": [*_statements("endpoint-kms.json", of_old), *_statements("endpoint-kms.json", of_new)]}
    guards = [policy("account-guard.json", **names) for names in (of_old, of_new)]
    policies = {
        "kms": [role, policy("root-key-policy.json", **of_new), endpoint, *guards],
        "secretsmanager": [role, policy("endpoint-secretsmanager.json", **of_old), *guards],
    }
    with guarded(aws.url, policies) as gate:
        yield gate, aws.settings(SECRETS_PREFIX=prefix, AWS_ENDPOINT_URL=gate.url)


def _statements(name: str, names: Mapping[str, str]) -> Sequence[Policy]:
    found: Sequence[Policy] = policy(name, **names)["Statement"]
    return found


def test_another_root_key_needs_what_a_service_needs_and_the_unwrapping_under_the_old_one(
    emulated_aws: Aws, tmp_path: Path
) -> None:
    with under_the_policies(emulated_aws, tmp_path) as (service, _):
        service.generate("bytes")
    new = emulated_aws.make_key()
    reseal = ("wallet", "reseal", "--root-key", f"aws-kms:{new}", "--data", str(tmp_path / "data"))
    for right in ("kms:GenerateDataKey", "kms:Decrypt"):
        with around_a_reseal(emulated_aws, tmp_path, new, without=right) as (gate, settings):
            told = run(*reseal, cwd=tmp_path, **settings)
            assert told.returncode == 1
            assert f"lack the right {right}" in told.stderr.decode(), told.stderr
            assert gate.stopped == {right}
    with around_a_reseal(emulated_aws, tmp_path, new) as (gate, settings):
        both = {
            "HYPERKMS_ROOT_KEY": f"aws-kms:{new}",
            "HYPERKMS_ROOT_KEY_BEFORE": f"aws-kms:{emulated_aws.key_id}",
            "HYPERKMS_KEY_STORE": "aws-secrets-manager:",
        }
        doctor = ("doctor", "--aws", "--json", "--data", str(tmp_path / "data"))
        found = {
            each["what"]: each["verdict"] for each in json.loads(run(*doctor, cwd=tmp_path, **settings, **both).stdout)
        }
        under_old = {f"kms:{right} under HYPERKMS_ROOT_KEY_BEFORE" for right in ("DescribeKey", "Decrypt")}
        assert {what for what, verdict in found.items() if verdict == "good"} >= CALLED | under_old
        assert run(*reseal, cwd=tmp_path, **settings).returncode == 0
        assert gate.stopped == set()
        done = run(*doctor, cwd=tmp_path, **settings, **both).stdout.decode()
        assert "leave HYPERKMS_ROOT_KEY_BEFORE out" in done
    assert f"{tmp_path.name}/hyperkms/bytes/v1/r1" in emulated_aws.secrets()


@contextmanager
def around_an_import(first: FirstSystem, *, without: str = "") -> Iterator[tuple[Gate, dict[str, str]]]:
    """The service's role with what an import needs beside; the first system's key is another than the root key."""
    names = {"key_id": first.aws.key_id, "first_system_key_id": first.kms_key, "prefix": first.prefix}
    role, beside = policy("service-role.json", **names), policy("first-system-import.json", **names)
    added = [each for each in beside["Statement"] if each["Action"] != without]
    both = {"Statement": [*role["Statement"], *added]}
    with guarded(first.aws.url, {"kms": [both], "secretsmanager": [both]}) as gate:
        settings = first.aws.settings(SECRETS_PREFIX=first.prefix, AWS_ENDPOINT_URL=gate.url)
        yield gate, {**settings, "HYPERKMS_FIRST_SYSTEM_KEY": first.kms_key}


def of_the_first_system(gate: Gate, first: FirstSystem) -> set[str]:
    """The actions on its secrets and its key, or on no resource."""
    own = f":secret:{first.prefix}hyperkms/", f":key/{first.aws.key_id}"
    return {call.action for call in gate.calls if not any(name in call.resource for name in own)}


def test_an_import_lists_describes_gets_and_decrypts_and_nothing_else(emulated_aws: Aws, tmp_path: Path) -> None:
    first = FirstSystem(emulated_aws, f"{tmp_path.name}/", emulated_aws.make_key())
    for wallet in ("a", "b"):
        first.wallet(wallet, 2)
    looked = {"secretsmanager:ListSecrets", "secretsmanager:GetSecretValue"}
    decrypted = looked | {"kms:DescribeKey", "kms:Decrypt"}
    with around_an_import(first) as (gate, settings):
        for words, status, called in (((), 0, looked), (("--check",), 0, decrypted), (("--apply",), 0, decrypted)):
            gate.calls.clear()
            command = ("wallet", "import-first-system", *words, "--data", "data")
            done = run(*command, cwd=tmp_path, **settings)
            assert done.returncode == status, done.stderr
            assert of_the_first_system(gate, first) == called, words
        assert gate.stopped == set()
    assert first.standing() == first.written


@pytest.mark.parametrize("right", ["secretsmanager:GetSecretValue", "kms:DescribeKey", "kms:Decrypt"])
def test_without_a_right_an_import_names_it_and_imports_nothing(emulated_aws: Aws, tmp_path: Path, right: str) -> None:
    first = FirstSystem(emulated_aws, f"{tmp_path.name}/", emulated_aws.make_key())
    first.wallet("a")
    with around_an_import(first, without=right) as (_, settings):
        done = run("wallet", "import-first-system", "--apply", "--json", "--data", "data", cwd=tmp_path, **settings)
        assert done.returncode == (1 if "Secret" in right else 3), done.stderr
        told = done.stderr.decode() if "Secret" in right else json.loads(done.stdout)["wallets"][0]["reason"]
        assert right in told
        assert run("wallet", "list", "--data", "data", cwd=tmp_path, **settings).stdout == b""
