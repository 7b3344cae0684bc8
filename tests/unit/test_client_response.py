"""The client's reader of answers: any cut, any framing, nothing from one answer in the next."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hyperkms.client import UnexpectedAnswer
from hyperkms.client.response import MAX_HEAD, Answer, ResponseReader

WITH_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nRetry-After: 7\r\n\r\nhello world"
IN_CHUNKS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;note=x\r\n world\r\n0\r\nTrailer: x\r\n\r\n"
)
AFTER_AN_INTERIM_ANSWER = b"HTTP/1.1 100 Continue\r\n\r\n" + WITH_LENGTH
WHOLE = {"with a length": WITH_LENGTH, "in chunks": IN_CHUNKS, "after 100 Continue": AFTER_AN_INTERIM_ANSWER}


def read(*pieces: bytes) -> Answer | None:
    reader = ResponseReader()
    for number, piece in enumerate(pieces, 1):
        answer = reader.feed(piece)
        if answer is not None:
            assert number == len(pieces)
            return answer
    return reader.end()


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE.keys())
@settings(suppress_health_check=[HealthCheck.too_slow])  # a slow machine is no failure
@given(data=st.data())
def test_an_answer_reads_the_same_however_it_is_cut(whole: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.sets(st.integers(1, len(whole) - 1), max_size=12)))
    pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    answer = read(*pieces)
    assert answer is not None
    assert (answer.status, answer.body, answer.keeps) == (200, b"hello world", True)


@pytest.mark.parametrize("whole", WHOLE.values(), ids=WHOLE.keys())
def test_an_answer_that_is_cut_off_is_none(whole: bytes) -> None:
    for end in range(len(whole)):
        assert read(whole[:end]) is None


def test_an_answer_without_a_length_goes_on_to_the_end_of_the_connection() -> None:
    answer = read(b"HTTP/1.1 200 OK\r\n\r\nhello ", b"world")
    assert answer is not None
    assert (answer.body, answer.keeps) == (b"hello world", False)


def test_an_answer_without_a_body_ends_with_its_head() -> None:
    answer = read(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert answer is not None
    assert (answer.status, answer.body, answer.keeps) == (204, b"", True)


@pytest.mark.parametrize(
    "whole",
    [
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: Close\r\n\r\nhi",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi and more",
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\nmore",
    ],
    ids=["HTTP/1.0", "says close", "more than announced", "two framings", "more after the chunks"],
)
def test_a_connection_in_doubt_is_not_used_again(whole: bytes) -> None:
    answer = read(whole)
    assert answer is not None
    assert (answer.body, answer.keeps) == (b"hi", False)


def test_the_headers_that_matter_are_read_in_any_case() -> None:
    answer = read(b"HTTP/1.1 429 Slow down\r\nRETRY-AFTER:\t 3 \r\ncontent-length:0\r\nx-other: 1\r\n\r\n")
    assert answer is not None
    assert answer.headers == {b"retry-after": b"3", b"content-length": b"0"}


@pytest.mark.parametrize(
    "whole",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 999 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhixx0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffff\r\n",
        b"x" * (MAX_HEAD + 1),
    ],
    ids=[
        "another protocol",
        "HTTP/2",
        "no status",
        "negative length",
        "huge length",
        "two lengths",
        "unknown coding",
        "no chunk size",
        "chunk too long",
        "huge chunk",
        "endless head",
    ],
)
def test_what_is_no_answer_is_refused(whole: bytes) -> None:
    with pytest.raises(UnexpectedAnswer, match="does not speak HTTP"):
        read(whole)
