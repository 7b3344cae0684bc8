"""Answers of HTTP/1.1 (RFC 9112), read as they arrive; no I/O.

Only what a client of one service needs: a status, a few headers, a body with a length, in chunks, or up to the end.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

from hyperkms.client.errors import UnexpectedAnswer

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: |\r|$)")
_FIELDS = re.compile(
    rb"(?i)\r\n(content-length|transfer-encoding|connection|retry-after):[ \t]*([^\r\n]*?)[ \t]*(?=\r|$)"
)
_DIGITS = re.compile(rb"[0-9]{1,15}")
_HEX = re.compile(rb"[0-9A-Fa-f]{1,12}")
_FIRST_FINAL = 200
_BODILESS = frozenset({204, 304})


class Answer(NamedTuple):
    """A whole answer; of its headers those that matter here, in lower case.

    `keeps` says whether the connection can be used again.
    """

    status: int
    headers: Mapping[bytes, bytes]
    body: bytes
    keeps: bool


class ResponseReader:
    """Reads one answer: `feed` bytes until it returns one; UnexpectedAnswer if it is no HTTP/1.1."""

    __slots__ = ("_answer", "_body", "_chunks", "_length", "_unread")

    def __init__(self) -> None:
        self._unread = b""
        self._answer: Answer | None = None  # its head, while the body is read
        self._length: int | None = None
        self._chunks: _Chunks | None = None
        self._body = bytearray()

    @property
    def started(self) -> bool:
        """Whether anything of the answer has arrived."""
        return self._answer is not None or self._unread != b""

    def feed(self, data: bytes) -> Answer | None:
        """Take what has arrived; the answer once it is whole."""
        if self._answer is None:
            data = self._unread + data if self._unread else data
            end = data.find(b"\r\n\r\n")
            while end >= 0:
                if self._take_head(data[:end]):
                    return self._take_body(data[end + 4 :])
                data = data[end + 4 :]  # an interim answer, such as 100 Continue
                end = data.find(b"\r\n\r\n")
            if len(data) > MAX_HEAD:
                raise _not_http()
            self._unread = data
            return None
        return self._take_body(data)

    def end(self) -> Answer | None:
        """The peer has closed: the answer, if that is how its body ends; None if it is cut off."""
        if self._answer is None or self._length is not None or self._chunks is not None:
            return None
        return self._answer._replace(body=bytes(self._body))

    def _take_head(self, head: bytes) -> bool:
        status_line = _STATUS_LINE.match(head)
        if status_line is None:
            raise _not_http()
        status = int(status_line[2])
        if status < _FIRST_FINAL:
            return False
        headers: dict[bytes, bytes] = {}
        for name, value in _FIELDS.findall(head):
            if headers.setdefault(name.lower(), value) != value:
                raise _not_http()  # two lengths: another reader could take the other one
        self._frame(status, headers, old=status_line[1] == b"0")
        return True

    def _frame(self, status: int, headers: Mapping[bytes, bytes], *, old: bool) -> None:
        """Settle where the body ends (RFC 9112 section 6.3)."""
        length, coding = headers.get(b"content-length"), headers.get(b"transfer-encoding")
        if status in _BODILESS:
            self._length = 0
        elif coding is not None:
            if coding.lower() != b"chunked":
                raise _not_http()
            self._chunks = _Chunks()
        elif length is not None:
            if not _DIGITS.fullmatch(length) or int(length) > MAX_BODY:
                raise _not_http()
            self._length = int(length)
        ends_by_closing = self._length is None and self._chunks is None
        # Two framings in one answer are a sign of something odd in between: it is the last on this line.
        odd = length is not None and coding is not None
        closes = old or ends_by_closing or odd or headers.get(b"connection", b"").lower() == b"close"
        self._answer = Answer(status, headers, b"", not closes)

    def _take_body(self, data: bytes) -> Answer | None:
        answer = self._answer
        if answer is None:
            raise _not_http()
        if self._chunks is not None:
            return self._take_chunks(answer, data)
        if self._length is not None and not self._body and len(data) == self._length:
            return Answer(answer.status, answer.headers, data, answer.keeps)
        self._body += data
        if len(self._body) > MAX_BODY:
            raise _not_http()
        if self._length is None or len(self._body) < self._length:
            return None
        # More than was announced: whatever it is, it does not belong to the next request.
        clean = len(self._body) == self._length
        return answer._replace(body=bytes(self._body[: self._length]), keeps=answer.keeps and clean)

    def _take_chunks(self, answer: Answer, data: bytes) -> Answer | None:
        if self._chunks is None or not self._chunks.feed(data):
            return None
        return answer._replace(body=bytes(self._chunks.body), keeps=answer.keeps and self._chunks.unread == b"")


class _Chunks:
    """A chunked body (RFC 9112 section 7.1)."""

    __slots__ = ("_in_trailer", "body", "unread")

    def __init__(self) -> None:
        self.body = bytearray()
        self.unread = b""
        self._in_trailer = False

    def feed(self, data: bytes) -> bool:
        """Take bytes; whether the body is whole."""
        data = self.unread + data if self.unread else data
        at = 0
        while (end := data.find(b"\r\n", at)) >= 0:
            line = data[at:end]
            if self._in_trailer:
                at = end + 2
                if not line:
                    self.unread = data[at:]
                    return True
                continue
            size = _size(line)
            if size == 0:
                self._in_trailer, at = True, end + 2
                continue
            following = end + 2 + size + 2
            if len(self.body) + size > MAX_BODY:
                raise _not_http()
            if len(data) < following:
                break
            if data[following - 2 : following] != b"\r\n":
                raise _not_http()
            self.body += data[end + 2 : following - 2]
            at = following
        self.unread = data[at:]
        if len(self.unread) > MAX_BODY + MAX_HEAD:
            raise _not_http()
        return False


def _size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not _HEX.fullmatch(digits):
        raise _not_http()
    return int(digits, 16)


def _not_http() -> UnexpectedAnswer:
    return UnexpectedAnswer("what answered does not speak HTTP/1.1 as the signing service does")
