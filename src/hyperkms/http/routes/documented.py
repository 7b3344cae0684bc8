"""How a route shows its bodies in the OpenAPI document."""

from typing import Any

import msgspec

_PROBLEMS = {
    "400": "Malformed: `field` names the place.",
    "401": "No valid API key.",
    "403": "Refused by a rule, which `code` names.",
    "404": "No such wallet.",
    "409": "It exists already, or came second.",
    "503": "Something needed is away; try again.",
}


def documented(answer: type[msgspec.Struct], body: type[msgspec.Struct] | None = None) -> dict[str, Any]:
    """The `openapi_extra` of a route with these bodies."""
    problem = {"application/problem+json": {"schema": _reference_name("ProblemView")}}
    responses: dict[str, Any] = {
        status: {"description": words, "content": problem} for status, words in _PROBLEMS.items()
    }
    responses["200"] = {"description": "Done.", "content": _json(answer)}
    extra: dict[str, Any] = {"responses": responses}
    if body is not None:
        extra["requestBody"] = {"required": True, "content": _json(body)}
    return extra


def always_refused(words: str) -> dict[str, Any]:
    """The `openapi_extra` of a route that answers nothing but 400 (and 401 without a key)."""
    problem = {"application/problem+json": {"schema": _reference_name("ProblemView")}}
    answers = {"400": words, "401": _PROBLEMS["401"]}
    return {"responses": {status: {"description": text, "content": problem} for status, text in answers.items()}}


def _json(kind: type[msgspec.Struct]) -> dict[str, Any]:
    return {"application/json": {"schema": _reference_name(kind.__name__)}}


def _reference_name(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
