"""What a code means is told to everybody, as a page or as JSON; `type` of a refusal leads there."""

from html.parser import HTMLParser
from typing import Any

import pytest

from hyperkms.problem_table import PROBLEMS
from support.service import Answer, Service

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


def _get(service: Service, path: str, accept: str | None = None) -> Answer:
    return service.get(path, headers={} if accept is None else {"Accept": accept})


class _Page(HTMLParser):
    """The text and the tags of a page; what it fetches or runs."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.text = ""
        self.tags: set[str] = set()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            assert not name.startswith("on"), "a script"
            if name == "src" or (name == "href" and tag == "link"):
                self.fetched.append(str(value))
            elif name == "href":
                self.links.append(str(value))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_type_of_a_refusal_leads_to_its_description(shared_service: Service) -> None:
    refusal = shared_service.get("/wallets/nobody/public-key").json
    described = _get(shared_service, refusal["type"]).json
    assert {name: described[name] for name in ("type", "code", "title", "status")} == {
        name: refusal[name] for name in ("type", "code", "title", "status")
    }
    assert described["cause"]
    assert described["nextStep"]
    assert described["retry"] == "no"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/html;q=x", "application/json"),
        ("image/png", "application/json"),
        (",;,=;q=1;;", "application/json"),
        ("text/html", "text/html"),
        (BROWSER, "text/html"),
        ("TEXT/*;q=0.9, */*;q=0.1", "text/html"),
    ],
)
def test_a_browser_gets_a_page_and_a_program_gets_json(shared_service: Service, accept: str | None, kind: str) -> None:
    for path in ("/problems", "/problems/wallet-exists"):
        answer = _get(shared_service, path, accept)
        assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, kind)
        assert answer.headers["vary"] == "Accept"


def test_the_list_has_every_code_once(shared_service: Service) -> None:
    listed = _get(shared_service, "/problems").json
    codes = [problem["code"] for problem in listed["problems"]]
    assert sorted(codes) == sorted(PROBLEMS)
    assert listed["count"] == len(codes)


@pytest.fixture(scope="module")
def pages(shared_service: Service) -> dict[str, Answer]:
    return {code: _get(shared_service, f"/problems/{code}", BROWSER) for code in PROBLEMS}


def test_a_page_says_what_json_says_and_fetches_and_runs_nothing(shared_service: Service, pages: Any) -> None:
    for code, answer in pages.items():
        page = _Page(answer.body.decode())
        problem = PROBLEMS[code]
        for text in (problem.title, code, problem.cause, problem.next_step, problem.shown_by):
            assert text.replace("`", "") in page.text
        assert not page.tags & {"script", "iframe", "img", "form", "link", "object"}
        assert not page.fetched
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert all(_get(shared_service, link).status == 200 for link in set(page.links))


def test_the_page_of_all_codes_leads_to_each(shared_service: Service) -> None:
    page = _Page(_get(shared_service, "/problems", BROWSER).body.decode())
    assert {f"/problems/{code}" for code in PROBLEMS} == set(page.links)


@pytest.mark.parametrize(
    "code", ["none-of-them", "%3Cscript%3E", "malformed%0d%0a", "..%2f..", "Malformed", "x" * 2000]
)
def test_an_unknown_code_is_not_found_and_not_repeated(shared_service: Service, code: str) -> None:
    answer = _get(shared_service, f"/problems/{code}", BROWSER)
    assert answer.status == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json["code"] in ("unknown-problem", "no-such-route")
    assert b"script" not in answer.body
