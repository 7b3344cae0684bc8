"""A request whose head came before, byte for byte but for the length of its body.

A bot sends the same head each time. What the parser made of it once, it would make of it again, so it need
not be asked: its callbacks cost more than the signature. Anything else goes to the parser.
"""

from dataclasses import dataclass

_END = b"\r\n\r\n"
_LENGTH = b"\r\ncontent-length:"
_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True, repr=False)
class SameHead:
    """A head that the parser has read, of a request that came in one piece. Its bytes have the API key in them."""

    before: bytes
    """Up to the digits of the body's length."""
    after: bytes
    """From these to the end of the head."""
    url: bytes
    key_hash: bytes
    """Of the API key that it has."""

    @classmethod
    def of(cls, data: bytes, url: bytes, key_hash: bytes) -> "SameHead | None":
        """The head of this one whole request; None where the length of its body is not written as usual."""
        end = data.find(_END) + len(_END)
        name = data[:end].lower().find(_LENGTH)
        if name < 0:
            return None
        start = name + len(_LENGTH)
        while data[start : start + 1] == b" ":
            start += 1
        stop = data.find(b"\r", start)
        found = cls(data[:start], data[stop:end], url, key_hash)
        return found if found.body_of(data) == data[end:] else None

    def body_of(self, data: bytes) -> bytes | None:
        """The body of one whole request with this head; None for everything else."""
        start = len(self.before)
        stop = data.find(b"\r", start, start + _MOST_DIGITS + 1)
        if stop <= start or not data.startswith(self.before) or not data.startswith(self.after, stop):
            return None
        body = data[stop + len(self.after) :]
        return body if data[start:stop] == b"%d" % len(body) else None
