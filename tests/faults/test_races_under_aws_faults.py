"""Processes make and rotate one wallet while AWS has a bad day: one key, no gap, and whatever was told stands."""

import os
import random
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from hyperkms._core import verify_ed25519
from support import databases
from support.aws import Aws
from support.aws_faults import FAULTS, Spoiler, spoiled
from support.keep_alive import Line, line_to
from support.service import Answer, Service
from support.signing_clients import ROOM

RACES = int(os.environ.get("HYPERKMS_TEST_AWS_RACES", "6"))
"""Rotations; 1,000 outside CI, by 8 processes."""
PROCESSES = 8 if RACES > 100 else 3
OPERATIONS = ("GenerateDataKey", "Decrypt", "CreateSecret", "GetSecretValue", "DeleteSecret")
QUICK = [fault for fault in FAULTS if fault != "hang"]
"""A call that hangs takes 4 s: one is met in each so many."""
HANGS_OF = 100
EVERY_S = 0.05
AGAIN_S = 0.05
WALLET = "raced"
LOST = {"wallet-exists", "wallet-changed"}


@pytest.fixture(params=[databases.SQLITE, databases.POSTGRESQL])
def services(
    request: pytest.FixtureRequest, emulated_aws: Aws, tmp_path: Path
) -> Iterator[tuple[Sequence[Service], Spoiler]]:
    """Processes on one data directory, with AWS behind what spoils it."""
    with databases.on(request.param), spoiled(emulated_aws.url) as spoiler, ExitStack() as stack:
        settings = emulated_aws.settings(
            SECRETS_PREFIX=f"{tmp_path.name}/",
            AWS_ENDPOINT_URL=spoiler.url,
            HYPERKMS_KEY_STORE="aws-secrets-manager:",
            HYPERKMS_KEY_LEASE="strict",
            **ROOM,
        )
        data = tmp_path / "data"
        yield [stack.enter_context(Service.start(data, **settings)) for _ in range(PROCESSES)], spoiler


@contextmanager
def a_bad_day(spoiler: Spoiler) -> Iterator[None]:
    """Within this block the next call of some operation meets a fault, again and again."""
    chosen, ended = random.Random(7), threading.Event()  # noqa: S311 (the same day each time)

    def spoil() -> None:
        while not ended.wait(EVERY_S):
            fault = "hang" if not chosen.randrange(HANGS_OF) else chosen.choice(QUICK)
            spoiler.spoil(chosen.choice(OPERATIONS), fault)

    thread = threading.Thread(target=spoil)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        spoiler.heal()


def asked(line: Line, path: str, body: dict[str, object]) -> Answer:
    """What was decided: the request is repeated under its key for as long as it was refused for a fault."""
    key = secrets.token_hex(8)
    while True:
        answer = line.post(path, body, Idempotency_Key=key)
        if answer.status == 503 or (answer.status == 409 and answer.json["code"] == "request-in-progress"):
            time.sleep(AGAIN_S)
            continue
        assert answer.status == 200 or (answer.status == 409 and answer.json["code"] in LOST), answer.body
        return answer


@pytest.mark.timeout(240 + 3 * RACES)
def test_processes_that_make_and_rotate_one_wallet_under_faults_lose_no_key(
    services: tuple[Sequence[Service], Spoiler], emulated_aws: Aws
) -> None:
    running, spoiler = services
    share, start = -(-RACES // PROCESSES), threading.Barrier(PROCESSES)

    def race(service: Service) -> list[tuple[int, str]]:
        """Make the wallet, or see that another did, and rotate it until the share is done."""
        made = []
        with line_to(service) as line:
            start.wait()
            answer = asked(line, "/wallets/generate", {"walletId": WALLET})
            if answer.status == 200:
                made.append((1, answer.json["wallet"]["publicKey"]))
            won = 0
            while won < share:
                answer = asked(line, "/wallets/rotate", {"walletId": WALLET})
                if answer.status == 200:
                    won += 1
                    made.append((answer.json["rotation"]["newVersion"], answer.json["rotation"]["newPublicKey"]))
        return made

    with a_bad_day(spoiler), ThreadPoolExecutor(PROCESSES) as pool:
        told = sorted(one for made in pool.map(race, running) for one in made)
    assert [number for number, _ in told] == list(range(1, 2 + share * PROCESSES)), "each version was told of once"
    listed = running[0].get(f"/wallets/{WALLET}/versions").json["versions"]
    assert sorted((one["version"], one["publicKey"]) for one in listed) == told
    for number, public_key in told:
        service = running[number % PROCESSES]
        signed = service.post("/wallets/sign", {"walletId": WALLET, "message": "m", "version": number})
        assert signed.status == 200, signed.body
        verify_ed25519(bytes.fromhex(public_key[2:]), b"m", bytes.fromhex(signed.json["signature"][2:]))
    prefix = f"{running[0].data.parent.name}/hyperkms/{WALLET}/v"
    kept = {int(name.removeprefix(prefix)) for name in emulated_aws.secrets() if name.startswith(prefix)}
    assert kept >= {number for number, _ in told}
