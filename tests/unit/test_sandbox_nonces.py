"""The nonce rules at their edges."""

import pytest

from hyperkms.sandbox.nonces import DAY_MS, KEPT, NonceSet, check_nonce_window
from hyperkms.sandbox.refusals import Refused

NOW = 1_780_000_000_000


def _after(*nonces: int) -> NonceSet:
    nonce_set = NonceSet()
    for nonce in nonces:
        nonce_set = nonce_set.with_nonce(nonce)
    return nonce_set


def test_a_fresh_signer_may_use_any_nonce() -> None:
    assert _after(5).kept == (5,)


def test_a_used_nonce_is_a_duplicate() -> None:
    with pytest.raises(Refused, match=r"^Invalid nonce: duplicate nonce 5$"):
        _after(5, 9, 7).with_nonce(5)


def test_a_nonce_between_kept_ones_is_taken() -> None:
    assert _after(5, 9).with_nonce(7).kept == (5, 7, 9)


def test_a_nonce_below_the_smallest_kept_is_too_low() -> None:
    with pytest.raises(Refused, match=r"^Invalid nonce: nonce too low 4 < 5$"):
        _after(5, 9).with_nonce(4)


def test_the_hundredth_nonce_pushes_none_out_and_the_next_the_smallest() -> None:
    full = _after(*range(1, KEPT + 1))
    assert len(full.kept) == KEPT
    assert full.kept[0] == 1
    fuller = full.with_nonce(1000)
    assert len(fuller.kept) == KEPT
    assert fuller.kept[0] == 2


def test_a_nonce_that_was_pushed_out_is_too_low_rather_than_a_duplicate() -> None:
    with pytest.raises(Refused, match=r"^Invalid nonce: nonce too low 1 < 2$"):
        _after(*range(1, KEPT + 2)).with_nonce(1)


def test_a_set_is_not_changed_by_using_it() -> None:
    before = _after(5)
    before.with_nonce(6)
    assert before.kept == (5,)


@pytest.mark.parametrize("nonce", [NOW - 2 * DAY_MS + 1, NOW, NOW + DAY_MS - 1])
def test_a_nonce_within_two_days_before_and_one_day_after_passes(nonce: int) -> None:
    check_nonce_window(nonce, now_ms=NOW)


@pytest.mark.parametrize("nonce", [0, NOW - 2 * DAY_MS, NOW + DAY_MS, 2**64 - 1])
def test_a_nonce_outside_the_window_is_refused_and_told_so(nonce: int) -> None:
    with pytest.raises(Refused, match=rf"{nonce} is not within 2 days before and 1 day after"):
        check_nonce_window(nonce, now_ms=NOW)
