"""Actions whose nonce their caller chose, under an Idempotency-Key: what was planned is signed, whoever resumes it."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hyperkms.access.clients import Role, client
from hyperkms.errors import Conflict, Refused
from hyperkms.operations.caller import Caller
from hyperkms.operations.settle import ActionRequest
from hyperkms.operations.sign_once import Planned, plan_action, resume
from hyperkms.wallet import KeyType, WalletId
from support.good_actions import GOOD
from support.in_process import Here, here

W = WalletId("w")
CALLER = Caller(client("desk", Role.ADMINISTRATOR), "0123456789abcdef")
KINDS = {"noop": 1, "usdSend": 2, "approveAgent": 2, "createVault": 1}
"""An action, and the format of its plan."""


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Here]:
    """Where every action may be signed."""
    with here(tmp_path / "data", HYPERKMS_REPLAY_VECTORS="1") as opened:
        opened.wallet("w", KeyType.SECP256K1)
        yield opened


def _planned(at: Here, name: str) -> Planned:
    action = {member: value for member, value in GOOD[name].items() if member not in {"nonce", "time"}}
    return plan_action(at.parts, CALLER.client, ActionRequest(wallet=W, action=action, nonce=at.now))


@pytest.mark.parametrize("name", KINDS)
def test_who_resumes_a_plan_signs_the_same(at: Here, name: str) -> None:
    planned = _planned(at, name)
    first = planned.sign(at.parts, CALLER).wait()
    again = resume(at.parts, CALLER, planned.text).wait()
    assert again.receipt.digest == first.receipt.digest
    assert (again.signature, again.nonce, again.action) == (first.signature, at.now, first.action)
    assert again.action.get("nonce", again.action.get("time", at.now)) == at.now


@pytest.mark.parametrize(("name", "plan_format"), KINDS.items())
def test_a_plan_of_a_user_signed_action_has_a_format_of_its_own(at: Here, name: str, plan_format: int) -> None:
    plan: dict[str, Any] = json.loads(_planned(at, name).text)
    assert plan["v"] == plan_format
    changes: tuple[dict[str, Any], ...] = (
        {"v": 3 - plan_format},
        {"v": 3},
        {"action": {"type": "unheardOf"}},
        {"action": {}},
    )
    for changed in changes:
        with pytest.raises(Conflict) as refused:
            resume(at.parts, CALLER, json.dumps({**plan, **changed}))
        assert refused.value.code == "request-not-resumable"


def test_a_plan_is_refused_where_the_policy_no_longer_allows_it(at: Here) -> None:
    plans = {name: _planned(at, name).text for name in KINDS}
    strict = dataclasses.replace(at.parts, replay_vectors=False)
    resume(strict, CALLER, plans["noop"]).wait()
    for name in ("usdSend", "approveAgent", "createVault"):
        with pytest.raises(Refused) as refused:
            resume(strict, CALLER, plans[name])
        assert refused.value.code == "action-not-allowed"
