"""Write the parts of docs/ that are made of tables in the source, or say with --check which are out of date.

`make docs` runs it. docs/errors.md and docs/policy.schema.json are made whole; of docs/troubleshooting.md and
docs/metrics.md the part below the marker.
"""

import json
import sys
from pathlib import Path

from hyperkms.access.policy.document import schema
from hyperkms.http.problems import status_of
from hyperkms.metrics.catalogue import FAMILIES, Family
from hyperkms.problem_table import SITUATIONS, Problem, Situation

DOCS = Path(__file__).parents[1] / "docs"
MARKER = "<!-- Below this line `make docs` writes; edit src/hyperkms/problem_table/ instead. -->\n"
METRICS_MARKER = "<!-- Below this line `make docs` writes; edit src/hyperkms/metrics/catalogue.py instead. -->\n"
_ERRORS_HEAD = """# Error codes

`make docs` writes this page from `src/hyperkms/problem_table/`; edit it there.

A refusal over HTTP is an RFC 9457 problem document; its `type` is `/problems/` and the code, and the service answers
there, without a key, with what stands here: as a page for a browser, as JSON for a program. A command prints one line
that ends with the code in brackets. [troubleshooting.md](troubleshooting.md) has the commands that show what is wrong.

*Retry*: whether the same call may succeed later, unchanged. A status of - is never answered: that code stops a command.
"""


def main() -> int:
    """Write the files; with --check only compare, and answer 1 if one differs."""
    made = {
        DOCS / "errors.md": errors(),
        DOCS / "troubleshooting.md": troubleshooting(),
        DOCS / "metrics.md": metrics(),
        DOCS / "policy.schema.json": json.dumps(schema(), indent=2) + "\n",
    }
    stale = [path for path, text in made.items() if not path.exists() or path.read_text("utf-8") != text]
    for path in stale:
        if "--check" in sys.argv[1:]:
            sys.stderr.write(f"docs/{path.name} is not what the table in the source makes of it: run `make docs`\n")
        else:
            path.write_text(made[path], "utf-8")
    return 1 if stale and "--check" in sys.argv[1:] else 0


def errors() -> str:
    """The reference: a table a situation."""
    parts = [_ERRORS_HEAD]
    for situation in SITUATIONS:
        parts.append(f"\n## {situation.title}\n{situation.words}\n")
        parts.append("\n| code | status | why | what to do | retry |\n|---|---|---|---|---|\n")
        parts += [_row(problem) for problem in situation.problems]
    return "".join(parts)


def troubleshooting() -> str:
    """The part that is written by hand, and an entry for each code."""
    by_hand = (DOCS / "troubleshooting.md").read_text("utf-8").partition(MARKER)[0]
    parts = [by_hand, MARKER]
    for situation in SITUATIONS:
        parts.append(f"\n## {situation.title}\n{situation.words}\n")
        parts += [_entry(problem, situation) for problem in situation.problems]
    return "".join(parts)


def metrics() -> str:
    """The part that is written by hand, and a row for each metric."""
    by_hand = (DOCS / "metrics.md").read_text("utf-8").partition(METRICS_MARKER)[0]
    head = "\n| name | type | labels | what it tells |\n|---|---|---|---|\n"
    return "".join([by_hand, METRICS_MARKER, head, *map(_metric, FAMILIES)])


def _row(problem: Problem) -> str:
    link = f"[{problem.code}](troubleshooting.md#{problem.code})"
    why = f"{problem.title}. {problem.cause}"
    return f"| {link} | {status_of(problem) or '-'} | {why} | {problem.next_step} | {problem.retry.value} |\n"


def _metric(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels) or "-"
    bounds = f" Buckets up to {', '.join(f'{bound:g}' for bound in family.bounds)}." if family.bounds else ""
    return f"| `{family.name}` | {family.kind.value} | {labels} | {family.words}{bounds} |\n"


def _entry(problem: Problem, situation: Situation) -> str:
    status = status_of(problem)
    seen = f"status {status}, `code` {problem.code}" if status else f"one line that ends with `[{problem.code}]`"
    return (
        f"\n### {problem.code}\n"
        f"{problem.title}.\n\n"
        f"* You see: {seen}.\n"
        f"* Why: {problem.cause}\n"
        f"* What to do: {problem.next_step} Retry: {problem.retry.value}.\n"
        f"* What shows it: `{problem.shown_by or situation.shown_by}`\n"
    )


if __name__ == "__main__":
    sys.exit(main())
