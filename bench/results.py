"""What was measured: rows for a reader, figures for a program."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_WIDTH = 44


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    part: str
    name: str
    shown: str
    """The figures with their units."""
    figures: Mapping[str, float] = field(default_factory=dict)
    target: str = ""
    """What issue and design ask for; empty where they ask nothing."""
    met: bool | None = None

    def text(self) -> str:
        """The line."""
        verdict = "" if self.met is None else f"   [{'met' if self.met else 'NOT MET'}: {self.target}]"
        return f"  {self.name:{_WIDTH}} {self.shown}{verdict}"


class Report:
    """Rows in the order they were measured, each printed when it is there."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def begin(self, title: str) -> None:
        """A heading."""
        print(f"\n{title}", flush=True)

    def note(self, words: str) -> None:
        """A sentence the figures need."""
        print(f"  {words}", flush=True)

    def add(self, row: Row) -> None:
        """Print and keep a row."""
        self.rows.append(row)
        print(row.text(), flush=True)

    def write(self, path: Path, machine: str) -> None:
        """All of it as JSON."""
        path.write_text(json.dumps({"machine": machine, "rows": [_plain(row) for row in self.rows]}, indent=2) + "\n")

    def summary(self) -> str:
        """How many targets were met."""
        judged = [row for row in self.rows if row.met is not None]
        missed = [f"{row.part}: {row.name}" for row in judged if not row.met]
        words = f"{len(judged) - len(missed)} of {len(judged)} targets met"
        return words if not missed else f"{words}; not met:\n  " + "\n  ".join(missed)


def at_least(part: str, name: str, value: float, least: float, unit: str) -> Row:
    """A figure that should be no smaller."""
    return Row(
        part=part,
        name=name,
        shown=f"{value:10,.2f} {unit}",
        figures={"value": value, "target": least},
        target=f"at least {least:,g} {unit}",
        met=value >= least,
    )


def at_most(part: str, name: str, value: float, most: float, unit: str) -> Row:
    """A figure that should be no larger."""
    return Row(
        part=part,
        name=name,
        shown=f"{value:10,.2f} {unit}",
        figures={"value": value, "target": most},
        target=f"at most {most:,.3g} {unit}",
        met=value <= most,
    )


def _plain(row: Row) -> dict[str, object]:
    figures = {name: round(value, 4) for name, value in row.figures.items()}
    return {
        "part": row.part,
        "name": row.name,
        "figures": figures,
        "target": row.target or None,
        "met": row.met,
    }


def spread(values: Sequence[float]) -> str:
    """Smallest and largest, for a median that stands beside it."""
    return f"{min(values):,.0f}..{max(values):,.0f}"
