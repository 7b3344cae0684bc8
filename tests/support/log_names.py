"""What stands in the lines of the log, read from the source: events, and the members of a line."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hyperkms.http.lines import RequestLine
from hyperkms.http.log import describe

SOURCE = Path(__file__).parents[2] / "src" / "hyperkms"
_LEVELS = {"debug", "info", "warning", "error"}
_ALWAYS = {"event", "level", "logger", "time"}


@dataclass(frozen=True)
class LogNames:
    """`events` are values of `event`; `members` are the names that any line has."""

    events: frozenset[str]
    members: frozenset[str]


def log_names() -> LogNames:
    """All of them: what calls of loggers name, and the line of a request, which is written without one."""
    events, members = {"request", "lines-lost"}, {*_ALWAYS, "lines", *RequestLine.__struct_encode_fields__}
    members |= describe(ValueError()).keys()
    for call in _calls():
        events |= {word.value for word in call.args if isinstance(word, ast.Constant) and isinstance(word.value, str)}
        members |= {keyword.arg for keyword in call.keywords if keyword.arg}
    return LogNames(frozenset(events), frozenset(members))


def _calls() -> Iterator[ast.Call]:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LEVELS:
                owner = node.func.value
                if isinstance(owner, ast.Name) and owner.id in ("log", "_log"):
                    yield node
