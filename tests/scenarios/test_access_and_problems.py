"""Who is let in, the documents that refusals are, and the document that describes the routes."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.keep_alive import Line, line_to
from support.service import Answer, Service

INVALID_KEY = "Unauthorized: Invalid API key"
OPEN = [
    ("GET", "/health"),
    ("GET", "/ready"),
    ("GET", "/mpc/status"),
    ("GET", "/problems"),
    ("GET", "/problems/malformed"),
    ("GET", "/docs"),
    ("GET", "/openapi.json"),
]
KEYED = [
    ("GET", "/wallets"),
    ("GET", "/wallets/w"),
    ("GET", "/wallets/w/public-key"),
    ("GET", "/wallets/w/versions"),
    ("GET", "/wallets/w/rotation-history"),
    ("POST", "/wallets/generate"),
    ("POST", "/wallets/rotate"),
    ("POST", "/wallets/migrate"),
    ("POST", "/wallets/w/activate"),
    ("POST", "/wallets/w/retire"),
    ("POST", "/wallets/sign"),
    ("POST", "/wallets/sign-order"),
    ("POST", "/hyperliquid/sign"),
    ("POST", "/wallets/sign-batch"),
    ("POST", "/hyperliquid/sign-batch"),
    ("GET", "/mpc/wallets/w/public-key"),
    ("POST", "/mpc/wallets/generate"),
    ("POST", "/mpc/wallets/sign"),
    ("POST", "/mpc/wallets/sign-order"),
    ("POST", "/mpc/wallets/rotate"),
    ("POST", "/mpc/wallets/w/retire"),
    ("POST", "/mpc/wallets/w/refresh"),
    ("GET", "/mpc/cosigners"),
    ("POST", "/mpc/replace"),
    ("GET", "/wallets/w"),
    ("GET", "/wallets/w/versions"),
    ("GET", "/wallets/w/rotation-history"),
    ("POST", "/wallets/rotate"),
    ("POST", "/wallets/migrate"),
    ("POST", "/wallets/w/activate"),
    ("POST", "/wallets/w/retire"),
    ("GET", "/metrics"),
    ("GET", "/status"),
    ("GET", "/audit/heads"),
    ("GET", "/audit/proof"),
    ("GET", "/audit/records"),
    ("GET", "/clients"),
    ("POST", "/clients"),
    ("GET", "/clients/w"),
    ("POST", "/clients/w/revoke"),
    ("POST", "/clients/w/rotate"),
    ("POST", "/clients/w/grants"),
    ("POST", "/clients/w/grants/w/end"),
    ("GET", "/wallets/w/policy"),
    ("POST", "/hyperliquid/explain"),
    ("POST", "/wallets/w/policy"),
    ("POST", "/wallets/w/policy-version"),
    ("POST", "/wallets/w/policy-notes"),
    ("POST", "/clients/w/keys"),
]


@pytest.fixture
def line(shared_service: Service) -> Iterator[Line]:
    with line_to(shared_service) as opened:
        yield opened


def _assert_problem(answer: Answer) -> Any:
    """RFC 9457 section 3.1, and `error` for the clients of the first system."""
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json
    assert body["status"] == answer.status
    assert body["type"] == f"/problems/{body['code']}"
    assert body["detail"] == body["error"]
    assert body["title"]
    assert body["requestId"] == answer.headers["x-request-id"]
    return body


def _wrong_headers(key: str) -> dict[str, dict[str, str]]:
    other = key[:-1] + ("A" if key[-1] != "A" else "B")
    return {
        "none": {},
        "empty": {"X-API-Key": ""},
        "wrong": {"X-API-Key": "wrong"},
        "another of the same prefix": {"X-API-Key": other},
        "cut short": {"X-API-Key": key[:-1]},
        "with more": {"X-API-Key": key + "x"},
        "in upper case": {"X-API-Key": key.upper()},
        "with odd bytes": {"X-API-Key": "\xff\xfe\xe9"},
        "a wrong bearer": {"Authorization": "Bearer wrong"},
        "a bearer without a token": {"Authorization": "Bearer"},
        "another scheme": {"Authorization": f"Basic {key}"},
        "the key without a scheme": {"Authorization": key},
        "a wrong key before a right bearer": {"X-API-Key": "wrong", "Authorization": f"Bearer {key}"},
    }


@pytest.mark.parametrize("kind", list(_wrong_headers("k" * 20)))
def test_without_a_valid_key_nothing_is_told(shared_service: Service, line: Line, kind: str) -> None:
    headers = _wrong_headers(shared_service.key)[kind]
    for method, path in KEYED:
        answer = line.request(method, path, b"not even JSON" if method == "POST" else None, headers)
        assert answer.status == 401, (method, path)
        assert answer.json.items() >= {"error": INVALID_KEY}.items()
        assert answer.headers["www-authenticate"]
        _assert_problem(answer)


@pytest.mark.parametrize(("method", "path"), OPEN)
def test_what_is_open_needs_no_key(line: Line, method: str, path: str) -> None:
    assert line.request(method, path, None, {}).status == 200


def test_a_bearer_token_works_beside_the_api_key(shared_service: Service, line: Line) -> None:
    for scheme in ("Bearer", "bearer"):
        answer = line.request("GET", "/wallets", None, {"Authorization": f"{scheme} {shared_service.key}"})
        assert answer.status == 200


def test_in_development_the_api_key_of_the_environment_is_an_administrator(service_with_key: Service) -> None:
    headers = {"X-API-Key": "dev-key"}
    made = service_with_key.post("/wallets/generate", {"walletId": "w", "keyType": "secp256k1"}, headers=headers)
    assert made.status == 200
    body = {"walletId": "w", "action": {"type": "noop"}}
    assert service_with_key.post("/hyperliquid/sign", body, headers=headers).status == 200
    assert service_with_key.post("/hyperliquid/sign", body).status == 200, "admin.key works as well"


@pytest.fixture
def service_with_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service.start(tmp_path_factory.mktemp("keyed") / "data", API_KEY="dev-key") as running:
        yield running


def test_refusals_are_problem_documents(line: Line) -> None:
    refused = {
        "malformed": line.post("/wallets/generate", {"walletId": "../x"}),
        "not JSON": line.post_raw("/wallets/sign", b"{"),
        "not an object": line.post("/wallets/sign", []),
        "missing": line.post("/wallets/sign", {}),
        "unknown wallet": line.get("/wallets/nobody/public-key"),
        "unknown route": line.get("/nothing/here"),
        "bad query": line.get("/wallets?limit=x"),
        "too large": line.post_raw("/wallets/sign", b" " * 70_000),
        "mpc": line.post("/mpc/wallets/sign", {}),
    }
    statuses = {name: _assert_problem(answer)["status"] for name, answer in refused.items()}
    not_found = {"unknown wallet": 404, "unknown route": 404}
    assert statuses == dict.fromkeys(refused, 400) | not_found | {"too large": 413}


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("DELETE", "/wallets/sign", "POST"), ("GET", "/hyperliquid/sign", "POST"), ("PUT", "/health", "GET")],
)
def test_another_method_is_405_and_the_right_one_is_named(line: Line, method: str, path: str, allowed: str) -> None:
    answer = line.request(method, path)
    assert answer.status == 405
    assert allowed in answer.headers["allow"], "RFC 9110 section 15.5.6"
    _assert_problem(answer)


@pytest.mark.parametrize("path", ["/wallets/", "/health/", "/hyperliquid/sign/", "//wallets", "/wallets//public-key"])
def test_a_path_that_is_nearly_a_route_is_not_found(line: Line, path: str) -> None:
    answer = line.get(path)
    assert answer.status == 404
    _assert_problem(answer)


def test_every_answer_has_a_request_id_of_its_own(line: Line) -> None:
    answers = [line.get("/health"), line.get("/wallets"), line.get("/nope"), line.post("/wallets/sign", {})]
    assert len({answer.headers["x-request-id"] for answer in answers}) == len(answers)


# ---- the description ----------------------------------------------------------------------------------


@pytest.fixture
def document(line: Line) -> Any:
    answer = line.get("/openapi.json")
    assert answer.status == 200
    return answer.json


def test_the_documentation_page_is_served(line: Line) -> None:
    answer = line.get("/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert b"/openapi.json" in answer.body


def _example(path: str) -> str:
    return (
        path.replace("{wallet_id}", "w")
        .replace("{name}", "w")
        .replace("{code}", "malformed")
        .replace("{grant_id}", "w")
    )


def test_every_route_is_described(document: Any) -> None:
    described = {(method.upper(), _example(path)) for path, methods in document["paths"].items() for method in methods}
    undocumented = {("GET", "/docs"), ("GET", "/openapi.json")}
    assert described == {*OPEN, *KEYED} - undocumented


def test_every_reference_of_the_description_resolves(document: Any) -> None:
    references = list(_references(document))
    assert references
    for reference in references:
        found = document
        for step in reference.removeprefix("#/").split("/"):
            found = found[step]
        assert found, reference


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        value = list(value.values())
    if isinstance(value, list):
        for member in value:
            yield from _references(member)


def test_the_description_says_which_routes_need_a_key(document: Any) -> None:
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            place = (method.upper(), _example(path))
            assert bool(route.get("security")) == (place in KEYED), place


def test_the_bodies_of_requests_and_answers_are_described(document: Any) -> None:
    for path in ("/wallets/generate", "/wallets/sign", "/wallets/sign-order", "/hyperliquid/sign"):
        route = document["paths"][path]["post"]
        for content in (route["requestBody"]["content"], route["responses"]["200"]["content"]):
            name = content["application/json"]["schema"]["$ref"].rpartition("/")[2]
            assert document["components"]["schemas"][name]["properties"], (path, name)


def test_malformed_input_is_described_as_400_and_never_as_422(document: Any) -> None:
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            assert "422" not in route["responses"], (method, path)
