"""When a client sends a request again, as a table."""

import pytest

from hyperkms.client import NoAnswer, NotConnected, Retries, SigningClientError, UnexpectedAnswer
from hyperkms.client.errors import service_error

LOST = NoAnswer("lost")
LIMITED = service_error(429, {"error": "Too Many Requests"}, retry_after_s=2)
AWAY = service_error(503, {"error": "away"}, retry_after_s=1)
AWAY_FOR_GOOD = service_error(503, {"error": "away"})
IN_PROGRESS = service_error(409, {"error": "x", "code": "request-in-progress"}, retry_after_s=1, idempotency_key="k")
REUSED = service_error(409, {"error": "x", "code": "idempotency-key-reused"}, retry_after_s=1, idempotency_key="k")

CASES: dict[str, tuple[SigningClientError, bool, float | None]] = {
    "nothing was sent": (NotConnected("x"), False, 0.1),
    "lost, with a key": (LOST, True, 0.1),
    "lost, without a key": (LOST, False, None),
    "limited": (LIMITED, False, 2),
    "away for a while, with a key": (AWAY, True, 1),
    "away for a while, without a key": (AWAY, False, None),
    "away, nobody knows how long": (AWAY_FOR_GOOD, True, None),
    "under way already": (IN_PROGRESS, True, 1),
    "key used for another body": (REUSED, True, None),
    "malformed": (service_error(400, {"error": "x"}), True, None),
    "wrong key": (service_error(401, {"error": "x"}), True, None),
    "broken": (service_error(500, {"error": "x"}), True, None),
    "something else answers": (UnexpectedAnswer("x"), True, None),
}


def pause(
    error: SigningClientError, *, attempt: int = 1, elapsed_s: float = 0, repeatable: bool = True
) -> float | None:
    retries = Retries(attempts=3, deadline_s=5, first_pause_s=0.1)
    return retries.pause(error, attempt=attempt, elapsed_s=elapsed_s, repeatable=repeatable, random=lambda: 1.0)


@pytest.mark.parametrize(("error", "repeatable", "expected"), CASES.values(), ids=CASES.keys())
def test_only_what_is_safe_is_sent_again(error: SigningClientError, repeatable: bool, expected: float | None) -> None:  # noqa: FBT001 (a column of the table)
    assert pause(error, repeatable=repeatable) == expected


def test_pauses_double_and_end_with_the_attempts() -> None:
    assert [pause(LOST, attempt=attempt) for attempt in (1, 2, 3)] == [0.1, 0.2, None]


def test_nothing_is_sent_after_the_deadline() -> None:
    assert pause(LIMITED, elapsed_s=3) == 2
    assert pause(LIMITED, elapsed_s=3.1) is None


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"deadline_s": -1}, {"first_pause_s": -1}])
def test_retries_that_make_no_sense_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Retries(**wrong)
