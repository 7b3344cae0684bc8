"""Times as a person writes them: a day, a moment in UTC, or how long ago."""

import re
from datetime import UTC, datetime, timedelta

from hyperkms.errors import Malformed

_AGO = re.compile(r"([0-9]{1,5})([mhd])", re.ASCII)
_MINUTES = {"m": 1, "h": 60, "d": 24 * 60}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_DUE = "a day (2026-11-28), a time in UTC (2026-11-28T14:05) or a span until now (30m, 24h, 7d) is due"


def parse_since(text: str, now: int, place: str = "since") -> int:
    """The moment from which on; milliseconds. Malformed if it is none."""
    return _moment(text, now, place)[0]


def parse_until(text: str, now: int, place: str = "until") -> int:
    """The moment up to which, exclusive: a day ends with its last millisecond."""
    return _moment(text, now, place)[1]


def _moment(text: str, now: int, place: str) -> tuple[int, int]:
    ago = _AGO.fullmatch(text)
    if ago:
        moment = now - int(ago[1]) * _MINUTES[ago[2]] * 60_000
        return moment, moment
    try:
        read = datetime.fromisoformat(text.replace(" ", "T"))
        read = read.replace(tzinfo=UTC) if read.tzinfo is None else read
        end = read + timedelta(days=1) if _DAY.fullmatch(text) else read
        return _milliseconds(read), _milliseconds(end)
    except (ValueError, OverflowError) as error:
        raise Malformed.at(place, _DUE) from error


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
