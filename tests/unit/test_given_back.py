"""What a request had reserved is there again where it comes to nothing, and counts once where it is done again."""

import asyncio
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from hyperkms.access.administration import NewClient
from hyperkms.access.approvals import MOST_AHEAD_MS
from hyperkms.access.clients import Role, client
from hyperkms.access.identity_key import IdentityKey
from hyperkms.access.policy.document import policy_of
from hyperkms.access.policy.store import Effect, NewPolicy
from hyperkms.audit.file_sink import FileSink
from hyperkms.audit.record import Record
from hyperkms.audit.sink import Space, Ticket
from hyperkms.cli.layout import ADMIN_KEY
from hyperkms.errors import Conflict, Malformed, Refused, Unavailable
from hyperkms.http.app import create_app
from hyperkms.operations.caller import Caller
from hyperkms.operations.clients import create_client
from hyperkms.operations.parts import Parts
from hyperkms.operations.policies import Choice, apply_policy, choose_policy
from hyperkms.operations.retire import RetireRequest, retire
from hyperkms.operations.settle import ActionRequest
from hyperkms.operations.sign import sign_action
from hyperkms.operations.sign_once import Planned, plan_action, resume
from hyperkms.state.full_windows import fill_windows_within
from hyperkms.state.used_approvals import UsedApprovals
from hyperkms.state.waiting import MustWait, without_waiting
from hyperkms.wallet import KeyType, WalletId
from hyperkms.wallet_life import KeyFate
from support.approving import Approver
from support.books import Book, order
from support.in_process import ACTOR, Here, here

pytestmark = pytest.mark.usefixtures("each_database")

W = WalletId("w")
CALLER = Caller(client("desk", Role.ADMINISTRATOR), "0123456789abcdef")
MOST = 3
ORDER = {"type": "order", "orders": [order()], "grouping": "na"}


@dataclass
class Desk:
    """A wallet with a limit of some orders an hour."""

    at: Here

    @property
    def parts(self) -> Parts:
        return self.at.parts

    @property
    def later(self) -> int:
        """A nonce above all that were allocated."""
        return self.at.now + 30_000

    def used(self, effect: str = "policy") -> int:
        meter = self.parts.reservations.meter_of(f"{effect} w: count max_orders 1h")
        return self.parts.reservations.used(meter, 3_600_000, is_outstanding=False)

    def ask(self, **members: Any) -> ActionRequest:
        return ActionRequest(wallet=W, action=ORDER, **members)

    def sign(self, **members: Any) -> None:
        sign_action(self.parts, CALLER, self.ask(**members)).wait()

    def apply(self, effect: Effect = Effect.ENFORCED, most: int = MOST) -> None:
        rules = [{"name": "count", "max_orders": {"1h": most}}]
        document = policy_of({"format": 1, "allow": ["trade-only"], "rules": rules})
        new = NewPolicy(wallet=W, document=document, effect=effect, reason=None, expected=None)
        apply_policy(self.parts, CALLER, new)

    def post(self, path: str, body: Mapping[str, Any], *, times: int = 1, **headers: str) -> list[httpx.Response]:
        """So many times one after the other, to one service."""
        key = (self.at.data / ADMIN_KEY).read_text().strip()

        async def ask() -> list[httpx.Response]:
            transport = httpx.ASGITransport(create_app(self.parts))
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as line:
                sent = {"X-API-Key": key, **headers}
                return [await line.post(path, json=body, headers=sent) for _ in range(times)]

        return asyncio.run(ask())


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with here(tmp_path / "data") as at:
        at.wallet("w", KeyType.SECP256K1)
        at.parts = dataclasses.replace(at.parts, markets={}, prices=dict.fromkeys(at.parts.prices, Book()))
        made = Desk(at)
        made.apply()
        yield made


class NoRecord(FileSink):
    """A record that takes no line."""

    def append(self, record: Record, space: Space = Space.ORDINARY) -> Ticket:
        del record, space
        raise Unavailable("record-unwritable", "the disk is full")


def _without_record(parts: Parts) -> Parts:
    return dataclasses.replace(parts, record=NoRecord.__new__(NoRecord))


# ---- what comes to nothing ----------------------------------------------------------------------------


def test_what_is_signed_counts_and_what_is_refused_does_not(desk: Desk) -> None:
    for signed in range(1, MOST + 1):
        desk.sign()
        assert desk.used() == signed
    with pytest.raises(Refused, match="1 orders asked for, and of 3 in 1h there are 0 left") as refused:
        desk.sign()
    assert (refused.value.details["retryAfterMs"], desk.used()) == (3_660_000 - desk.at.now % 60_000, MOST)


def test_a_nonce_that_was_used_gives_it_back(desk: Desk) -> None:
    nonce = desk.at.now
    desk.sign(nonce=nonce)
    with pytest.raises(Conflict):
        desk.sign(nonce=nonce)
    with pytest.raises(Malformed):
        desk.sign(nonce=1)
    assert desk.used() == 1


def test_a_record_that_takes_no_line_gives_it_back(desk: Desk) -> None:
    broken = _without_record(desk.parts)
    with pytest.raises(Unavailable, match="the disk is full"):
        sign_action(broken, CALLER, desk.ask())
    assert desk.used() == 0
    planned = plan_action(desk.parts, CALLER.client, desk.ask(nonce=desk.at.now))
    assert desk.used() == 1
    with pytest.raises(Unavailable):
        planned.sign(broken, CALLER)
    assert desk.used() == 0


def test_what_a_shadow_counted_is_given_back_too(desk: Desk) -> None:
    desk.apply(Effect.SHADOW)
    desk.sign()
    with pytest.raises(Malformed):
        desk.sign(nonce=1)
    assert (desk.used(), desk.used("shadow")) == (1, 1)


def test_a_wallet_that_is_retired_meanwhile_gives_it_back(desk: Desk) -> None:
    planned = plan_action(desk.parts, CALLER.client, desk.ask())
    retire(desk.parts, ACTOR, RetireRequest(wallet=W, fate=KeyFate.AT_ONCE))
    with pytest.raises(Refused) as refused:
        planned.sign(desk.parts, CALLER)
    assert (refused.value.code, desk.used()) == ("wallet-retired", 0)


@pytest.mark.parametrize("ends", [False, True])
def test_a_policy_that_was_changed_meanwhile_signs_nothing_of_the_old_one(desk: Desk, *, ends: bool) -> None:
    """A change holds once it is answered, for requests too that were let in before and had to wait."""
    planned = plan_action(desk.parts, CALLER.client, desk.ask())
    if ends:
        choose_policy(desk.parts, CALLER, Choice(wallet=W, effect=Effect.ENFORCED, number=None, reason=None))
    else:
        desk.apply(most=MOST + 1)
    with pytest.raises(Conflict, match="the policy of wallet w was changed") as refused:
        planned.sign(desk.parts, CALLER)
    assert (refused.value.code, desk.used()) == ("policy-changed", 0)


def test_a_change_of_the_shadow_or_of_another_wallet_keeps_nobody_from_signing(desk: Desk) -> None:
    planned = plan_action(desk.parts, CALLER.client, desk.ask())
    desk.apply(Effect.SHADOW)
    desk.at.wallet("other", KeyType.SECP256K1)
    planned.sign(desk.parts, CALLER).wait()
    assert desk.used() == 1


# ---- what is done again in a thread -------------------------------------------------------------------


def _would_wait(work: Any, *arguments: Any) -> None:
    with pytest.raises(MustWait), without_waiting():
        work(*arguments)


def test_what_goes_to_a_thread_counts_once(desk: Desk) -> None:
    _would_wait(sign_action, desk.parts, CALLER, desk.ask())  # the signer is not known yet
    desk.sign()
    _would_wait(sign_action, desk.parts, CALLER, desk.ask(nonce=desk.later))  # a claim waits for the database
    assert desk.used() == 1
    desk.sign(nonce=desk.later)
    assert desk.used() == 2


def test_a_plan_whose_signing_goes_to_a_thread_keeps_what_it_has(desk: Desk) -> None:
    planned = plan_action(desk.parts, CALLER.client, desk.ask())
    desk.at.wallet("other")  # so that it has to look whether its wallet still signs
    _would_wait(planned.sign, desk.parts, CALLER)
    assert desk.used() == 1
    planned.sign(desk.parts, CALLER).wait()
    assert desk.used() == 1


# ---- plans --------------------------------------------------------------------------------------------


def _planned(desk: Desk) -> Planned:
    planned = plan_action(desk.parts, CALLER.client, desk.ask(nonce=desk.at.now))
    assert desk.used() == 1
    return planned


def test_a_plan_that_was_not_written_down_gives_it_back(desk: Desk) -> None:
    _planned(desk).drop()
    assert desk.used() == 0


def test_a_plan_that_is_resumed_counts_and_gives_back_like_any_other(desk: Desk) -> None:
    planned = _planned(desk)
    planned.drop()  # as a process that is killed would not: it leaves too much counted, never too little
    broken = _without_record(desk.parts)
    with pytest.raises(Unavailable):
        resume(broken, CALLER, planned.text)
    assert desk.used() == 0
    resume(desk.parts, CALLER, planned.text).wait()
    assert desk.used() == 1
    for _ in range(MOST - 1):
        desk.sign()
    with pytest.raises(Refused):
        resume(desk.parts, CALLER, planned.text)
    assert desk.used() == MOST


def test_a_plan_under_a_policy_that_gives_another_end_is_not_resumed(desk: Desk) -> None:
    planned = _planned(desk)
    planned.drop()
    rules = [{"name": "count", "max_orders": {"1h": MOST}}]
    members = {"format": 1, "allow": ["order"], "rules": rules, "expires_after": {"default_ms": 5_000}}
    new = NewPolicy(wallet=W, document=policy_of(members), effect=Effect.ENFORCED, reason=None, expected=None)
    apply_policy(desk.parts, CALLER, new)
    with pytest.raises(Conflict) as refused:
        resume(desk.parts, CALLER, planned.text)
    assert (refused.value.code, desk.used()) == ("request-not-resumable", 0)


# ---- over HTTP ----------------------------------------------------------------------------------------


def test_a_batch_counts_what_it_signs(desk: Desk) -> None:
    body = {"walletId": "w", "action": ORDER}
    wrong = {"walletId": "w", "action": ORDER, "nonce": 1}
    (answer,) = desk.post("/hyperliquid/sign-batch", {"requests": [body, wrong, body, body, body]})
    assert answer.status_code == 200, answer.content
    told = [result.get("problem", {}).get("code") for result in answer.json()["results"]]
    assert told == [None, "nonce-outside-window", None, None, "policy-refused"]
    assert desk.used() == MOST


@pytest.mark.parametrize("own", [False, True])
def test_a_request_with_a_key_counts_once_however_often_it_comes(desk: Desk, *, own: bool) -> None:
    body: dict[str, Any] = {"walletId": "w", "action": ORDER} | ({"nonce": desk.later} if own else {})
    answers = desk.post("/hyperliquid/sign", body, times=3, **{"Idempotency-Key": "once"})
    assert [answer.status_code for answer in answers] == [200] * 3
    assert len({answer.content for answer in answers}) == 1
    assert desk.used() == 1


def test_a_batch_with_a_key_counts_once_however_often_it_comes(desk: Desk) -> None:
    one = {"walletId": "w", "action": ORDER}
    body = {"requests": [one, {**one, "nonce": desk.later}, {**one, "nonce": desk.later}]}
    first, again = desk.post("/hyperliquid/sign-batch", body, times=2, **{"Idempotency-Key": "k"})
    assert (first.status_code, again.content) == (200, first.content)
    told = sorted(str(result.get("problem", {}).get("code")) for result in first.json()["results"])
    assert told == ["None", "None", "nonce-reused"]
    assert desk.used() == 2


# ---- approvals ----------------------------------------------------------------------------------------

ANNA, BEN = Approver.numbered(0), Approver.numbered(1)


def _approved(desk: Desk, approver: Approver = ANNA) -> str:
    placed = {**ORDER, "type": "order"}
    return approver.approve("w", placed, time=desk.at.now, until=desk.at.now + 60_000)


def _ask_for_approvals(desk: Desk, **approvers: Approver) -> None:
    rule = {"name": "people", "approvals": 1, "approvers": {name: one.text for name, one in approvers.items()}}
    document = policy_of({"format": 1, "allow": ["trade-only"], "rules": [rule]})
    new = NewPolicy(wallet=W, document=document, effect=Effect.ENFORCED, reason=None, expected=None)
    apply_policy(desk.parts, CALLER, new)


def test_an_approval_permits_one_signature_and_another_try_of_what_came_to_nothing(desk: Desk) -> None:
    _ask_for_approvals(desk, anna=ANNA)
    text = _approved(desk)
    with pytest.raises(Unavailable):
        sign_action(_without_record(desk.parts), CALLER, desk.ask(approvals=(text,)))
    with pytest.raises(Malformed):
        desk.sign(nonce=1, approvals=(text,))
    desk.sign(approvals=(text,))
    with pytest.raises(Refused, match="1 of anna was used before") as refused:
        desk.sign(approvals=(text,))
    assert refused.value.code == "approval-required"
    assert desk.at.rows("SELECT count(*) FROM used_approvals") == [(1,)]


def test_of_two_requests_that_show_one_approval_at_once_one_is_signed(desk: Desk) -> None:
    """Each has looked before the other has used it up."""
    _ask_for_approvals(desk, anna=ANNA)
    text = _approved(desk)
    plans = [plan_action(desk.parts, CALLER.client, desk.ask(approvals=(text,))) for _ in range(2)]
    with desk.parts.database.write() as connection:
        plans[0].claim(connection)
    with pytest.raises(Conflict) as refused, desk.parts.database.write() as connection:
        plans[1].claim(connection)
    assert refused.value.code == "approval-used"


def test_a_plan_has_used_its_approvals_up_and_is_resumed_with_no_others(desk: Desk) -> None:
    _ask_for_approvals(desk, anna=ANNA)
    annas, bens = _approved(desk), _approved(desk, BEN)
    planned = plan_action(desk.parts, CALLER.client, desk.ask(approvals=(bens, annas)))
    with desk.parts.database.write() as connection:
        planned.claim(connection)
    with pytest.raises(Unavailable):
        planned.sign(_without_record(desk.parts), CALLER)
    with pytest.raises(Refused, match="of anna was used before"):
        desk.sign(approvals=(annas,))
    resume(desk.parts, CALLER, planned.text).wait()
    _ask_for_approvals(desk, ben=BEN)
    with pytest.raises(Refused, match="none of the approvers"):
        resume(desk.parts, CALLER, planned.text)
    desk.sign(approvals=(bens,))


def test_a_plan_whose_approvals_have_ended_is_not_resumed(desk: Desk) -> None:
    _ask_for_approvals(desk, anna=ANNA)
    planned = plan_action(desk.parts, CALLER.client, desk.ask(approvals=(_approved(desk),)))
    desk.at.now += 60_000
    with pytest.raises(Refused, match="of anna ended at"):
        resume(desk.parts, CALLER, planned.text)


def test_a_client_does_not_approve_what_it_asks_for(desk: Desk) -> None:
    _ask_for_approvals(desk, anna=ANNA)
    key = IdentityKey.parse(ANNA.text)
    create_client(desk.parts, CALLER, NewClient(name="desk", identity=key, role=Role.ADMINISTRATOR))
    with pytest.raises(Refused, match="of anna is by a key of the very client that asks"):
        desk.sign(approvals=(_approved(desk),))


def test_approvals_from_before_a_fence_do_not_count(desk: Desk) -> None:
    _ask_for_approvals(desk, anna=ANNA)
    with desk.parts.database.write() as connection:
        fill_windows_within(connection, desk.at.now)
    fenced = dataclasses.replace(desk.parts, approvals=UsedApprovals(desk.parts.database))
    desk.at.parts = fenced
    with pytest.raises(Refused, match="of anna is from before a fence"):
        desk.sign(approvals=(_approved(desk),))
    desk.at.now += MOST_AHEAD_MS
    with pytest.raises(Refused, match="of anna is from before a fence"):
        desk.sign(approvals=(_approved(desk),))
    desk.at.now += 1
    desk.sign(approvals=(_approved(desk),))


@pytest.mark.parametrize("keyed", [{}, {"Idempotency-Key": "k"}])
def test_in_a_batch_an_approval_permits_one_of_two_equal_orders(desk: Desk, keyed: Mapping[str, Any]) -> None:
    _ask_for_approvals(desk, anna=ANNA)
    one = {"walletId": "w", "action": ORDER, "network": "testnet", "approvals": [_approved(desk)]}
    (answer,) = desk.post("/hyperliquid/sign-batch", {"requests": [one, one]}, **keyed)
    told = sorted(str(result.get("problem", {}).get("code")) for result in answer.json()["results"])
    assert told in (["None", "approval-required"], ["None", "approval-used"])


def test_a_request_with_a_key_and_an_approval_is_answered_again(desk: Desk) -> None:
    _ask_for_approvals(desk, anna=ANNA)
    body = {"walletId": "w", "action": ORDER, "approvals": [_approved(desk)]}
    first, again = desk.post("/hyperliquid/sign", body, times=2, **{"Idempotency-Key": "k"})
    assert (first.status_code, again.content) == (200, first.content)
    another: dict[str, Any] = {"Idempotency-Key": "another"}
    (other,) = desk.post("/hyperliquid/sign", body, **another)
    assert (other.status_code, other.json()["code"]) == (403, "approval-required")
