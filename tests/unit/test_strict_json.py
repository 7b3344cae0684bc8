"""The quick reading of JSON takes nothing that the careful one refuses, and reads it alike."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperkms.errors import Malformed
from hyperkms.strict_json import MAX_DEPTH, _parse_slowly, parse

_NUMBERS = [
    "0",
    "-0",
    "1.50",
    "-0.0",
    "1e5",
    "1E+400",
    "123456789012345678901234567890",
    "9" * 400 + ".5",
    "9" * 308,
    "-" + "9" * 309,
    "9" * 399,
    "1." + "3" * 60,
]
_TEXTS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(["a:b", '"', "\\", "\u2028", ":"])
_LEAVES = st.sampled_from(_NUMBERS) | _TEXTS.map(json.dumps) | st.sampled_from(["true", "null", '"\\ud800"', "NaN"])
_SPACE = st.sampled_from(["", " ", "\n"])


def _object(members: list[tuple[str, str, str]]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}{space}:{space}{value}" for name, space, value in members) + "}"


_NAMES = st.sampled_from(["a", "b", "c:", ":", "walletId"])
_JSON = st.recursive(
    _LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4).map(lambda values: "[" + " ,".join(values) + "]")
        | st.lists(st.tuples(_NAMES, _SPACE, inner), max_size=4).map(_object)
    ),
    max_leaves=12,
)


def _outcome(reader: object, raw: bytes) -> object:
    try:
        return reader(raw)  # type: ignore[operator]  # one of the two readers
    except Malformed as refused:
        return refused.message


@settings(max_examples=2000)
@given(_JSON | st.binary(max_size=12).map(lambda raw: raw.decode("latin-1")))
def test_both_readings_answer_and_refuse_alike(text: str) -> None:
    raw = text.encode("utf-8")
    quick, careful = _outcome(parse, raw), _outcome(_parse_slowly, raw)
    assert (repr(quick), type(quick)) == (repr(careful), type(careful))


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"a":2}',
        b'{"a" :1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"a":1,"\\u0061":2}',
        b'[{"a":":"},{"a":1,"a":1}]',
        b'{"a"\n:1,"b":2,"a":3}',
    ],
)
def test_a_duplicate_key_is_refused_however_it_is_written(raw: bytes) -> None:
    with pytest.raises(Malformed, match="duplicate"):
        parse(raw)


def test_numbers_keep_every_digit() -> None:
    assert parse(b'{"a":0.10000000000000000000000000001,"b":1.0}') == {
        "a": Decimal("0.10000000000000000000000000001"),
        "b": Decimal("1.0"),
    }


def test_the_deepest_allowed_level_is_the_same_for_both() -> None:
    for levels, allowed in ((MAX_DEPTH, True), (MAX_DEPTH + 1, False), (100_000, False)):
        raw = b"[" * levels + b"]" * levels
        assert isinstance(_outcome(parse, raw), list) == allowed
