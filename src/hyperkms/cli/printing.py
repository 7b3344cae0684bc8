"""What a command prints: on standard output the answer, as text or as one JSON document, and nothing else."""

import json
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from typing import Any

import click


class Form(Enum):
    """How the answer is printed."""

    TEXT = "text"
    JSON = "json"


def _form(_context: click.Context, _option: click.Parameter, given: bool) -> Form:  # noqa: FBT001 (click's callback)
    return Form.JSON if given else Form.TEXT


FORM = click.option("--json", "form", is_flag=True, callback=_form, help="Print one JSON document.")


def show(view: Mapping[str, Any], form: Form) -> None:
    """An answer: every member on a line, or as JSON."""
    if form is Form.JSON:
        show_json(view)
        return
    for name, value in view.items():
        click.echo(f"{name:14} {_text(value)}")


def show_json(view: object) -> None:
    """One JSON document."""
    click.echo(json.dumps(view, indent=2))


def show_rows(rows: Iterable[Sequence[object]]) -> None:
    """Rows whose columns stand below each other; what is not there is a hyphen."""
    texts = [[_text("-" if cell is None else cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) and not isinstance(value, bool) else json.dumps(value)
