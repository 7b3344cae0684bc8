"""Spans of time as a command line writes them: `90d`, `24h`."""

import re
from typing import Any

import click

_SPAN = re.compile(r"([0-9]{1,5})([hd])", re.ASCII)
_HOURS = {"h": 1, "d": 24}


class Days(click.ParamType[int]):
    """Whole days: `90d`."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of days."""
        if isinstance(value, int):
            return value
        found = _SPAN.fullmatch(str(value))
        if found is None or found[2] != "d":
            self.fail("whole days are due, such as 90d", param, ctx)
        return int(found[1])


class Hours(click.ParamType[int]):
    """Whole hours: `24h`, `7d`, or 0."""

    name = "hours"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of hours."""
        if value in (0, "0") or isinstance(value, int):
            return int(value)
        found = _SPAN.fullmatch(str(value))
        if found is None:
            self.fail("hours or days are due, such as 24h or 7d, or 0", param, ctx)
        return int(found[1]) * _HOURS[found[2]]
