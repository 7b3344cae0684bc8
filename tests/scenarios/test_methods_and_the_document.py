"""What the OpenAPI document must say that no single request shows, and methods that a path does not have."""

from typing import Any

import pytest

from support.service import Service


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/clients", "GET, POST"),
        ("OPTIONS", "/clients", "GET, POST"),
        ("PUT", "/wallets", "GET"),
        ("DELETE", "/wallets/rotate", "GET, POST"),
        ("POST", "/health", "GET"),
        ("GET", "/hyperliquid/sign", "POST"),
    ],
)
def test_a_method_that_a_path_does_not_have_is_told_all_that_it_has(
    shared_service: Service, method: str, path: str, allowed: str
) -> None:
    answer = shared_service.request(method, path)
    assert (answer.status, answer.json["code"]) == (405, "method-not-allowed")
    assert answer.headers["allow"] == allowed


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
