"""A body that is read in one step is one that the careful reading answers with the same."""

import asyncio
from typing import Any

import msgspec
import pytest

from hyperkms.errors import HyperkmsError
from hyperkms.http.body import read_struct
from hyperkms.http.quick_body import read_quickly
from hyperkms.http.schemas import SignActionBatchRequest, SignActionRequest, SignBatchRequest, SignRequest
from hyperkms.strict_json import MAX_DEPTH

ACTION = '{"walletId":"w","action":{"type":"noop","x":[1,{"y":0.5}]}}'
MESSAGE = '{"walletId":"w","message":"m","version":1}'


def _nested(levels: int) -> str:
    return '{"x":' * levels + "1" + "}" * levels


def _action(action: str) -> str:
    return f'{{"walletId":"w","action":{action}}}'


SINGLE: dict[type[msgspec.Struct], list[str]] = {
    SignRequest: [
        '{"walletId":"w","message":"m"}',
        MESSAGE,
        '{"walletId":"w","walletId":"x","message":"m"}',
        '{"walletId":"w","message":""}',
        '{"walletId":"w","message":"m","version":null}',
        '{"walletId":"w","message":"m","more":1}',
        '{"walletId":"w","message":"a: b"}',
        '{"walletId":"w","message":"\\ud800"}',
    ],
    SignActionRequest: [
        ACTION,
        _action('{"type":"noop","type":"noop"}'),
        _action('{"type":"a","type":"\\u003a"}'),
        _action('{"x":{"y":1,"y":1}}'),
        _action(f'{{"x":{10**299}}}'),
        _action(f'{{"x":{10**400}}}'),
        _action('{"x":1e999}'),
        _action('{"x":NaN}'),
        *(_action(_nested(levels)) for levels in range(MAX_DEPTH - 4, MAX_DEPTH + 2)),
    ],
}
BATCH: dict[type[msgspec.Struct], type[msgspec.Struct]] = {
    SignRequest: SignBatchRequest,
    SignActionRequest: SignActionBatchRequest,
}
CASES = [
    *((kind, text) for kind, texts in SINGLE.items() for text in texts),
    *((BATCH[kind], f'{{"requests":[{text}]}}') for kind, texts in SINGLE.items() for text in texts),
    *((BATCH[kind], f'{{"requests":[{texts[0]},{text}]}}') for kind, texts in SINGLE.items() for text in texts),
    (SignBatchRequest, '{"requests":[]}'),
    (SignBatchRequest, f'{{"requests":[{MESSAGE}],"requests":[{MESSAGE}]}}'),
    (SignActionBatchRequest, f'{{"requests":[{",".join([ACTION] * 200)}]}}'),
    (SignActionBatchRequest, f'{{"requests":[{",".join([ACTION] * 201)}]}}'),
]


def _carefully(raw: bytes, kind: type[Any]) -> Any:
    try:
        return asyncio.run(read_struct(raw, kind, "is required"))
    except HyperkmsError:
        return None


@pytest.mark.parametrize(("kind", "text"), CASES)
def test_what_is_read_quickly_is_what_the_careful_reading_answers(kind: type[Any], text: str) -> None:
    quickly = read_quickly(text.encode(), kind)
    assert quickly is None or quickly == _carefully(text.encode(), kind)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (SignRequest, MESSAGE),
        (SignActionRequest, ACTION),
        (SignBatchRequest, f'{{"requests":[{",".join([MESSAGE] * 200)}]}}'),
        (SignActionBatchRequest, f'{{"requests":[{",".join([ACTION] * 200)}]}}'),
    ],
)
def test_what_bots_send_is_read_quickly(kind: type[Any], text: str) -> None:
    assert read_quickly(text.encode(), kind) is not None


def test_a_body_of_very_many_objects_is_left_to_a_thread() -> None:
    many = ",".join(["{}"] * 3000)
    assert read_quickly(_action(f'{{"x":[{many}]}}').encode(), SignActionRequest) is None
