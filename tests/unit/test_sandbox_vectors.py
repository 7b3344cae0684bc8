"""The published signing vectors, seen from the exchange: who signed the canonical form of what was posted."""

import json
from pathlib import Path
from typing import Any

import pytest

from hyperkms.sandbox.digest import Network, action_hash, digest_of
from hyperkms.sandbox.parsing import parse_request
from hyperkms.sandbox.signature import recover_address

VECTORS = Path(__file__).parents[3] / "shared" / "vectors" / "hyperliquid_signing.json"
NOT_UNDERSTOOD = {"dummy", "CSignerAction", "spotDeploy", "perpDeploy", "claimRewards"}
"""Types that the stand-in refuses as malformed: those of deployers and validators, and what no SDK method posts."""

Case = dict[str, Any]


def _is_part_of_a_multi_sig(case: Case) -> bool:
    return (
        not isinstance(case["action"], dict) or "payloadMultiSigUser" in case["action"] or "type" not in case["action"]
    )


def _cases(scheme: str) -> list[Case]:
    if not VECTORS.exists():
        return []
    return [
        case
        for case in json.loads(VECTORS.read_text())
        if case["scheme"] == scheme
        and not _is_part_of_a_multi_sig(case)
        and case["action"]["type"] not in NOT_UNDERSTOOD
    ]


def _is_normalised(case: Case) -> bool:
    return '"2000.0"' not in json.dumps(case["action"])


def _named(cases: list[Case]) -> list[Any]:
    return [pytest.param(case, id=case["name"]) for case in cases]


CASES = _cases("l1")
USER_SIGNED = _cases("user")
NORMALISED = [case for case in CASES if _is_normalised(case)]
RAW = [case for case in CASES if not _is_normalised(case)]

needs_vectors = pytest.mark.skipif(not CASES, reason="the folder with the published vectors is not there")


def _recovered(case: Case) -> str:
    body = {
        "action": case["action"],
        "nonce": case["nonce"],
        # Posted as the official SDK posts them: without leading zeros.
        "signature": {"r": hex(int(case["r"], 16)), "s": hex(int(case["s"], 16)), "v": case["v"]},
        "vaultAddress": case["vaultAddress"],
        "expiresAfter": case["expiresAfter"],
    }
    network: Network = "mainnet" if case["isMainnet"] else "testnet"
    request = parse_request(body)
    return recover_address(digest_of(request, network), request.signature)


@needs_vectors
def test_the_vectors_of_the_supported_types_are_all_there() -> None:
    assert (len(CASES), len(NORMALISED), len(RAW), len(USER_SIGNED)) == (58, 50, 8, 21)


@needs_vectors
@pytest.mark.parametrize("case", _named(NORMALISED))
def test_the_signer_of_a_normalised_action_is_recovered(case: Case) -> None:
    assert _recovered(case) == case["address"]


@needs_vectors
@pytest.mark.parametrize("case", _named(RAW))
def test_a_signature_over_an_unnormalised_price_recovers_another_address(case: Case) -> None:
    assert _recovered(case) != case["address"]


@needs_vectors
@pytest.mark.parametrize("case", _named(USER_SIGNED))
def test_the_user_who_signed_for_himself_is_recovered(case: Case) -> None:
    assert _recovered(case) == case["address"]


@needs_vectors
@pytest.mark.parametrize("case", _named(CASES))
def test_the_hash_of_the_action_as_signed_is_the_published_one(case: Case) -> None:
    connection_id = action_hash(
        case["action"], case["nonce"], vault=case["vaultAddress"], expires_after=case["expiresAfter"]
    )
    assert connection_id.hex() == case["actionHash"].removeprefix("0x")
