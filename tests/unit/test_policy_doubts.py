"""What is said of a policy beside whether it can be read."""

from pathlib import Path

from hyperkms.access.clients import Role, client
from hyperkms.access.policy.document import policy_of
from hyperkms.access.policy.store import Effect, NewPolicy
from hyperkms.operations.caller import Caller
from hyperkms.operations.policies import apply_policy
from hyperkms.wallet import KeyType, WalletId
from support.in_process import here

ADMINISTRATOR = Caller(client("desk", Role.ADMINISTRATOR), "0123456789abcdef")


def test_for_a_wallet_of_any_network_no_list_of_coins_is_asked(tmp_path: Path) -> None:
    document = policy_of({"format": 1, "allow": ["order"], "rules": [{"name": "r", "coins": ["btc"]}]})
    with here(tmp_path / "data", HYPERKMS_ENV="development", HYPERKMS_NETWORK="any") as at:
        at.wallet("w", KeyType.SECP256K1)
        new = NewPolicy(wallet=WalletId("w"), document=document, effect=Effect.ENFORCED, reason=None, expected=None)
        applied = apply_policy(at.parts, ADMINISTRATOR, new)
    assert (applied.is_new, applied.doubts) == (True, [])
