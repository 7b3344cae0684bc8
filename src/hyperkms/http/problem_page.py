"""The table of problems as pages for a browser: one file each, no scripts, nothing fetched from elsewhere."""

import base64
import hashlib
from collections.abc import Callable, Iterable
from html import escape

from hyperkms.problem_table import Problem, Situation

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:2rem auto;padding:0 1rem;color:#222;"
    "background:#fff}h1{font-size:1.4rem}h2{font-size:1.1rem;margin-top:2rem}dt{font-weight:600;margin-top:1rem}"
    "dd{margin:0}code,pre{font:.9rem/1.5 ui-monospace,monospace}pre{background:#f3f3f3;padding:.5rem;"
    "white-space:pre-wrap;overflow-wrap:anywhere}"
    "@media(prefers-color-scheme:dark){body{color:#ddd;background:#181818}pre{background:#262626}a{color:#8ab4f8}}"
)
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HTML_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
"""A browser that honours them runs and fetches nothing, whatever the text is."""


def one_page(problem: Problem, situation: Situation, status: int | None) -> str:
    """The page of a code; every text is escaped."""
    rows = [
        ("Answered with", f"status {status}" if status else "nothing: it stops a command, with exit status 1"),
        ("Why", problem.cause),
        ("What to do", problem.next_step),
        ("Try the same again", problem.retry.value),
    ]
    terms = "".join(f"<dt>{escape(term)}</dt><dd>{_words(text)}</dd>" for term, text in rows)
    shown = f"<dt>What shows it</dt><dd><pre>{escape(problem.shown_by or situation.shown_by)}</pre></dd>"
    heading = f"<h1>{escape(problem.title)} <code>{escape(problem.code)}</code></h1>"
    links = f"<p>{escape(situation.title)}. <a href='/problems'>Every code</a></p>"
    return _document(problem.code, f"{heading}<dl>{terms}{shown}</dl>{links}")


def list_page(situations: Iterable[Situation], status_of: Callable[[Problem], int | None]) -> str:
    """The page of all codes, by situation."""
    parts = ["<h1>What the codes mean</h1>"]
    for situation in situations:
        parts += [f"<h2>{escape(situation.title)}</h2><p>{_words(situation.words)}</p><ul>"]
        parts += [_entry(problem, status_of(problem)) for problem in situation.problems]
        parts += ["</ul>"]
    return _document("problems", "".join(parts))


def _entry(problem: Problem, status: int | None) -> str:
    code = escape(problem.code)
    return f"<li><a href='/problems/{code}'><code>{code}</code></a> {status or ''} {escape(problem.title)}</li>"


def _words(text: str) -> str:
    """Text in which `these` mark code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))


def _document(title: str, body: str) -> str:
    return (
        f"<!doctype html><html lang='en'><head><meta charset='utf-8'><title>{escape(title)} - hyperkms</title>"
        f"<meta name='viewport' content='width=device-width'><style>{_STYLE}</style></head>"
        f"<body>{body}</body></html>\n"
    )
