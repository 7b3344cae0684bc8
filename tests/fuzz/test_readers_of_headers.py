"""Whatever bytes stand in a header, its reader answers."""

from hypothesis import given
from hypothesis import strategies as st

from hyperkms._core import Approval, RequestSignature
from hyperkms.http.routes.problems import _wants_page
from hyperkms.http.signed import sent_key

_NAMES = st.sampled_from([b"x-api-key", b"authorization", b"accept"]) | st.binary(max_size=8)
_VALUES = st.binary(max_size=40) | st.binary(max_size=40).map(lambda token: b"Bearer " + token)
_ACCEPTED = st.sampled_from(["text/html", "*/*", "application/json", ";q=", ";q=nan", ";q=1e9", ",", " ", "q=0.1"])


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=4))
def test_any_bytes_are_a_key_or_none(headers: list[tuple[bytes, bytes]]) -> None:
    assert isinstance(sent_key(headers), str | None)


@given(st.lists(_ACCEPTED | st.text(max_size=6), max_size=8).map("".join))
def test_any_accept_header_asks_for_a_page_or_not(accept: str) -> None:
    assert isinstance(_wants_page(accept), bool)


_PIECES = st.sampled_from(
    [
        b"v1 ",
        b"key=",
        b"to=",
        b"ts=",
        b"until=",
        b"id=",
        b"sig=",
        b",",
        b"0",
        b"f",
        b"00" * 8,
        b"ab" * 16,
        b"17" * 6 + b"8",
        b"cd" * 64,
    ]
)


@given(st.binary(max_size=300) | st.lists(_PIECES, max_size=20).map(b"".join))
def test_any_bytes_are_a_signature_or_none(header: bytes) -> None:
    found = RequestSignature.read(header)
    if found is not None:
        assert (len(found.key), len(found.service)) == (16, 32)


@given(st.binary(max_size=300) | st.lists(_PIECES, max_size=20).map(b"".join))
def test_any_bytes_are_an_approval_or_none(text: bytes) -> None:
    found = Approval.read(text)
    if found is not None:
        assert (len(found.key), len(found.id)) == (16, 32)
