"""The HTTP application: routes, problems, the OpenAPI document."""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from hyperkms import _core
from hyperkms.errors import HyperkmsError, Malformed, NotFound
from hyperkms.http.audit_schemas import AUDIT_BODIES
from hyperkms.http.client_schemas import CLIENT_BODIES
from hyperkms.http.facts import facts_of
from hyperkms.http.idempotency import Once
from hyperkms.http.log import RequestLog
from hyperkms.http.mpc_schemas import MPC_BODIES
from hyperkms.http.policy_schemas import POLICY_BODIES
from hyperkms.http.problems import internal_error, method_not_allowed, problem
from hyperkms.http.routes import (
    audit,
    clients,
    health,
    metrics,
    mpc,
    policies,
    problems,
    reading,
    rotation,
    status,
    wallets,
)
from hyperkms.http.routes.documented import describe_key, documented
from hyperkms.http.schemas import ALL, RESULTS, BatchRefusal
from hyperkms.http.signing import SigningRoutes
from hyperkms.http.signing_table import SIGNING_ROUTES
from hyperkms.http.status_views import STATUS_BODIES
from hyperkms.http.threads import Threads
from hyperkms.operations.parts import Parts

_METHOD_NOT_ALLOWED = 405
_ROUTED = (health, status, wallets, rotation, reading, policies, clients, audit, mpc, problems, metrics)


def create_app(parts: Parts) -> SigningRoutes:
    """The application over these parts, which it does not close; the process counts as a worker from here on."""
    app = FastAPIOffline(
        title="hyperkms",
        version=version("hyperkms"),
        description=(
            "Holds the keys of Hyperliquid trading bots and signs what they may do. To try a route here, press "
            "Authorize and give the key that stands in admin.key in the data directory."
        ),
        openapi_url="/openapi.json",
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.parts = parts
    parts.metrics.serve(_core.memory_protection().lock)
    app.state.threads = threads = Threads(parts.metrics)
    app.state.once = once = Once(parts)
    for module in _ROUTED:
        app.include_router(module.router)
    app.add_exception_handler(HyperkmsError, _hyperkms_error)
    app.add_exception_handler(HTTPException, _http_exception)
    app.add_exception_handler(RequestValidationError, _bad_parameter)
    app.add_exception_handler(Exception, _internal_error)
    _document(app)
    return SigningRoutes(RequestLog(app, parts.metrics), parts, threads, once)


async def _hyperkms_error(request: Request, error: Exception) -> Response:
    if not isinstance(error, HyperkmsError):
        raise TypeError(type(error).__name__)
    return _problem(request, error)


async def _http_exception(request: Request, error: Exception) -> Response:
    if isinstance(error, HTTPException) and error.status_code == _METHOD_NOT_ALLOWED:
        return _problem(
            request,
            method_not_allowed(),
            {"Allow": ", ".join(_methods_of(request))},
        )
    return _problem(request, NotFound("no-such-route", "There is no such route; /docs lists them."))


def _methods_of(request: Request) -> list[str]:
    """The methods of every route of this path, not of the first alone (RFC 9110 section 10.2.1)."""
    routes = [*request.app.routes, *(route for module in _ROUTED for route in module.router.routes)]
    fitting = [one for one in routes if isinstance(one, Route) and one.path_regex.match(request.url.path)]
    found = {method for route in fitting for method in route.methods or ()}
    return sorted(found | {"HEAD"} if "GET" in found else found)


async def _internal_error(request: Request, _error: Exception) -> Response:
    return _problem(request, internal_error(facts_of(request).request_id))


def _problem(request: Request, error: HyperkmsError, headers: Mapping[str, str] | None = None) -> Response:
    facts = facts_of(request)
    facts.code = error.code
    return problem(error, facts.request_id, headers)


async def _bad_parameter(request: Request, error: Exception) -> Response:
    details = error.errors() if isinstance(error, RequestValidationError) else []
    place = str(details[0]["loc"][-1])[:64] if details else "request"
    words = str(details[0]["msg"]) if details else "is malformed"
    return _problem(request, Malformed.at(place, words))


_ASKED_ANEW = {"/hyperliquid/explain", "/wallets/{wallet_id}/policy-notes"}
"""POST routes that change nothing: an Idempotency-Key means nothing to them."""


def _document(app: FastAPI) -> None:
    """Put the structs' schemas where the routes' references point."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        document = made()
        _, components = msgspec.json.schema_components(
            (*ALL, *CLIENT_BODIES, *POLICY_BODIES, *STATUS_BODIES, *AUDIT_BODIES, *MPC_BODIES),
            ref_template="#/components/schemas/{name}",
        )
        document.setdefault("components", {}).setdefault("schemas", {}).update(components)
        for leftover in ("HTTPValidationError", "ValidationError"):
            document["components"]["schemas"].pop(leftover, None)
        document["paths"].update(_signing_paths())
        for batch, one in RESULTS.items():
            choice = [{"$ref": f"#/components/schemas/{kind.__name__}"} for kind in (one, BatchRefusal)]
            components[batch.__name__]["properties"]["results"]["items"] = {"anyOf": choice}
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if method == "post" and path not in _ASKED_ANEW:
                    describe_key(operation)
                _drop_what_never_happens(operation["responses"])
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's documented way to extend the document


def _signing_paths() -> dict[str, Any]:
    """The routes that the framework does not see, as it describes its own."""
    return {
        route.path: {
            "post": {
                "tags": [route.tag],
                "summary": route.summary,
                "description": route.description,
                "operationId": route.path.strip("/").replace("/", "_").replace("-", "_"),
                "security": [{"APIKeyHeader": []}, {"HTTPBearer": []}, {"RequestSignature": []}],
                **documented(route.answer, route.body),
            }
        }
        for route in SIGNING_ROUTES
    }


def _drop_what_never_happens(responses: dict[str, Any]) -> None:
    """Malformed input is always 400, and a route that only refuses has no 200."""
    responses.pop("422", None)
    if responses.get("200", {}).get("description") == "Successful Response" and "400" in responses:
        responses.pop("200")
