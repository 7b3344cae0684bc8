"""One digest a nonce and one a request: whatever comes again, in whatever order, and over a start."""

from dataclasses import replace

import pytest

from hyperkms.errors import Conflict, HyperkmsError
from hyperkms.threshold.cosigner.promises import WINDOW_FUTURE_MS, WINDOW_PAST_MS, Promise, Promises
from support.access import Clock

ADDRESS = "0x" + "11" * 20
ONE = Promise(digest=b"1" * 32, address=ADDRESS, nonce=Clock.now, request="0x" + "aa" * 64, position=0)
OTHER = b"2" * 32


def code(promises: Promises, promise: Promise) -> str:
    with pytest.raises(HyperkmsError) as refused:
        promises.claim(promise)
    assert isinstance(refused.value, Conflict) or refused.value.code == "nonce-outside-window"
    return refused.value.code


def test_the_same_digest_again_is_allowed_and_another_never_is() -> None:
    promises = Promises(Clock())
    promises.claim(ONE)
    promises.claim(ONE)
    promises.claim(replace(ONE, request="0x" + "bb" * 64))
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
    clock.now = ONE.nonce
    assert code(promises, replace(ONE, digest=OTHER, request=None)) == "nonce-forgotten"


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
