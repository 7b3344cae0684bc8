"""The quick looks at numbers agree with exact arithmetic wherever they answer."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from hyperkms.errors import Malformed
from hyperkms.hyperliquid.wire import (
    MAX_DECIMALS,
    Numbers,
    canonical,
    read_decimal,
    require_decimals,
    require_price,
    require_price_text,
)

_DIGITS = st.text("0123456789", max_size=7)
_NUMBERS = st.builds("".join, st.tuples(st.sampled_from(["", "-"]), _DIGITS, st.sampled_from(["", "."]), _DIGITS))


def _refused(check: object, *arguments: object) -> str | None:
    try:
        check(*arguments)  # type: ignore[operator]  # one of the functions above
    except Malformed as refused:
        return refused.code
    return None


@settings(max_examples=2000)
@given(_NUMBERS)
def test_a_decimal_is_accepted_exactly_when_it_is_canonical(text: str) -> None:
    try:
        value = Decimal(text)
        wanted = canonical(value) == text and _refused(require_decimals, value, "p", MAX_DECIMALS) is None
    except ArithmeticError:
        wanted = False
    assert (_refused(read_decimal, text, "p", Numbers.CANONICAL) is None) == wanted


@settings(max_examples=2000)
@given(_NUMBERS, st.integers(0, 8))
def test_a_price_text_is_judged_as_its_number_is(text: str, decimals: int) -> None:
    if _refused(read_decimal, text, "p", Numbers.CANONICAL):
        return
    exact = _refused(require_price, Decimal(text), "p", decimals)
    assert _refused(require_price_text, text, "p", decimals) == exact
