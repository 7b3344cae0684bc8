"""A service that is killed at random moments of rotating and retiring loses nothing that it told anybody."""

import http.client
import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from support.keep_alive import Line, line_to
from support.service import Service

ROUNDS = int(os.environ.get("HYPERKMS_TEST_KILLS", "5"))
"""Kills at random moments; more of them outside CI."""
BOTS = 3
KEY_TYPES = ("ed25519", "secp256k1")
UNLIMITED = {f"HYPERKMS_LIMIT_{what}": "100000/s" for what in ("GENERATE", "ROTATE", "READ", "SIGN")}


@dataclass
class Told:
    """What the bots were answered before the service died."""

    versions: dict[str, dict[int, str]] = field(default_factory=dict)
    """Public keys by version, by wallet."""
    retired: set[str] = field(default_factory=set)


def work_until_killed(service: Service, bot: str, told: Told, begun: threading.Event) -> None:
    """Make wallets, rotate each a few times, and retire every third, until the connection breaks."""
    try:
        with line_to(service) as line:
            for number in range(10_000):
                live_one_life(line, f"{bot}-{number}", number, told)
                begun.set()
    except (OSError, http.client.HTTPException):
        begun.set()


def live_one_life(line: Line, wallet: str, number: int, told: Told) -> None:
    made = line.post("/wallets/generate", {"walletId": wallet, "keyType": KEY_TYPES[number % 2]})
    assert made.status == 200, made.body
    told.versions[wallet] = {1: made.json["wallet"]["publicKey"]}
    for turn in range(3):
        rotated = line.post("/wallets/rotate", {"walletId": wallet, **({"activate": True} if turn else {})})
        assert rotated.status == 200, rotated.body
        rotation = rotated.json["rotation"]
        told.versions[wallet][rotation["newVersion"]] = rotation["newPublicKey"]
    if number % 3 == 0:
        assert line.post(f"/wallets/{wallet}/retire", {"destroy": number % 2 == 0}).status == 200
        told.retired.add(wallet)


def assert_stands(line: Line, told: Told) -> None:
    for wallet, keys in told.versions.items():
        body = line.get(f"/wallets/{wallet}/versions").json
        versions = body["versions"]
        assert [version["version"] for version in versions] == list(range(1, len(versions) + 1))
        assert {version["version"]: version["publicKey"] for version in versions}.items() >= keys.items()
        retired = "retiredAt" in line.get(f"/wallets/{wallet}").json["wallet"]
        assert retired or wallet not in told.retired
        states = [version["state"] for version in versions]
        assert states.count("active") == (0 if retired else 1)
        if not retired:
            for version in versions:
                assert_signs(line, wallet, version)


def assert_signs(line: Line, wallet: str, version: Any) -> None:
    answer = line.post("/wallets/sign", {"walletId": wallet, "message": "m", "version": version["version"]})
    if version["state"] == "pending":
        assert (answer.status, answer.json["code"]) == (403, "version-pending")
    else:
        assert (answer.status, answer.json["publicKey"]) == (200, version["publicKey"])


@pytest.mark.timeout(60 + 15 * ROUNDS)
def test_versions_made_while_the_service_is_killed_again_and_again_stand_and_sign(tmp_path: Path) -> None:
    data, chance, rounds = tmp_path / "data", random.Random(), [Told()]  # noqa: S311 (moments, not keys)
    for number in range(ROUNDS):
        with Service.start(data, **UNLIMITED) as service:
            with line_to(service) as line:
                assert_stands(line, rounds[-1])
            rounds.append(Told())
            begun = threading.Event()
            with ThreadPoolExecutor(BOTS) as pool:
                names = [f"r{number}-{bot}" for bot in range(BOTS)]
                bots = [pool.submit(work_until_killed, service, name, rounds[-1], begun) for name in names]
                begun.wait()
                threading.Timer(chance.uniform(0, 0.5), service.process.kill).start()
                for bot in bots:
                    bot.result()
            service.kill()
    with Service.start(data, **UNLIMITED) as service, line_to(service) as line:
        for told in rounds:
            assert_stands(line, told)
    assert sum(len(keys) for told in rounds for keys in told.versions.values()) > ROUNDS
