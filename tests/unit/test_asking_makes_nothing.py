"""Who asks what would be signed leaves nothing behind, and is told the limits all the same."""

from pathlib import Path

import pytest

from hyperkms.access.clients import Role, client
from hyperkms.access.policy.document import policy_of
from hyperkms.access.policy.store import Effect, NewPolicy
from hyperkms.operations.caller import Caller
from hyperkms.operations.explain import explain_action
from hyperkms.operations.policies import apply_policy
from hyperkms.operations.settle import ActionRequest
from hyperkms.operations.sign import sign_action
from hyperkms.wallet import KeyType, WalletId
from support.in_process import Here, here

pytestmark = pytest.mark.usefixtures("each_database")

ADMINISTRATOR = Caller(client("desk", Role.ADMINISTRATOR), "0123456789abcdef")
W = WalletId("w")
ORDER = {"a": 0, "b": True, "p": "100", "s": "1", "r": False, "t": {"limit": {"tif": "Gtc"}}}
ACTION = ActionRequest(wallet=W, action={"type": "order", "orders": [ORDER, ORDER], "grouping": "na"})


def refusing(at: Here) -> list[str]:
    return [refusal.rule for refusal in explain_action(at.parts, ADMINISTRATOR.client, ACTION).verdict.refusals]


def limited_to(at: Here, orders: int) -> None:
    rules = [{"name": "pace", "max_orders": {"1h": orders}}]
    document = policy_of({"format": 1, "allow": ["order"], "rules": rules})
    new = NewPolicy(wallet=W, document=document, effect=Effect.ENFORCED, reason=None, expected=None)
    apply_policy(at.parts, ADMINISTRATOR, new)


def test_a_limit_that_was_never_used_has_no_meter_until_something_is_signed(tmp_path: Path) -> None:
    with here(tmp_path / "data", HYPERKMS_NETWORK="testnet", HYPERKMS_TESTNET_URL="http://127.0.0.1:9") as at:
        at.wallet(W, KeyType.SECP256K1)
        limited_to(at, 1)
        assert refusing(at) == ["pace"]
        limited_to(at, 3)
        assert refusing(at) == []
        assert at.rows("SELECT * FROM meters") == []
        sign_action(at.parts, ADMINISTRATOR, ACTION).wait()
        assert len(at.rows("SELECT * FROM meters")) == 1
        assert refusing(at) == ["pace"]
