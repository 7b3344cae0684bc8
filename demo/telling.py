"""What the demo says while it runs; a line is printed when it is known."""

from collections.abc import Iterable

from demo.processes import Running
from demo.replies import Line
from demo.table import row


def say(words: str) -> None:
    """A sentence."""
    print(f"demo: {words}", flush=True)


def say_running(process: Running) -> None:
    """Where a process listens."""
    say(f"{process.name} listens on {process.url} (pid {process.pid})")


def shown(lines: Iterable[Line]) -> list[Line]:
    """The lines, each shown as a row of the table."""
    kept = []
    for line in lines:
        print(row(line), flush=True)
        kept.append(line)
    return kept
