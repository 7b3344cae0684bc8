"""When a rule applies: hours and days of a zone."""

from datetime import datetime
from zoneinfo import ZoneInfo

from msgspec import UnsetType

from hyperkms.access.policy.document import Day, WhenDocument, hours_of, zone_of

_DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MINUTES = 24 * 60
_MINUTE_MS = 60_000


class Times:
    """Hours and days of a zone."""

    __slots__ = ("_begin", "_days", "_end", "_last", "_zone")

    def __init__(self, hours: tuple[int, int] | None, days: frozenset[Day] | None, zone: ZoneInfo) -> None:
        self._begin, self._end = hours or (0, _DAY_MINUTES)
        self._days = days
        self._zone = zone
        self._last = -1, False
        """A minute and its answer; one value, since several threads ask."""

    @classmethod
    def of(cls, when: WhenDocument) -> "Times | None":
        """Those of a `when`; None if it names neither."""
        if isinstance(when.hours, UnsetType) and isinstance(when.days, UnsetType):
            return None
        hours = None if isinstance(when.hours, UnsetType) else hours_of(when.hours, "hours")
        days = None if isinstance(when.days, UnsetType) else frozenset(when.days)
        return cls(hours, days, zone_of("UTC" if isinstance(when.zone, UnsetType) else when.zone, "zone"))

    def holds(self, now: int) -> bool:
        """Whether this moment is within them; worked out once a minute."""
        minute = now // _MINUTE_MS
        last, answer = self._last
        if minute != last:
            answer = self._holds_in(minute)
            self._last = minute, answer
        return answer

    def _holds_in(self, minute: int) -> bool:
        local = datetime.fromtimestamp(minute * 60, self._zone)
        of_day, day = local.hour * 60 + local.minute, local.weekday()
        if self._begin < self._end:
            within = self._begin <= of_day < self._end
        else:
            within = of_day >= self._begin or of_day < self._end
            if of_day < self._end:
                day = (day - 1) % 7  # it began the evening before
        return within and (self._days is None or _DAYS[day] in self._days)
