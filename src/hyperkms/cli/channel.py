"""What a worker gets from its parent: descriptors, and the words that go over the channel between them."""

import socket
from dataclasses import dataclass

from hyperkms.cli.listeners import Listeners

GO = b"g"
"""To the worker: open the data directory and serve."""
CONNECT = b"c"
"""To the worker: the cosigners that its parent runs listen now."""
STOP = b"s"
"""To the worker: finish what was begun and end; a second time: do not wait for that."""


@dataclass(frozen=True, kw_only=True)
class Inherited:
    """Descriptors as a worker is told of them; `first` is the worker that speaks to the person at the terminal."""

    first: bool
    control: int
    tcp: int | None
    unix: int | None
    metrics: int | None

    def __str__(self) -> str:
        return ",".join("-" if each is None else str(int(each)) for each in self._each())

    def _each(self) -> tuple[int | None, ...]:
        return (self.first, self.control, self.tcp, self.unix, self.metrics)

    @classmethod
    def parse(cls, text: str) -> "Inherited":
        """Read what `str` wrote."""
        first, control, tcp, unix, metrics = (None if word == "-" else int(word) for word in text.split(","))
        return cls(first=bool(first), control=control or 0, tcp=tcp, unix=unix, metrics=metrics)

    def channel(self) -> socket.socket:
        """The worker's end of the channel."""
        return socket.socket(fileno=self.control)

    def listeners(self) -> Listeners:
        """Where the worker listens."""
        places = (self.tcp, self.unix, self.metrics)
        return Listeners(*(None if place is None else socket.socket(fileno=place) for place in places))
