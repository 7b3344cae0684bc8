"""A request that was let in before its wallet was retired, and comes to sign only after."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hyperkms.access.clients import Role, client
from hyperkms.errors import Refused
from hyperkms.operations.caller import Caller
from hyperkms.operations.parts import Parts
from hyperkms.operations.pending import Pending
from hyperkms.operations.retire import RetireRequest, retire
from hyperkms.operations.rotate import RotateRequest, rotate
from hyperkms.operations.settle import ActionRequest
from hyperkms.operations.sign import SignedAction, SignedMessage, sign_bytes
from hyperkms.operations.sign_once import plan_action
from hyperkms.operations.signer import resolve
from hyperkms.wallet import KeyType, WalletId
from hyperkms.wallet_life import KeyFate
from support.in_process import ACTOR, Here, here

pytestmark = pytest.mark.usefixtures("each_database")

W = WalletId("w")
CALLER = Caller(client("desk", Role.ADMINISTRATOR), "0123456789abcdef")


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Here]:
    with here(tmp_path / "data") as opened:
        yield opened


def let_in(parts: Parts, kind: KeyType) -> Callable[[], Pending[SignedMessage] | Pending[SignedAction]]:
    """A request that has passed every check; it signs when it is called."""
    if kind is KeyType.ED25519:
        signer = resolve(parts, CALLER.client, W, None, operation="sign-message")
        return lambda: sign_bytes(parts, CALLER, signer, b"m", operation="sign-message")
    planned = plan_action(parts, CALLER.client, ActionRequest(wallet=W, action={"type": "noop"}))
    return lambda: planned.sign(parts, CALLER)


@pytest.mark.parametrize("kind", list(KeyType))
def test_it_is_refused(at: Here, kind: KeyType) -> None:
    at.wallet("w", kind)
    sign = let_in(at.parts, kind)
    retire(at.parts, ACTOR, RetireRequest(wallet=W, fate=KeyFate.AT_ONCE))
    with pytest.raises(Refused) as refused:
        sign()
    assert refused.value.code == "wallet-retired"


@pytest.mark.parametrize("kind", list(KeyType))
def test_it_is_refused_when_its_version_was_retired(at: Here, kind: KeyType) -> None:
    at.wallet("w", kind)
    sign = let_in(at.parts, kind)
    rotate(at.parts, ACTOR, RotateRequest(wallet=W, activate=True))
    retire(at.parts, ACTOR, RetireRequest(wallet=W, version=1))
    with pytest.raises(Refused) as refused:
        sign()
    assert refused.value.code == "version-retired"


@pytest.mark.parametrize("kind", list(KeyType))
def test_it_signs_with_its_version_when_the_wallet_was_only_rotated(at: Here, kind: KeyType) -> None:
    at.wallet("w", kind)
    sign = let_in(at.parts, kind)
    rotate(at.parts, ACTOR, RotateRequest(wallet=W, activate=True))
    assert sign().wait().version.number == 1
