"""A request that was let in before its wallet was retired, and comes to sign only after."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperkms.access.clients import Role, client
from hyperkms.errors import Refused
from hyperkms.operations.parts import Parts
from hyperkms.operations.retire import RetireRequest, retire
from hyperkms.operations.rotate import RotateRequest, rotate
from hyperkms.operations.sign import ActionRequest, Caller
from hyperkms.operations.sign_once import Planned, plan_action, plan_message
from hyperkms.wallet import KeyType, WalletId
from hyperkms.wallet_life import KeyFate
from support.in_process import ACTOR, Here, here

W = WalletId("w")
CALLER = Caller(client("desk", Role.ADMINISTRATOR), "0123456789abcdef")


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Here]:
    with here(tmp_path / "data") as opened:
        yield opened


def planned(parts: Parts, kind: KeyType) -> Planned:
    """A request that has passed every check and has not signed."""
    if kind is KeyType.ED25519:
        return plan_message(parts, CALLER.client, W, b"m", None)
    return plan_action(parts, CALLER.client, ActionRequest(wallet=W, action={"type": "noop"}))


@pytest.mark.parametrize("kind", list(KeyType))
def test_it_is_refused(at: Here, kind: KeyType) -> None:
    at.wallet("w", kind)
    request = planned(at.parts, kind)
    retire(at.parts, ACTOR, RetireRequest(wallet=W, fate=KeyFate.AT_ONCE))
    with pytest.raises(Refused) as refused:
        request.sign(at.parts, CALLER)
    assert refused.value.code == "wallet-retired"


@pytest.mark.parametrize("kind", list(KeyType))
def test_it_is_refused_when_its_version_was_retired(at: Here, kind: KeyType) -> None:
    at.wallet("w", kind)
    request = planned(at.parts, kind)
    rotate(at.parts, ACTOR, RotateRequest(wallet=W, activate=True))
    retire(at.parts, ACTOR, RetireRequest(wallet=W, version=1))
    with pytest.raises(Refused) as refused:
        request.sign(at.parts, CALLER)
    assert refused.value.code == "version-retired"


@pytest.mark.parametrize("kind", list(KeyType))
def test_it_signs_with_its_version_when_the_wallet_was_only_rotated(at: Here, kind: KeyType) -> None:
    at.wallet("w", kind)
    request = planned(at.parts, kind)
    rotate(at.parts, ACTOR, RotateRequest(wallet=W, activate=True))
    assert request.sign(at.parts, CALLER).wait().version.number == 1
