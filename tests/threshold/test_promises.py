"""One digest a nonce and one a request: whatever comes again, in whatever order, and over a start."""

from dataclasses import replace

import pytest

from hyperkms.access.approvals import MOST_AHEAD_MS
from hyperkms.errors import Conflict, HyperkmsError, Unavailable
from hyperkms.state.approval_use import Use
from hyperkms.state.peer_heads import Fence
from hyperkms.threshold.cosigner.promises import (
    MOST_BACK_MS,
    REQUEST_KEPT_MS,
    WINDOW_FUTURE_MS,
    WINDOW_PAST_MS,
    Promise,
    Promises,
)
from support.access import Clock

ADDRESS = "0x" + "11" * 20
ONE = Promise(digest=b"1" * 32, address=ADDRESS, nonce=Clock.now, request="0x" + "aa" * 64, position=0)
OTHER = b"2" * 32


def code(promises: Promises, promise: Promise) -> str:
    with pytest.raises(HyperkmsError) as refused:
        promises.claim(promise)
    assert isinstance(refused.value, Conflict | Unavailable) or refused.value.code == "nonce-outside-window"
    return refused.value.code


def test_the_same_digest_again_is_allowed_and_another_never_is() -> None:
    promises = Promises(Clock())
    assert promises.claim(ONE), "what it counts is counted for the first"
    assert not promises.claim(ONE)
    assert not promises.claim(replace(ONE, request="0x" + "bb" * 64))
    assert code(promises, replace(ONE, digest=OTHER, request=None)) == "nonce-signed"
    assert code(promises, replace(ONE, digest=OTHER, nonce=ONE.nonce + 1)) == "request-used"
    promises.claim(replace(ONE, digest=OTHER, nonce=ONE.nonce + 1, position=1))


def test_a_nonce_is_a_signers_own() -> None:
    promises = Promises(Clock())
    promises.claim(replace(ONE, request=None))
    promises.claim(replace(ONE, request=None, digest=OTHER, address="0x" + "22" * 20))


def test_a_request_without_a_nonce_is_for_one_message() -> None:
    promises = Promises(Clock())
    message = replace(ONE, address=None, nonce=0)
    promises.claim(message)
    promises.claim(message)
    assert code(promises, replace(message, digest=OTHER)) == "request-used"


def test_the_window_of_the_exchange_is_kept_by_the_cosigners_own_clock() -> None:
    clock = Clock()
    promises = Promises(clock)
    for outside in (clock.now - WINDOW_PAST_MS, clock.now + WINDOW_FUTURE_MS):
        assert code(promises, replace(ONE, nonce=outside)) == "nonce-outside-window"
    promises.claim(replace(ONE, nonce=clock.now - WINDOW_PAST_MS + 1))


def test_what_was_forgotten_is_refused_should_the_clock_go_back() -> None:
    clock = Clock()
    promises = Promises(clock)
    promises.claim(ONE)
    clock.now += WINDOW_PAST_MS + 60_001
    promises.claim(replace(ONE, nonce=clock.now, request=None))  # which tidies up
    assert code(promises, replace(ONE, digest=OTHER, nonce=clock.now - WINDOW_PAST_MS, request=None)) in {
        "nonce-outside-window",
        "nonce-forgotten",
    }
    clock.now -= MOST_BACK_MS
    again = replace(ONE, digest=OTHER, nonce=clock.now - WINDOW_PAST_MS + 1, request=None)
    assert code(promises, again) == "nonce-forgotten"


def test_nothing_is_signed_while_the_clock_is_behind_what_it_has_shown() -> None:
    """A request that was let go of when its time was over would be in time again."""
    clock = Clock()
    promises = Promises(clock)
    message = replace(ONE, address=None, nonce=0)
    promises.claim(message)
    clock.now += REQUEST_KEPT_MS + 60_000
    promises.claim(replace(message, request="0x" + "bb" * 64))  # which lets go of the first
    clock.now -= REQUEST_KEPT_MS
    assert code(promises, replace(message, digest=OTHER)) == "clock-behind"
    clock.now += REQUEST_KEPT_MS - MOST_BACK_MS
    promises.claim(replace(message, request="0x" + "cc" * 64))


def test_the_clock_that_was_shown_before_a_start_counts_after_it() -> None:
    clock = Clock()
    later = clock.now + MOST_BACK_MS + 1
    assert code(Promises(clock, [(later, ONE)]), ONE) == "clock-behind"


def test_after_a_fence_nothing_counts_as_remembered() -> None:
    clock = Clock()
    promises = Promises(clock, [(clock.now + 3_600_000, ONE)], Fence(at=clock.now, newest=clock.now + 3_600_000))
    assert code(promises, ONE) == "record-fenced"
    clock.now += REQUEST_KEPT_MS
    message = replace(ONE, address=None, nonce=0, request="0x" + "cc" * 64)
    promises.claim(message)
    assert code(promises, replace(ONE, nonce=Clock.now + WINDOW_FUTURE_MS, request=None)) == "nonce-forgotten"
    promises.claim(replace(ONE, nonce=Clock.now + WINDOW_FUTURE_MS + 1, request=None))


def test_what_was_promised_before_a_start_counts_after_it() -> None:
    clock = Clock()
    promises = Promises(clock, [(clock.now, ONE)])
    assert promises.is_known(ONE)
    assert code(promises, replace(ONE, digest=OTHER, request=None)) == "nonce-signed"
    assert code(promises, replace(ONE, digest=OTHER, nonce=ONE.nonce + 1)) == "request-used"


def test_a_nonce_promised_a_day_ahead_counts_for_three_days() -> None:
    clock = Clock()
    ahead = replace(ONE, nonce=clock.now + WINDOW_FUTURE_MS - 1, request=None)
    promises = Promises(clock, [(clock.now, ahead)])
    clock.now += WINDOW_PAST_MS + WINDOW_FUTURE_MS - 2
    assert code(promises, replace(ahead, digest=OTHER)) == "nonce-signed"


# ---- approvals -----------------------------------------------------------------------------------------

ANNAS, BENS = Use("ab" * 8, "1" * 32, Clock.now + 1000), Use("cd" * 8, "1" * 32, Clock.now + 1000)
APPROVED = replace(ONE, request=None, approvals=(ANNAS,))
ANOTHER = replace(APPROVED, digest=OTHER, nonce=ONE.nonce + 1)


def test_an_approval_permits_one_digest_however_often_that_comes_again() -> None:
    promises = Promises(Clock())
    promises.claim(APPROVED)
    promises.claim(APPROVED)
    promises.require(APPROVED)
    assert code(promises, ANOTHER) == "approval-used"
    assert code(promises, replace(ANOTHER, approvals=(BENS, ANNAS))) == "approval-used"
    promises.claim(replace(ANOTHER, approvals=(BENS,)))
    assert promises.was_used(ANNAS.key, ANNAS.id, OTHER)
    assert not promises.was_used(ANNAS.key, ANNAS.id, ONE.digest)
    assert not promises.was_used(ANNAS.key, "2" * 32, OTHER)


def test_an_approval_that_ended_while_rounds_went_on_permits_nothing_any_more() -> None:
    """It could be let go of then, and be claimed once more for what was judged before."""
    clock = Clock()
    promises = Promises(clock)
    clock.now = ANNAS.until - 1
    promises.claim(APPROVED)
    clock.now = ANNAS.until
    assert code(promises, APPROVED) == "approval-used"
    assert code(promises, replace(ANOTHER, approvals=(BENS,))) == "approval-used"


def test_a_used_approval_is_remembered_for_as_long_as_the_clock_may_go_back_to_its_time() -> None:
    clock = Clock()
    promises = Promises(clock)
    late = Use("ab" * 8, "1" * 32, clock.now + 60_000)
    promises.claim(replace(APPROVED, approvals=(late,)))
    clock.now += 60_000 + MOST_BACK_MS - 1
    promises.claim(replace(ONE, request=None, nonce=ONE.nonce + 2))  # which tidies up
    clock.now -= MOST_BACK_MS
    assert code(promises, replace(ANOTHER, approvals=(late,))) == "approval-used"
    clock.now += MOST_BACK_MS + 60_001
    promises.claim(replace(ONE, request=None, nonce=ONE.nonce + 3))
    assert not promises.was_used(late.key, late.id, OTHER)


def test_used_approvals_are_known_again_after_a_start() -> None:
    clock = Clock()
    promises = Promises(clock, [(clock.now, APPROVED)])
    assert promises.was_used(ANNAS.key, ANNAS.id, OTHER)
    assert code(promises, ANOTHER) == "approval-used"
    promises.claim(APPROVED)
    assert promises.approvals_from == 0


def test_approvals_of_before_a_fence_may_have_been_used() -> None:
    assert Promises(Clock(), (), Fence(at=7, newest=5)).approvals_from == 7 + MOST_AHEAD_MS
