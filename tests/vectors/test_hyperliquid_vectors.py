"""The published vectors, through HTTP, with imported keys."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from support.commands import key_file, refusal, run
from support.keep_alive import line_to
from support.service import Service
from support.vectors import l1_cases, user_cases

Case = dict[str, Any]
Json = dict[str, Any]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return l1_cases()


@pytest.fixture(scope="module")
def typed() -> list[Case]:
    return user_cases()


@pytest.fixture(scope="module")
def wallets(cases: list[Case], typed: list[Case]) -> dict[str, str]:
    """The wallet of each private key in the vectors."""
    keys = dict.fromkeys(str(case["privateKey"]) for case in (*cases, *typed))
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


def _with_typed_addresses_in_lower_case(case: Case) -> Json:
    """A member of the EIP-712 type `address` is hashed as bytes, so its case says nothing."""
    fields = case["types"][case["primaryType"]]
    addresses = {field["name"] for field in fields if field["type"] == "address"}
    return {name: value.lower() if name in addresses else value for name, value in case["action"].items()}


def test_every_published_vector_of_a_user_signed_action_is_reproduced(
    replaying: Service, wallets: dict[str, str], typed: list[Case]
) -> None:
    with line_to(replaying) as line:
        for case in typed:
            body = {"walletId": wallets[case["privateKey"]], "nonce": case["nonce"], "network": _network(case)}
            inner = {"signatureChainId", "hyperliquidChain", "nonce", "time"}
            short = {name: value for name, value in case["action"].items() if name not in inner}
            for action in (case["action"], short):
                answer = line.post("/hyperliquid/sign", {**body, "action": action})
                assert answer.status == 200, (case["name"], answer.body)
                signed = answer.json
                assert signed["signature"] == {"r": case["r"], "s": case["s"], "v": case["v"]}, case["name"]
                assert signed["receipt"]["digest"] == case["typedDataHash"], case["name"]
                assert signed["action"] == _with_typed_addresses_in_lower_case(case), case["name"]
                told = (signed["address"], signed["nonce"], signed["vaultAddress"], signed["expiresAfter"])
                assert told == (case["address"], case["nonce"], None, None), case["name"]
    assert len(typed) == 21


def test_what_a_user_signed_action_and_its_request_say_twice_must_agree(
    replaying: Service, wallets: dict[str, str], typed: list[Case]
) -> None:
    case = next(case for case in typed if case["action"]["type"] == "usdSend" and not case["isMainnet"])
    body = {"walletId": wallets[case["privateKey"]], "nonce": case["nonce"], "network": "testnet"}
    body["action"] = case["action"]
    wrong: dict[str, tuple[Json, int, str]] = {
        "another chain": ({"action": {**case["action"], "hyperliquidChain": "Mainnet"}}, 403, "wrong-network"),
        "another nonce inside": ({"action": {**case["action"], "time": 1}}, 400, "nonce-mismatch"),
        "a nonce inside alone": ({"nonce": None}, 400, "nonce-mismatch"),
        "a vault": ({"vaultAddress": "0x" + "ab" * 20}, 400, "member-not-signed"),
        "an expiry": ({"expiresAfter": 2_000_000_000_000}, 400, "member-not-signed"),
    }
    for name, (change, status, code) in wrong.items():
        answer = replaying.post("/hyperliquid/sign", {**body, **change})
        assert (answer.status, answer.json["code"]) == (status, code), name


def test_a_user_signed_action_stands_in_the_record_with_the_name_of_its_type(
    replaying: Service, wallets: dict[str, str], typed: list[Case], data: Path
) -> None:
    case = next(case for case in typed if case["action"]["type"] == "withdraw3")
    body = {"walletId": wallets[case["privateKey"]], "nonce": case["nonce"], "network": _network(case)}
    receipt = replaying.post("/hyperliquid/sign", {**body, "action": case["action"]}).json["receipt"]
    [file] = (data / "records").glob(f"*-{receipt['log']}-*.jsonl")
    record = json.loads(file.read_text().splitlines()[receipt["index"]])["record"]
    assert (record["digest"], record["operation"]) == (case["typedDataHash"], "sign-action")
    signed = record["signed"]
    assert signed["action"] == case["action"]
    assert signed["primaryType"] == case["primaryType"] == "HyperliquidTransaction:Withdraw"
    assert (signed["vaultAddress"], signed["expiresAfter"], signed["network"]) == (None, None, _network(case))


def test_without_replay_no_user_signed_action_is_signed(
    strict: Service, wallets: dict[str, str], typed: list[Case]
) -> None:
    for case in typed:
        body = {"walletId": wallets[case["privateKey"]], "action": case["action"], "network": _network(case)}
        answer = strict.post("/hyperliquid/sign", {**body, "nonce": case["nonce"]})
        assert (answer.status, answer.json["code"]) == (403, "action-not-allowed"), case["name"]


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
    outcome = replaying.post("/hyperliquid/sign", {**body, "action": {"type": "userOutcome"}})
    assert (outcome.status, outcome.json["code"]) == (400, "unknown-action")


def test_replay_is_refused_in_production(tmp_path: Path) -> None:
    words = ("serve", "--data", str(tmp_path / "data"), "--port", "0")
    told = refusal(*words, cwd=tmp_path, HYPERKMS_ENV="production", HYPERKMS_REPLAY_VECTORS="1")
    assert "[replay-in-production]" in told
    assert not (tmp_path / "data").exists()
