"""Every action type of the table at the service's door: what the built-in policy allows is signed, all else refused."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.good_actions import GOOD
from support.keep_alive import Line, line_to
from support.service import Service

TRADING = ("order", "cancel", "cancelByCloid", "modify", "batchModify", "updateLeverage", "scheduleCancel", "noop")
WALLET = "every-type"


@pytest.fixture(scope="module")
def prepared(shared_service: Service) -> Service:
    shared_service.generate(WALLET, keyType="secp256k1")
    return shared_service


@pytest.fixture
def line(prepared: Service) -> Iterator[Line]:
    with line_to(prepared) as opened:
        yield opened


def _unnumbered(name: str) -> dict[str, Any]:
    """As a client sends it that leaves the nonce to the service."""
    inner = {"nonce", "time"} if name != "scheduleCancel" else set()
    return {member: value for member, value in GOOD[name].items() if member not in inner}


@pytest.mark.parametrize("name", GOOD)
def test_the_built_in_policy_decides_by_the_type(line: Line, name: str) -> None:
    answer = line.post("/hyperliquid/sign", {"walletId": WALLET, "action": _unnumbered(name)})
    if name in TRADING:
        assert (answer.status, answer.json["action"]["type"]) == (200, name)
        return
    assert (answer.status, answer.json["code"]) == (403, "action-not-allowed")
    assert name in answer.json["detail"]
    assert "signature" not in answer.json


def test_what_is_refused_takes_no_nonce_of_its_caller(line: Line) -> None:
    nonce = line.post("/hyperliquid/sign", {"walletId": WALLET, "action": {"type": "noop"}}).json["nonce"] + 3_600_000
    body = {"walletId": WALLET, "nonce": nonce}
    refused = line.post("/hyperliquid/sign", {**body, "action": _unnumbered("usdSend")})
    assert refused.json["code"] == "action-not-allowed"
    assert line.post("/hyperliquid/sign", {**body, "action": {"type": "noop"}}).json["nonce"] == nonce


def test_a_batch_refuses_them_one_by_one(line: Line) -> None:
    names = ("noop", "withdraw3", "approveAgent", "vaultTransfer", "noop")
    bodies = [{"walletId": WALLET, "action": _unnumbered(name)} for name in names]
    results = line.post("/hyperliquid/sign-batch", {"requests": bodies}).json["results"]
    assert [result["success"] for result in results] == [name in TRADING for name in names]
    codes = [result["problem"]["code"] for result in results if not result["success"]]
    assert codes == ["action-not-allowed"] * 3
