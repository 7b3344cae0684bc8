"""The bytes that are hashed, and the text that JavaScript makes of JSON."""

import json
import random
import shutil
import struct
import subprocess
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgpack as reference
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperkms.errors import Malformed
from hyperkms.hyperliquid.wire import canonical, msgpack
from hyperkms.strict_json import ecmascript, parse
from support.service import START_S
from support.vectors import load

TEXTS = 3000

# RFC 8785, appendix B: the bits of a double, and its text.
RFC_8785_NUMBERS = {
    "0000000000000000": "0",
    "8000000000000000": "0",
    "0000000000000001": "5e-324",
    "8000000000000001": "-5e-324",
    "7fefffffffffffff": "1.7976931348623157e+308",
    "ffefffffffffffff": "-1.7976931348623157e+308",
    "4340000000000000": "9007199254740992",
    "c340000000000000": "-9007199254740992",
    "4430000000000000": "295147905179352830000",
    "44b52d02c7e14af5": "9.999999999999997e+22",
    "44b52d02c7e14af6": "1e+23",
    "44b52d02c7e14af7": "1.0000000000000001e+23",
    "444b1ae4d6e2ef4e": "999999999999999700000",
    "444b1ae4d6e2ef4f": "999999999999999900000",
    "444b1ae4d6e2ef50": "1e+21",
    "3eb0c6f7a0b5ed8c": "9.999999999999997e-7",
    "3eb0c6f7a0b5ed8d": "0.000001",
    "41b3de4355555553": "333333333.3333332",
    "41b3de4355555557": "333333333.33333343",
    "becbf647612f3696": "-0.0000033333333333333333",
    "43143ff3c1cb0959": "1424953923781206.2",
}


def _published() -> Iterator[tuple[object, str]]:
    """Each value of the kinds that actions are made of, with its shortest form."""
    for case in load("msgpack.json")["cases"]:
        for kind in ("nil", "bool", "number", "bignum", "string", "array", "map"):
            if kind in case:
                value = int(case[kind]) if kind in ("number", "bignum") else case[kind]
                yield value, case["msgpack"][0].replace("-", "")


def test_published_values_have_their_shortest_msgpack_form() -> None:
    seen = 0
    for value, wanted in _published():
        assert msgpack({"k": value})[3:].hex() == wanted, value
        seen += 1
    assert seen == 29


def test_the_empty_and_the_longer_maps_of_actions_have_their_shortest_form() -> None:
    assert msgpack({}).hex() == "80"
    assert msgpack({f"{number:02}": 0 for number in range(15)})[:1].hex() == "8f"
    assert msgpack({f"{number:02}": 0 for number in range(16)})[:3].hex() == "de0010"


_WIRE_VALUES = st.recursive(
    st.booleans() | st.integers(0, 2**64 - 1) | st.text(max_size=50),
    lambda inner: st.lists(inner, max_size=17) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=25,
)


@given(st.dictionaries(st.text(max_size=40), _WIRE_VALUES, max_size=4))
def test_any_action_packs_as_the_reference_implementation_packs_it(action: dict[str, Any]) -> None:
    assert msgpack(action) == reference.packb(action)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**15), max_value=10**15))
def test_a_canonical_number_has_the_same_value_and_no_shorter_writing(number: Decimal) -> None:
    text = canonical(number)
    assert Decimal(text) == number
    assert canonical(Decimal(text)) == text
    assert text != "-0"
    assert "E" not in text
    assert not ("." in text and text[-1] in "0.")


@pytest.mark.parametrize("bits", RFC_8785_NUMBERS)
def test_numbers_are_printed_as_rfc_8785_says(bits: str) -> None:
    [value] = struct.unpack(">d", bytes.fromhex(bits))
    exact = Decimal(value)
    assert ecmascript(exact) == RFC_8785_NUMBERS[bits]
    assert ecmascript(parse(repr(value).encode())) == RFC_8785_NUMBERS[bits]


def _leaves(value: object) -> Iterator[object]:
    """Every scalar, object members in the order of RFC 8785."""
    match value:
        case dict():
            for key in sorted(value, key=lambda name: name.encode("utf-16-be")):
                yield key
                yield from _leaves(value[key])
        case list():
            for member in value:
                yield from _leaves(member)
        case _:
            yield value


def test_published_canonical_texts_have_our_scalars() -> None:
    for case in load("json_canonical_rfc8785.json")["cases"]:
        value = parse(bytes.fromhex(case["input_hex"]))
        wanted = bytes.fromhex(case["canonical_hex"]).decode()
        place = 0
        for leaf in _leaves(value):
            text = ecmascript(leaf)
            place = wanted.index(text, place) + len(text)
        assert not wanted[place:].strip(":,[]{}"), case["name"]


def test_the_published_values_are_printed_whole() -> None:
    [case] = [case for case in load("json_canonical_rfc8785.json")["cases"] if case["name"] == "values.json"]
    value = parse(bytes.fromhex(case["input_hex"]))
    assert isinstance(value, dict)
    in_order = dict(sorted(value.items()))
    assert ecmascript(in_order).encode().hex() == case["canonical_hex"]


@pytest.mark.parametrize("key", ["0", "7", "10", "4294967294"])
def test_keys_that_javascript_would_reorder_are_refused(key: str) -> None:
    with pytest.raises(Malformed) as caught:
        ecmascript({"a": 1, key: 2})
    assert caught.value.code == "integer-key"


_JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    lambda inner: st.lists(inner, max_size=5)
    | st.dictionaries(st.text(st.characters(exclude_categories=["Cs", "Nd"]), max_size=8), inner, max_size=5),
    max_leaves=20,
)  # fmt: skip


@given(_JSON_VALUES, st.booleans(), st.sampled_from([None, 1]))
def test_the_text_does_not_depend_on_how_the_json_was_written(
    value: object,
    ascii_only: bool,  # noqa: FBT001 (hypothesis passes a flag)
    indent: int | None,
) -> None:
    written = json.dumps(value, ensure_ascii=ascii_only, indent=indent).encode()
    text = ecmascript(parse(written))
    assert ecmascript(parse(text.encode())) == text
    assert json.loads(text, parse_int=float) == _as_doubles(value)


def _as_doubles(value: object) -> object:
    match value:
        case dict():
            return {key: _as_doubles(member) for key, member in value.items()}
        case list():
            return [_as_doubles(member) for member in value]
        case int() if not isinstance(value, bool):
            return float(value)
    return value


# ---- against JavaScript itself ----------------------------------------------------------------------

# fmt: off
FIXED_NUMBERS = (
    "0", "-0", "-0.0", "0e5", "1", "-1", "1.0", "10.50", "1e21", "1e20", "123456789012345678901", "1e-6", "1e-7",
    "999999999999999999999", "1.5e-7", "5e-324", "4.9e-324", "2.4e-324", "1.7976931348623157e308", "0.1", "100",
    "0.30000000000000004", "1E5", "1e+5", "9007199254740993", "-9007199254740993", "18446744073709551616", "1e300",
    "340282366920938463463374607431768211456", "2.2250738585072014e-308", "123e-10000",
)
FIXED_STRINGS = (
    '""', '"a"', '"é"', '"\\u00e9"', '"\\ud83d\\ude00"', '"😀"', '"\\/"', '"\\b\\f\\n\\r\\t"', '"\\u0000\\u001f"',
    '"\\u007f"', '"\\"\\\\"', '"\\u2028\\u2029"', '"\u2028"', '"\\ufeff"', '"\\uffff"',
    '"\U0010ffff"', '"\\u0041"', '"ひらがな"',
)
KEYS = (
    "a", "B", "é", "", "01", "-1", "1.0", "1e3", "4294967295", "99999999999", "__proto__", "toJSON", "\\u0061b", "x\\n",
)
# fmt: on


def _number(dice: random.Random) -> str:
    if dice.random() < 0.3:
        return dice.choice(FIXED_NUMBERS)
    sign = dice.choice(("", "-"))
    whole = str(dice.randrange(10 ** dice.choice((1, 3, 9, 17, 25))))
    fraction = f".{dice.randrange(10**18):018}"[: dice.randrange(2, 19)] if dice.random() < 0.6 else ""
    exponent = f"{dice.choice('eE')}{dice.choice(('', '+', '-'))}{dice.randrange(280)}" if dice.random() < 0.4 else ""
    return sign + whole + fraction + exponent


def _string(dice: random.Random) -> str:
    if dice.random() < 0.3:
        return dice.choice(FIXED_STRINGS)
    characters = [chr(dice.choice((dice.randrange(0x80), dice.randrange(0xD800), dice.randrange(0xE000, 0x110000))))]
    characters += dice.choices('abcé漢😀\x7f\x1f\\"/', k=dice.randrange(6))
    return json.dumps("".join(characters), ensure_ascii=dice.random() < 0.5)


def _text(dice: random.Random, depth: int = 0) -> str:
    kind = dice.random()
    space = dice.choice(("", "", " ", "\n\t"))
    if depth < 4 and kind < 0.25:
        return f"[{space}" + f",{space}".join(_text(dice, depth + 1) for _ in range(dice.randrange(4))) + "]"
    if depth < 4 and kind < 0.5:
        keys = dice.sample(KEYS, dice.randrange(5))
        return "{" + ",".join(f'{space}"{key}"{space}:{_text(dice, depth + 1)}' for key in keys) + "}"
    if kind < 0.75:
        return _number(dice)
    return _string(dice) if kind < 0.95 else dice.choice(("true", "false", "null"))


def test_the_text_is_the_one_that_javascript_makes() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed; JSON.stringify(JSON.parse(text)) is compared where it is")
    dice = random.Random(20240229)  # noqa: S311 (test data that can be made again)
    texts = [*FIXED_NUMBERS, *FIXED_STRINGS, *(_text(dice) for _ in range(TEXTS))]
    program = (
        "const texts = JSON.parse(require('fs').readFileSync(0, 'utf8'));"
        "process.stdout.write(JSON.stringify(texts.map(text => JSON.stringify(JSON.parse(text)))))"
    )
    sent = json.dumps(texts).encode()
    made = subprocess.run([node, "-e", program], input=sent, capture_output=True, check=True, timeout=START_S)
    wanted = json.loads(made.stdout)
    assert len(wanted) == len(texts) > TEXTS
    for text, expected in zip(texts, wanted, strict=True):
        assert ecmascript(parse(text.encode())) == expected, text
