"""The first system's demo scripts: they pass on the real service, and fail on one that gets anything wrong."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from support.distorted import Distort, distorted
from support.mpc import service_in_shares
from support.service import NOWHERE, Answer, Service, command

TESTS = Path(__file__).parents[1]
SCRIPTS = ("demo-test.sh", "mpc-demo-test.sh")
pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the scripts need curl")


def _run(script: str, *arguments: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    words = ["bash", str(TESTS / script), *arguments]
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/"),
        "HYPERKMS": command()[0],
        **settings,
    }
    return subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def rotation(shared_service: Service) -> dict[str, str]:
    """A service whose description has no rotation is not asked for it."""
    there = "/wallets/rotate" in shared_service.get("/openapi.json").json["paths"]
    return {} if there else {"DEMO_WITHOUT_ROTATION": "1"}


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_pass_on_a_service_of_their_own(script: str, rotation: dict[str, str]) -> None:
    done = _run(script, HYPERKMS_TESTNET_URL=NOWHERE, HYPERKMS_MAINNET_URL=NOWHERE, **rotation)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "FAILED" not in done.stdout
    assert done.stdout.splitlines()[-1].endswith("checks ok")


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_scripts_pass_on_a_service_that_is_named(service: Service, script: str, rotation: dict[str, str]) -> None:
    done = _run(script, service.url + "/", HYPERKMS_API_KEY=service.key, **rotation)
    assert done.returncode == 0, done.stdout + done.stderr
    assert service.key not in done.stdout + done.stderr


@pytest.fixture(scope="module")
def in_shares(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service_in_shares(tmp_path_factory.mktemp("mpc")) as running:
        yield running


def test_the_mpc_script_checks_a_service_in_which_it_is_on(in_shares: Service) -> None:
    done = _run("mpc-demo-test.sh", in_shares.url, HYPERKMS_API_KEY=in_shares.key)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "29000 USD, 10000 and more: the wallet in shares signs" in done.stdout
    assert "580 USD, less than 10000: the wallet with a single key signs" in done.stdout
    assert in_shares.key not in done.stdout + done.stderr


def test_the_mpc_script_of_a_service_of_its_own_is_told_when_it_is_to_be_off() -> None:
    done = _run("mpc-demo-test.sh", MPC_ENABLED="false", HYPERKMS_TESTNET_URL=NOWHERE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "threshold signing is off here" in done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
def test_without_a_key_a_named_service_is_not_checked(script: str) -> None:
    done = _run(script, NOWHERE)
    assert (done.returncode, "HYPERKMS_API_KEY" in done.stderr) == (2, True)


@pytest.mark.parametrize("script", SCRIPTS)
def test_where_nobody_answers_the_scripts_fail(script: str) -> None:
    done = _run(script, NOWHERE, HYPERKMS_API_KEY="none")
    assert done.returncode == 1
    assert "FAILED" in done.stdout


def _status(path: str, status: int, instead: int) -> Distort:
    def distort(_method: str, asked: str, answer: Answer) -> Answer:
        return replace(answer, status=instead) if (asked, answer.status) == (path, status) else answer

    return distort


def _body(path: str, old: bytes, new: bytes) -> Distort:
    def distort(_method: str, asked: str, answer: Answer) -> Answer:
        return replace(answer, body=answer.body.replace(old, new)) if asked.startswith(path) else answer

    return distort


def _drawn_anew() -> Distort:
    """Each signature differs from the one before."""
    seen: Iterator[int] = iter(range(10, 100))

    def distort(_method: str, asked: str, answer: Answer) -> Answer:
        if asked != "/wallets/sign":
            return answer
        return replace(answer, body=re.sub(rb'("signature":"0x)..', rb"\g<1>%d" % next(seen), answer.body))

    return distort


WRONG: dict[str, tuple[str, Distort]] = {
    "everything is answered 200": ("demo-test.sh", lambda _m, _p, answer: replace(answer, status=200)),
    "everything is answered with an empty object": ("demo-test.sh", lambda _m, _p, answer: replace(answer, body=b"{}")),
    "a wallet is made twice": ("demo-test.sh", _status("/wallets/generate", 409, 200)),
    "nobody is turned away": ("demo-test.sh", _status("/wallets", 401, 200)),
    "an unready service": ("demo-test.sh", _status("/ready", 200, 503)),
    "a public key of another length": ("demo-test.sh", _body("/wallets/demo", b'"publicKey":"0x', b'"publicKey":"0x0')),
    "a signature that is not the same again": ("demo-test.sh", _drawn_anew()),
    "a list without the wallet": ("demo-test.sh", _body("/wallets?", b'"walletId":"demo-', b'"walletId":"other-')),
    "another sentence for a missing member": ("demo-test.sh", _body("/wallets/sign", b"are required", b"are due")),
    "a code without an explanation": ("demo-test.sh", _status("/problems/wallet-not-found", 200, 404)),
    "an MPC route that seems to sign": ("mpc-demo-test.sh", _status("/mpc/wallets/sign", 400, 200)),
    "another sentence for MPC": (
        "mpc-demo-test.sh",
        _body("/mpc/wallets/rotate", b"MPC is not enabled", b"MPC is off"),
    ),
    "a status that says MPC is on": ("mpc-demo-test.sh", _body("/mpc/status", b":false", b":true")),
    "a status that says nothing": ("mpc-demo-test.sh", _body("/mpc/status", b"mpcEnabled", b"enabled")),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_one_wrong_answer_fails_the_script(service: Service, wrong: str, rotation: dict[str, str]) -> None:
    script, distort = WRONG[wrong]
    with distorted(service, distort) as url:
        done = _run(script, url, HYPERKMS_API_KEY=service.key, **rotation)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED" in done.stdout


WRONG_IN_SHARES: dict[str, Distort] = {
    "a wallet in shares is made twice": _status("/mpc/wallets/generate", 409, 200),
    "a receipt without its cosigners": _body("/mpc/wallets/sign", b'"cosigned"', b'"signed"'),
    "a status that calls DKLs23 audited": _body("/mpc/status", b'"secp256k1":false', b'"secp256k1":true'),
    "an order in shares that never ends": _body(
        "/hyperliquid/sign", b'"expiresAfter":17', b'"expiresAfter":null,"x":17'
    ),
}


@pytest.mark.parametrize("wrong", WRONG_IN_SHARES)
def test_one_wrong_answer_of_a_wallet_in_shares_fails_the_script(in_shares: Service, wrong: str) -> None:
    with distorted(in_shares, WRONG_IN_SHARES[wrong]) as url:
        done = _run("mpc-demo-test.sh", url, HYPERKMS_API_KEY=in_shares.key)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED" in done.stdout
