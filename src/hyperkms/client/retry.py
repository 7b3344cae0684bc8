"""When a request is sent again, and how long to wait before (pure).

| what went wrong | sent again |
|---|---|
| no connection: nothing was sent | always |
| the connection broke, or no answer came in time | a GET, a POST with an Idempotency-Key, or a signature |
| 429: nothing was done | always, after `retry-after` |
| 503 with `retry-after` | a GET, a POST with an Idempotency-Key, or a signature |
| 409 request-in-progress | with the Idempotency-Key it names, after `retry-after` |
| anything else | never |

The same bytes are sent, the same Idempotency-Key among them, so that the service answers the one request it did.
A signature without one is made anew (`Idempotency.AUTOMATIC`).
"""

from collections.abc import Callable
from dataclasses import dataclass

from hyperkms.client.errors import Conflict, NoAnswer, NotConnected, RateLimited, SigningClientError, Unavailable

IN_PROGRESS = "request-in-progress"


@dataclass(frozen=True, kw_only=True)
class Retries:
    """A request is sent at most `attempts` times, and not after `deadline_s` seconds since the first.

    Pauses start at `first_pause_s`, double, are spread by half, and never undercut what the service asked for.
    """

    attempts: int = 4
    deadline_s: float = 10.0
    first_pause_s: float = 0.05

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.deadline_s < 0 or self.first_pause_s < 0:
            raise ValueError("attempts are at least 1, and times not negative")

    def pause(
        self,
        error: SigningClientError,
        *,
        attempt: int,
        elapsed_s: float,
        repeatable: bool,
        random: Callable[[], float],
    ) -> float | None:
        """Seconds to wait after this failed attempt (counted from 1); None if that was the last."""
        if attempt >= self.attempts or not _may_repeat(error, repeatable=repeatable):
            return None
        asked = error.retry_after_s if isinstance(error, RateLimited | Unavailable | Conflict) else None
        own = self.first_pause_s * 2 ** (attempt - 1) * (0.5 + random() / 2)
        pause = max(asked or 0.0, own)
        return pause if elapsed_s + pause <= self.deadline_s else None


NO_RETRIES = Retries(attempts=1)


def _may_repeat(error: SigningClientError, *, repeatable: bool) -> bool:
    match error:
        case NotConnected() | RateLimited():
            return True
        case NoAnswer():
            return repeatable
        case Unavailable():
            return repeatable and error.retry_after_s is not None
        case Conflict():
            return repeatable and error.code == IN_PROGRESS and error.idempotency_key is not None
    return False
