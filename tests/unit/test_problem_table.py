"""Every code that can be raised is explained, and nothing else is."""

import json
import re
from pathlib import Path

import pytest

from hyperkms import errors
from hyperkms.http.problems import problem_of
from hyperkms.problem_table import PROBLEMS, SITUATIONS, Problem, Retry
from support.raised_codes import Raised, by_code, in_python, raised_codes

CODE = re.compile(r"[a-z]+(-[a-z0-9]+)*")
EVERY = [problem for situation in SITUATIONS for problem in situation.problems]
ADD = (
    "add one Problem(code=..., family=..., title=..., cause=..., next_step=...) to the module of its situation in "
    "src/hyperkms/problem_table/, then run `make docs`"
)
REMOVE = "take its entry out of src/hyperkms/problem_table/, then run `make docs`"


@pytest.fixture(scope="module")
def raised() -> dict[str, list[Raised]]:
    return dict(by_code(raised_codes()))


def test_every_code_that_is_raised_is_in_the_table(raised: dict[str, list[Raised]]) -> None:
    missing = {code: places[0].place for code, places in raised.items() if code not in PROBLEMS}
    assert not missing, f"not explained: {missing}; for each {ADD}"


def test_every_code_of_the_table_is_raised_somewhere(raised: dict[str, list[Raised]]) -> None:
    stale = set(PROBLEMS) - set(raised)
    assert not stale, f"raised nowhere: {sorted(stale)}; for each {REMOVE}"


def test_a_code_has_one_family_wherever_it_is_raised(raised: dict[str, list[Raised]]) -> None:
    """Its status would otherwise depend on who found the fault."""
    for code, places in raised.items():
        listed = PROBLEMS.get(code)
        for place in places:
            if listed is not None and place.family is not None:
                assert place.family == listed.family.__name__, f"{code} at {place.place}: the table has another family"


def test_no_code_stands_twice_in_the_table() -> None:
    codes = [problem.code for problem in EVERY]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("problem", EVERY, ids=lambda problem: problem.code)
def test_an_entry_says_what_why_and_what_to_do(problem: Problem) -> None:
    assert CODE.fullmatch(problem.code)
    assert issubclass(problem.family, errors.HyperkmsError)
    assert "`" not in problem.title, "it is shown as it is"
    assert not problem.title.endswith(".")
    for text in (problem.cause, problem.next_step):
        assert text.endswith("."), text
        assert text.count("`") % 2 == 0, text
        assert "|" not in text, "it would end the cell of a table"


def test_the_same_call_cures_no_wrong_key_no_missing_thing_and_no_tampering() -> None:
    hopeless = (errors.Unauthorized, errors.Forbidden, errors.NotFound, errors.Tampered)
    again = [problem.code for problem in EVERY if issubclass(problem.family, hopeless) and problem.retry.value != "no"]
    assert not again


@pytest.mark.parametrize("problem", EVERY, ids=lambda problem: problem.code)
def test_an_answer_has_the_title_of_the_table_and_proposes_a_retry_only_where_one_can_help(problem: Problem) -> None:
    made: errors.HyperkmsError
    if problem.family is errors.Limited:
        made = errors.Limited("words", retry_after_s=7, most=1, left=0)
    else:
        made = problem.family(problem.code, "words")
    answered = problem_of(made, "a-request")
    assert json.loads(answered.body)["title"] == problem.title
    unavailable = issubclass(problem.family, errors.Unavailable)
    again = problem.retry is not Retry.NO if unavailable else problem.retry is Retry.AFTER
    assert ("Retry-After" in answered.headers) == again


def test_a_new_code_is_found_however_it_is_raised(tmp_path: Path) -> None:
    (tmp_path / "errors.py").write_text("class HyperkmsError(Exception): ...\nclass Malformed(HyperkmsError): ...\n")
    (tmp_path / "new.py").write_text(
        "class Limited(HyperkmsError): ...\n"
        "def check(value, code='by-default'):\n    raise Malformed.at('f', 'words', code)\n"
        "def use(x):\n    check(x, 'by-position')\n    check(x, code='by-name')\n"
        "def others(errors):\n    raise errors.Limited('of-a-new-family', 'words')\n"
        "def made():\n    return Limited(code='by-keyword' if made else 'by-another', message='words')\n"
    )
    found = {raised.code for raised in in_python(tmp_path)}
    assert found == {"by-default", "by-position", "by-name", "of-a-new-family", "by-keyword", "by-another"}


def test_a_code_that_is_computed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "new.py").write_text("class Limited(HyperkmsError): ...\nraise Limited(f'no-{thing}', 'words')\n")
    with pytest.raises(AssertionError, match="computed"):
        list(in_python(tmp_path))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (61, "61 seconds"),
        (300, "5 minutes"),
        (299, "299 seconds"),
        (3600, "1 hour"),
        (86_400, "1 day"),
        (172_800, "2 days"),
    ],
)
def test_the_time_to_wait_is_the_same_in_words_and_in_the_header(seconds: int, words: str) -> None:
    made = problem_of(errors.Limited("words", retry_after_s=seconds, most=1, left=0), "id")
    assert (json.loads(made.body)["retryAfter"], made.headers["Retry-After"]) == (words, str(seconds))
