"""The published L1 vectors, through HTTP, with imported keys."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.commands import key_file, refusal, run
from support.keep_alive import line_to
from support.service import Service
from support.vectors import l1_cases

Case = dict[str, Any]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return l1_cases()


@pytest.fixture(scope="module")
def wallets(cases: list[Case]) -> dict[str, str]:
    """The wallet of each private key in the vectors."""
    keys = dict.fromkeys(str(case["privateKey"]) for case in cases)
    return {key: f"published-{number}" for number, key in enumerate(keys)}


@pytest.fixture(scope="module")
def data(wallets: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory into which every key of the vectors was imported, bound to no network."""
    folder = tmp_path_factory.mktemp("vectors")
    first, *others = wallets.items()
    _import(folder, *first)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: _import(folder, *item), others))
    return folder / "data"


def _import(folder: Path, key: str, wallet: str) -> None:
    file = key_file(folder / wallet, key)
    words = ("--key-type", "secp256k1", "--key-file", str(file), "--network", "any", "--data", str(folder / "data"))
    done = run("wallet", "import", wallet, *words, cwd=folder)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def replaying(data: Path) -> Iterator[Service]:
    with Service.start(data, HYPERKMS_REPLAY_VECTORS="1") as running:
        yield running


@pytest.fixture(scope="module")
def strict(data: Path) -> Iterator[Service]:
    with Service.start(data) as running:
        yield running


def _network(case: Case) -> str:
    return "mainnet" if case["isMainnet"] else "testnet"


def test_every_published_vector_of_an_l1_action_is_reproduced(
    replaying: Service, wallets: dict[str, str], cases: list[Case]
) -> None:
    reproduced = 0
    with line_to(replaying) as line:
        for case in cases:
            body = {
                "walletId": wallets[case["privateKey"]],
                "action": case["action"],
                "nonce": case["nonce"],
                "vaultAddress": case["vaultAddress"],
                "expiresAfter": case["expiresAfter"],
                "network": _network(case),
            }
            answer = line.post("/hyperliquid/sign", body)
            assert answer.status == 200, (case["name"], answer.body)
            signed = answer.json
            assert signed["signature"] == {"r": case["r"], "s": case["s"], "v": case["v"]}, case["name"]
            assert signed["receipt"]["digest"] == case["typedDataHash"], case["name"]
            assert signed["address"] == case["address"], case["name"]
            assert signed["action"] == case["action"], case["name"]
            told = (signed["nonce"], signed["vaultAddress"], signed["expiresAfter"])
            assert told == (case["nonce"], case["vaultAddress"], case["expiresAfter"]), case["name"]
            reproduced += 1
    assert reproduced == 63


def test_without_replay_exactly_the_eight_unnormalised_prices_and_what_is_no_trading_are_refused(
    strict: Service, wallets: dict[str, str], cases: list[Case]
) -> None:
    refused, signed, not_allowed = [], 0, 0
    with line_to(strict) as line:
        for case in cases:
            body = {"walletId": wallets[case["privateKey"]], "action": case["action"], "network": _network(case)}
            answer = line.post("/hyperliquid/sign", body)
            if answer.status == 200:
                signed += 1
                continue
            if answer.json["code"] == "action-not-allowed":
                not_allowed += 1
                assert answer.status == 403
                assert case["action"]["type"] in answer.json["detail"]
                continue
            refused.append((case["name"], answer.status, answer.json["code"], answer.json["canonical"]))
    assert (signed, not_allowed) == (37, 18)
    assert len(refused) == 8
    for name, *told in refused:
        assert '"2000.0"' in name
        assert told == [400, "not-canonical", "2000"], name


def test_without_replay_a_published_nonce_is_outside_the_window(
    strict: Service, wallets: dict[str, str], cases: list[Case]
) -> None:
    case = next(case for case in cases if case["action"]["type"] == "noop")
    body = {"walletId": wallets[case["privateKey"]], "action": case["action"], "network": _network(case)}
    answer = strict.post("/hyperliquid/sign", {**body, "nonce": 1_677_777_606_040})
    assert answer.status == 400
    assert (answer.json["code"], answer.json["field"]) == ("nonce-outside-window", "nonce")


def test_replay_does_not_lift_the_strict_reading_of_actions(
    replaying: Service, wallets: dict[str, str], cases: list[Case]
) -> None:
    case = next(case for case in cases if case["action"]["type"] == "noop")
    body = {"walletId": wallets[case["privateKey"]], "network": "testnet", "nonce": 1}
    unknown = replaying.post("/hyperliquid/sign", {**body, "action": {"type": "noop", "x": 1}})
    assert (unknown.status, unknown.json["field"]) == (400, "action.x")
    transfer = replaying.post("/hyperliquid/sign", {**body, "action": {"type": "usdSend"}})
    assert (transfer.status, transfer.json["code"]) == (400, "unknown-action")


def test_replay_is_refused_in_production(tmp_path: Path) -> None:
    words = ("serve", "--data", str(tmp_path / "data"), "--port", "0")
    told = refusal(*words, cwd=tmp_path, HYPERKMS_ENV="production", HYPERKMS_REPLAY_VECTORS="1")
    assert "[replay-in-production]" in told
    assert not (tmp_path / "data").exists()
