"""The queries of docs/log-queries.md ask for names and values that the log has."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperkms.metrics.catalogue import CODES
from hyperkms.metrics.routes import ROUTES
from support.log_names import log_names

PAGE = (Path(__file__).parents[2] / "docs" / "log-queries.md").read_text()
INSIGHTS = re.findall(r"```insights\n(.+?)```", PAGE, re.DOTALL)
DATADOG = re.findall(r"```datadog\n(.+?)```", PAGE, re.DOTALL)
NAMES = log_names()
ROUTE_TEMPLATES = {template for _, template in ROUTES}
WORDS = {"filter", "fields", "stats", "sort", "limit", "by", "as", "and", "or", "in", "like", "desc", "asc"}
FUNCTIONS = {"count", "pct", "max", "earliest", "latest", "bin"}
VALUES = {"event": NAMES.events, "code": set(CODES), "route": ROUTE_TEMPLATES}


def _without_texts(query: str) -> str:
    return re.sub(r'"[^"]*"|/[^/\n]+/', " ", query)


def _values(query: str) -> Iterator[tuple[str, str]]:
    """A member, and each text that it is compared with."""
    for member, single, several in re.findall(r'(\w+) (?:= "([^"]+)"|in \[([^\]]+)\])', query):
        for value in [single] if single else re.findall(r'"([^"]+)"', several):
            yield member, value
    for member, several in re.findall(r'@(\w+):(\([^)]*\)|"[^"]*"|[\w/*-]+)', query):
        for value in re.findall(r"[\w/.*-]+", several):
            if value != "OR":
                yield member, value


@pytest.mark.parametrize("query", INSIGHTS)
def test_insights_asks_for_members_that_lines_have(query: str) -> None:
    text = _without_texts(query)
    made = set(re.findall(r"\bas (\w+)", text))
    asked = set(re.findall(r"\b[A-Za-z]\w*\b", text)) - WORDS - FUNCTIONS - made
    assert asked
    assert asked <= NAMES.members


@pytest.mark.parametrize("query", DATADOG)
def test_datadog_asks_for_members_that_lines_have(query: str) -> None:
    asked = set(re.findall(r"@(\w+)", query))
    assert asked
    assert asked <= NAMES.members - {"status"}, "Datadog takes status for a severity"


@pytest.mark.parametrize("query", [*INSIGHTS, *DATADOG])
def test_events_codes_and_routes_of_a_query_are_ours(query: str) -> None:
    for member, value in _values(query):
        known = VALUES.get(member)
        if known is not None:
            pattern = re.escape(value).replace(r"\*", ".*")
            assert any(re.fullmatch(pattern, each) for each in known), (member, value)


def test_each_question_is_asked_of_both() -> None:
    assert len(INSIGHTS) == len(DATADOG) > 8
