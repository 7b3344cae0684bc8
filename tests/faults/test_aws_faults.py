"""Each fault of AWS at each call: no key is lost, no version made twice, and what failed can be asked for again."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.aws import Aws, aws
from support.aws_faults import FAULTS, Spoiler, spoiled
from support.service import Answer, Service

OPERATIONS = ("GenerateDataKey", "Decrypt", "CreateSecret", "GetSecretValue", "DeleteSecret")
ROUNDS = int(os.environ.get("HYPERKMS_TEST_AWS_FAULTS", "0"))
"""0: the short form, each fault once at each call, and few of those that outlast every attempt."""
ATTEMPTS = 3
OUTLASTS_EVERY_ATTEMPT = 2 * ATTEMPTS
TOLD = {
    "aws-credentials",
    "kms-access-denied",
    "kms-answer-malformed",
    "kms-key-disabled",
    "kms-unavailable",
    "kms-unreachable",
    "secrets-access-denied",
    "secrets-answer-malformed",
    "secrets-unavailable",
}


@pytest.fixture(scope="module")
def emulator() -> Iterator[Aws]:
    with aws() as running:
        yield running


@pytest.fixture(scope="module")
def spoiler(emulator: Aws) -> Iterator[Spoiler]:
    with spoiled(emulator.url) as standing:
        yield standing


@pytest.fixture(scope="module")
def service(emulator: Aws, spoiler: Spoiler, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Strict, so that every signature asks; the fault is met by a call and not by a renewal."""
    folder: Path = tmp_path_factory.mktemp("faults")
    settings = emulator.settings(
        SECRETS_PREFIX="f/", AWS_ENDPOINT_URL=spoiler.url, HYPERKMS_KEY_LEASE="strict", HYPERKMS_GRACE_DAYS="0"
    )
    with Service.start(folder / "data", **settings) as running:
        yield running


class Caller:
    """Asks under an idempotency key, and once more without the fault if it was met."""

    def __init__(self, service: Service, spoiler: Spoiler, name: str, spoil: tuple[str, ...], operation: str) -> None:
        self._service, self._spoiler = service, spoiler
        self._name, self._spoil, self._operation = name, spoil, operation
        self.refused = 0

    def ask(self, path: str, body: dict[str, object]) -> Any:
        headers = {"X-API-Key": self._service.key, "Idempotency-Key": f"{self._name}-{path}-{body.get('message')}"}
        self._spoiler.spoil(self._operation, *self._spoil)
        answer = self._service.post(path, body, headers=headers)
        self._spoiler.heal()
        if answer.status != 200:
            self.refused += 1
            self._check(answer)
            time.sleep(int(answer.headers.get("retry-after", 0)))
            answer = self._service.post(path, body, headers=headers)
        assert answer.status == 200, (path, self._operation, self._spoil, answer.body)
        return answer.json

    def _check(self, answer: Answer) -> None:
        assert (answer.status, answer.json["code"] in TOLD) == (503, True), (self._operation, self._spoil, answer.body)
        assert "somebody" not in answer.body.decode(), "AWS's own words"


ONCE = [(fault, 1, operation) for fault in FAULTS for operation in OPERATIONS]
THROUGHOUT = [(fault, OUTLASTS_EVERY_ATTEMPT, operation) for fault, _, operation in ONCE]
FEW = [("throttled", OUTLASTS_EVERY_ATTEMPT, "Decrypt"), ("cut-after", OUTLASTS_EVERY_ATTEMPT, "CreateSecret")]


@pytest.mark.parametrize("case", [*ONCE, *(THROUGHOUT if ROUNDS else FEW)], ids=repr)
def test_a_wallet_lives_its_life_through_a_fault(
    service: Service, spoiler: Spoiler, emulator: Aws, case: tuple[str, int, str]
) -> None:
    fault, times, operation = case
    for number in range(max(ROUNDS, 1)):
        name = f"{fault}-{times}-{operation}-{number}"
        caller = Caller(service, spoiler, name, (fault,) * times, operation)
        made = caller.ask("/wallets/generate", {"walletId": name})["wallet"]
        first = caller.ask("/wallets/sign", {"walletId": name, "message": "one"})
        assert first["publicKey"] == made["publicKey"]
        rotated = caller.ask("/wallets/rotate", {"walletId": name})
        second = caller.ask("/wallets/sign", {"walletId": name, "message": "two"})
        assert second["publicKey"] != first["publicKey"]
        versions = service.get(f"/wallets/{name}/versions").json["versions"]
        assert sorted(version["version"] for version in versions) == [1, 2], rotated
        assert f"f/hyperkms/{name}/v2" in emulator.secrets()
        if times == 1 and fault in ("throttled", "too-many", "internal", "unavailable"):
            assert caller.refused == 0, "the next attempt does it"


def test_the_secrets_that_are_left_are_those_of_versions_that_sign(service: Service, emulator: Aws) -> None:
    kept = {name for name in emulator.secrets() if name.startswith("f/")}  # before: what is listed may end meanwhile
    wallets = service.get("/wallets").json["wallets"]
    listed = {
        f"f/hyperkms/{wallet['walletId']}/v{version['version']}"
        for wallet in wallets
        for version in service.get(f"/wallets/{wallet['walletId']}/versions").json["versions"]
        if version["state"] != "retired"
    }
    assert kept >= listed
