"""No private key of the first system is in the memory of what imports it, nor the text in which KMS hands it out."""

import base64
import sys
from pathlib import Path

import pytest

from support.aws import Aws
from support.first_system import FirstSystem, Pair
from support.memory_scan import Scanner, files_below
from support.sealed_key_reader import Secret
from support.service import Service

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read through /proc, which is Linux")

WALLETS = 20


def secrets_of(name: str, pair: Pair) -> dict[str, Secret]:
    """The seed, and a part of the answer of KMS that has no digit of the public key in it."""
    answered = base64.b64encode(pair.secret_key[:60].encode())
    return {f"seed of {name}": pair.seed, f"answer with {name}": Secret(answered)}


def test_no_key_of_the_first_system_is_in_memory_in_answers_or_in_files(emulated_aws: Aws, tmp_path: Path) -> None:
    first = FirstSystem(emulated_aws, f"{tmp_path.name}/")
    pairs = {f"bot-{number}": first.wallet(f"bot-{number}")[0] for number in range(WALLETS)}
    halves = Pair("never sound")
    wrong = {
        "bad": Pair("another wallet's"),
        "cut": Pair("cut off"),
    }
    first.key("bad", 1, halves, encryptedPrivateKey=first.encrypted(wrong["bad"].secret_key))
    first.versions("bad", [halves])
    first.key("cut", 1, wrong["cut"], encryptedPrivateKey=first.encrypted(wrong["cut"].secret_key[:-2]))
    first.versions("cut", [wrong["cut"]])
    settings = emulated_aws.settings(SECRETS_PREFIX=first.prefix, HYPERKMS_MEMORY_LOCK="mlock", LOG_LEVEL="debug")
    named: dict[str, Secret] = {}
    for name, pair in {**pairs, **wrong}.items():
        named |= secrets_of(name, pair)
    said = []
    with Service.start(tmp_path / "data", **settings) as service:
        for name, status in {**dict.fromkeys(pairs, 200), **dict.fromkeys(wrong, 500)}.items():
            answer = service.post("/wallets/migrate", {"walletId": name})
            assert answer.status == status, answer.body
            said.append((name, answer.body))
        signed = service.post("/wallets/sign", {"walletId": "bot-0", "message": "m"})
        assert signed.json["signature"] == pairs["bot-0"].sign(b"m")
        planted = Secret(settings["AWS_SECRET_ACCESS_KEY"].encode())
        memory = Scanner({**named, "planted": planted}).look_into(service.process.pid)
    assert [hit for hit in memory.hits if hit.name != "planted"] == []
    assert [hit for hit in memory.hits if hit.name == "planted"], "the control: AWS credentials are ordinary memory"
    assert memory.unreadable == []
    said.append(("the log", "".join(service.lines).encode()))
    assert Scanner(named).look_at_all([*said, *files_below(tmp_path / "data")]) == []
