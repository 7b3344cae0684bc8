"""What the OpenAPI document must say that no single request shows, and methods that a path does not have."""

from typing import Any

import pytest

from support.keep_alive import line_to
from support.service import Service


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/clients", "GET, HEAD, POST"),
        ("OPTIONS", "/clients", "GET, HEAD, POST"),
        ("PUT", "/wallets", "GET, HEAD"),
        ("DELETE", "/wallets/rotate", "GET, HEAD, POST"),
        ("POST", "/health", "GET, HEAD"),
        ("GET", "/hyperliquid/sign", "POST"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_told_all_that_it_has(
    shared_service: Service, method: str, path: str, allowed: str
) -> None:
    answer = shared_service.request(method, path)
    assert (answer.status, answer.json["code"]) == (405, "method-not-allowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize(
    "path",
    [
        *("/health", "/ready", "/status", "/wallets", "/wallets?limit=1", "/wallets/sign", "/clients", "/mpc/status"),
        *(
            "/problems",
            "/problems/wallet-not-found",
            "/openapi.json",
            "/docs",
            "/wallets/nobody/public-key",
            "/nowhere",
        ),
        *("/wallets?limit=x", "/metrics"),
    ],
)
def test_head_is_answered_as_get_is_without_the_body(shared_service: Service, path: str) -> None:
    got, head = shared_service.get(path), shared_service.request("HEAD", path)
    assert (head.status, head.body) == (got.status, b"")
    changing = {"x-request-id", "date"}
    if path in {"/metrics", "/status"}:
        changing |= {"content-length"}
    assert {name: value for name, value in head.headers.items() if name not in changing} == {
        name: value for name, value in got.headers.items() if name not in changing
    }
    assert int(head.headers["content-length"]) > 0


def test_head_needs_the_key_that_get_needs(shared_service: Service) -> None:
    assert shared_service.request("HEAD", "/wallets", headers={}).status == 401


@pytest.mark.parametrize("path", ["/hyperliquid/sign", "/wallets/generate/activate"])
def test_head_of_a_route_that_only_takes_post_is_refused(shared_service: Service, path: str) -> None:
    answer = shared_service.request("HEAD", path)
    assert (answer.status, answer.headers["allow"], answer.body) == (405, "POST", b"")


def test_a_connection_goes_on_after_head(shared_service: Service) -> None:
    with line_to(shared_service) as line:
        line.connection.request("HEAD", "/health")
        assert line.connection.getresponse().read() == b""
        assert line.get("/health").status == 200


@pytest.fixture(scope="module")
def document(shared_service: Service) -> Any:
    return shared_service.get("/openapi.json").json


def test_every_route_that_needs_a_key_says_that_it_may_refuse_one_or_limit_its_client(document: Any) -> None:
    closed = [
        route for operations in document["paths"].values() for route in operations.values() if "security" in route
    ]
    assert len(closed) > 20
    for route in closed:
        assert {"401", "429"} <= set(route["responses"]), route["operationId"]


def test_only_a_route_with_a_body_may_find_it_too_large(document: Any) -> None:
    for operations in document["paths"].values():
        for route in operations.values():
            assert ("413" in route["responses"]) == ("requestBody" in route), route["operationId"]


def test_readiness_says_what_it_answers_when_it_is_not_there(document: Any) -> None:
    assert "503" in document["paths"]["/ready"]["get"]["responses"]
