"""Filter patterns of CloudWatch Logs over JSON, as far as our alarms use them, read from AWS's documentation.

A comparison with something that is not there is false, `!=` too; `*` in a quoted text is any text. `&&` binds closer
than `||`. A number compares with numbers alone.
"""

import fnmatch
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(r'\s*(?:(\(|\)|&&|\|\|)|(\$[\w.\[\]]+)\s+(?:(NOT EXISTS)|(=|!=|>=|>|<=|<)\s*("[^"]*"|[\d.]+)))')
Event = Mapping[str, Any]
Matches = Callable[[Event], bool]
_MISSING = object()


@dataclass
class Pattern:
    """One that was read; `selectors` are what it looks at, `texts` the quoted texts by selector."""

    text: str
    matches: Matches = field(init=False)
    selectors: set[str] = field(default_factory=set)
    texts: dict[str, set[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.text.startswith("{"), self.text
        assert self.text.endswith("}"), self.text
        self._rest = self.text[1:-1].strip()
        self.matches = self._any()
        assert not self._rest, f"not understood: {self._rest}"

    def _any(self) -> Matches:
        parts = [self._all()]
        while self._takes("||"):
            parts.append(self._all())
        return lambda event: any(part(event) for part in parts)

    def _all(self) -> Matches:
        parts = [self._one()]
        while self._takes("&&"):
            parts.append(self._one())
        return lambda event: all(part(event) for part in parts)

    def _one(self) -> Matches:
        if self._takes("("):
            inner = self._any()
            assert self._takes(")"), self._rest
            return inner
        found = _TOKEN.match(self._rest)
        assert found, f"not understood: {self._rest}"
        assert found[2], f"not understood: {self._rest}"
        self._rest = self._rest[found.end() :].lstrip()
        self.selectors.add(found[2])
        if found[3]:
            return lambda event: _at(event, found[2]) is _MISSING
        if found[5].startswith('"'):
            self.texts.setdefault(found[2], set()).add(found[5].strip('"'))
        return lambda event: _compares(_at(event, found[2]), found[4], found[5])

    def _takes(self, sign: str) -> bool:
        if not self._rest.startswith(sign):
            return False
        self._rest = self._rest[len(sign) :].lstrip()
        return True


def _at(event: Any, selector: str) -> Any:
    for step in re.findall(r"[\w]+|\[\d+\]", selector):
        key = int(step[1:-1]) if step.startswith("[") else step
        try:
            event = event[key]
        except (KeyError, IndexError, TypeError):
            return _MISSING
    return event


def _compares(value: Any, sign: str, given: str) -> bool:
    if given.startswith('"'):
        if not isinstance(value, str):
            return False
        return fnmatch.fnmatchcase(value, given.strip('"').replace("[", "[[]")) is (sign == "=")
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    number = float(given)
    return {
        "=": value == number,
        "!=": value != number,
        ">=": value >= number,
        ">": value > number,
        "<=": value <= number,
        "<": value < number,
    }[sign]
