"""A head that came before is known again only where the parser would read the very same request."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperkms.http.same_head import SameHead

URL = b"/wallets/sign"
HASH = b"h" * 32


def _request(body: bytes, *, length: bytes | None = None, more: bytes = b"") -> bytes:
    declared = b"%d" % len(body) if length is None else length
    head = b"POST /wallets/sign HTTP/1.1\r\nHost: a\r\nX-API-Key: k\r\nContent-Length: %b\r\nAccept: */*\r\n%b\r\n"
    return head % (declared, more) + body


class _Read:
    """What the parser reads of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.url, self.body, self.ended = b"", b"", 0
        self.headers: list[tuple[bytes, bytes]] = []
        parser = httptools.HttpRequestParser(self)
        parser.feed_data(data)
        self.method = parser.get_method()

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.ended += 1


def _known() -> SameHead:
    found = SameHead.of(_request(b'{"walletId":"w"}'), URL, HASH)
    assert found is not None
    return found


@given(st.binary(max_size=300))
def test_a_body_of_another_length_under_the_same_head_is_read_as_the_parser_reads_it(body: bytes) -> None:
    data = _request(body)
    assert _known().body_of(data) == body
    assert _Read(data).body == body


_PARTS = st.sampled_from(
    [
        b"\r\n",
        b"\r",
        b"\n",
        b" ",
        b"0",
        b"1",
        b"+",
        b"-",
        b"\x00",
        b":",
        b"k",
        b"\r\n\r\n",
        b"Transfer-Encoding: chunked",
    ]
)


@given(st.binary(max_size=40), st.integers(0, 200), st.integers(0, 6), _PARTS)
def test_whatever_else_differs_is_left_to_the_parser(body: bytes, place: int, gone: int, put: bytes) -> None:
    """Each change of some bytes either is seen, or leaves a request that the parser reads the same way."""
    data = _request(body)
    changed = data[:place] + put + data[place + gone :]
    taken = _known().body_of(changed)
    if taken is not None:
        read, before = _Read(changed), _Read(data)
        assert (read.ended, read.body, read.url, read.method) == (1, taken, URL, b"POST")
        lengthless = [[each for each in one.headers if each[0] != b"content-length"] for one in (read, before)]
        assert lengthless[0] == lengthless[1]


@pytest.mark.parametrize(
    "data",
    [
        _request(b"abc", length=b"03"),
        _request(b"abc", length=b"+3"),
        _request(b"abc", length=b"3 "),
        _request(b"abc", length=b" 3"),
        _request(b"abc", length=b"2"),
        _request(b"abc", length=b"4"),
        _request(b"abc", length=b""),
        _request(b"abc") + _request(b"abc"),
        _request(b"abc", more=b"Connection: close\r\n"),
        _request(b"abc").replace(b"X-API-Key: k", b"X-API-Key: l"),
        _request(b"abc").replace(b"sign", b"Sign"),
        _request(b"abc")[:-1],
        b"\r\n" + _request(b"abc"),
        b"",
        b"P",
    ],
    ids=repr,
)
def test_no_other_request_is_taken_for_it(data: bytes) -> None:
    assert _known().body_of(data) is None


@pytest.mark.parametrize(
    "data",
    [
        _request(b"abc", length=b"03"),
        _request(b"abc", length=b"3\t"),
        _request(b"abc") + b"\r\n",
        _request(b"abc") + _request(b"abc"),
        _request(b"3\r\nabc\r\n0\r\n\r\n").replace(b"Content-Length: 13", b"Transfer-Encoding: chunked"),
    ],
    ids=repr,
)
def test_a_head_whose_length_is_not_plain_is_not_kept(data: bytes) -> None:
    assert SameHead.of(data, URL, HASH) is None


def test_a_length_that_stands_in_a_value_is_not_taken_for_the_header() -> None:
    data = _request(b"abc").replace(b"Host: a", b"Host: content-length:3")
    found = SameHead.of(data, URL, HASH)
    assert found is not None
    assert found.body_of(data) == b"abc"
