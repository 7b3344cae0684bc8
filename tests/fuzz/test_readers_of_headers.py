"""Whatever bytes stand in a header, its reader answers."""

from hypothesis import given
from hypothesis import strategies as st

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
