"""What was posted to /exchange, who signed it and what it was answered."""

from collections import deque
from dataclasses import asdict, dataclass

KEPT_ENTRIES = 10_000


@dataclass(frozen=True)
class Answer:
    """An HTTP answer: a str body goes as text/plain, any other as JSON; a lost one never arrives."""

    status: int
    body: object
    lost: bool = False


@dataclass(frozen=True)
class Entry:
    """One post: exchange time in ms, the JSON as received (None if it was none), the recovered signer."""

    time_ms: int
    posted: object
    signer: str | None
    answer: Answer


class Journal:
    """The last `KEPT_ENTRIES` posts, oldest first."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=KEPT_ENTRIES)

    def add(self, entry: Entry) -> None:
        """Note a post."""
        self._entries.append(entry)

    def entries(self) -> tuple[Entry, ...]:
        """Return the posts, oldest first."""
        return tuple(self._entries)

    def as_json(self) -> list[dict[str, object]]:
        """Return the posts as GET /sandbox/log shows them."""
        return [asdict(entry) for entry in self._entries]
