"""Published hostile texts in every body of the OpenAPI document: answered, never 5xx, and refused where they must be.

The routes and the places in their bodies come from the document, so that a new route is tried as it arrives. A text
that must not be JSON is refused wherever it stands; one that must be is never called broken JSON.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.databases import rows
from support.every_route import Place, Route, places, replaced, routes_of
from support.keep_alive import Line, line_to
from support.naughty import naughty_names, naughty_strings
from support.service import Service
from support.unlimited import UNLIMITED
from support.vectors import load

MARK = "HOSTILE-7c1f"
NOT_STRICT = {"y_object_duplicated_key.json", "y_object_duplicated_key_and_value.json"}
"""JSON that two readers can read differently, and that we refuse."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service without limits, with the wallet and the client that the document's examples name."""
    with Service.start(tmp_path_factory.mktemp("hostile") / "data", **UNLIMITED) as service:
        service.generate("bot-1", keyType="secp256k1")
        service.generate("bytes")
        assert service.post("/clients", {"name": "bot-1", "allow": ["trade"]}).status == 200
        yield service


@pytest.fixture(scope="module")
def posts(prepared: Service) -> list[Route]:
    """Every route that takes a body; those that end something are asked of what is not there."""
    return [route for route in routes_of(prepared.get("/openapi.json").json) if route.bodies]


@pytest.fixture
def line(prepared: Service) -> Iterator[Line]:
    with line_to(prepared) as opened:
        yield opened
        assert opened.get("/health").status == 200, "the connection and the service go on"


def _path(route: Route) -> str:
    return route.at("bot-1" if route.path.endswith("/activate") else "nobody")


def _bodies(route: Route, placed: Any = MARK) -> Iterator[tuple[Place, bytes]]:
    """Each place in the first example, with a mark (or a value) in it."""
    body = dict(route.bodies[0])
    for place, _ in places(body):
        yield place, json.dumps(replaced(body, place, placed)).encode()


def test_every_published_json_text_is_judged_as_published_wherever_it_stands(line: Line, posts: list[Route]) -> None:
    cases = load("json_parsing.json")["cases"]
    assert len(posts) >= 10
    for route in posts:
        for place, body in _bodies(route):
            for case in cases if len(place) < 2 else cases[::7]:
                whole = body.replace(f'"{MARK}"'.encode(), bytes.fromhex(case["hex"]))
                answer = line.post_raw(_path(route), whole)
                told = (route.path, place, case["name"], answer.body)
                assert answer.status < 500 or answer.json["code"] == "market-unavailable", told
                if case["expect"] == "reject" and whole and not _is_json(whole):
                    assert answer.status == 400, told
                if case["expect"] == "accept" and case["name"] not in NOT_STRICT and place:
                    assert answer.json.get("code") != "malformed-json", told


def test_naughty_strings_in_every_member_are_no_failure(line: Line, posts: list[Route]) -> None:
    strings = naughty_strings()
    for route in posts:
        for place, _ in _bodies(route):
            for text in strings if len(place) == 1 else strings[::9]:
                answer = line.post(_path(route), replaced(dict(route.bodies[0]), place, text))
                told = (route.path, place, text, answer.body)
                assert answer.status < 500 or answer.json["code"] == "market-unavailable", told
                assert len(text) < 24 or answer.status < 400 or text not in answer.json["error"], told


def test_a_wallet_or_client_name_that_is_none_is_refused_by_every_route_and_stored_by_none(
    prepared: Service, line: Line, posts: list[Route]
) -> None:
    before = _names(prepared)
    refused = naughty_names()
    for route in posts:
        body = dict(route.bodies[0])
        for member in {"walletId", "name"} & set(body):
            for text in refused:
                answer = line.post(_path(route), {**body, member: text})
                assert answer.status == 400, (route.path, text, answer.body)
                assert answer.json.get("field") == member or _is_off(route, answer.json["code"])
        if "wallets" in body:
            for text in refused:
                answer = line.post(_path(route), {**body, "name": "new", "wallets": [text]})
                assert answer.status == 400, (route.path, text, answer.body)
    assert _names(prepared) == before


def _is_off(route: Route, code: str) -> bool:
    """This service has no cosigners: their routes say so whatever is asked (tests/threshold has one that has)."""
    return route.path.startswith("/mpc/") and code == "mpc-disabled"


def _is_json(text: bytes) -> bool:
    """What was broken alone may be whole in its place: nothing, between two brackets."""
    try:
        json.loads(text.decode("utf-8"), parse_constant=int)
    except ValueError:
        return False
    return True


def _names(service: Service) -> dict[str, list[str]]:
    wallets = [name for (name,) in rows(service.data, "SELECT id FROM wallets ORDER BY id")]
    clients = [name for (name,) in rows(service.data, "SELECT name FROM clients ORDER BY name")]
    return {"wallets": wallets, "clients": clients}
