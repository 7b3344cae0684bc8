"""The routes of the OpenAPI document and bodies made of its examples: a new route is tried without being named."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Route:
    """One operation of the document."""

    method: str
    path: str
    """With names in braces where a request has a wallet, a client or a code."""
    bodies: tuple[Mapping[str, Any], ...]
    """The examples of its body."""
    members: Mapping[str, Any]
    """The schemas of its body's members, by name."""
    needs_key: bool

    def at(self, name: str) -> str:
        """The path with one name wherever one is due."""
        parts = (name if part.startswith("{") else part for part in self.path.split("/"))
        return "/".join(parts)


def routes_of(document: Any) -> list[Route]:
    """Every operation, in the order of the document."""
    schemas = document["components"]["schemas"]
    return [
        _route(method.upper(), path, operation, schemas)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def _route(method: str, path: str, operation: Any, schemas: Any) -> Route:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    name = content.get("schema", {}).get("$ref", "").rpartition("/")[2]
    return Route(
        method,
        path,
        tuple(example["value"] for example in content.get("examples", {}).values()),
        schemas[name].get("properties", {}) if name else {},
        "security" in operation,
    )


def places(value: Any, at: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every place in a JSON value with what stands there, the value itself first."""
    yield at, value
    inner: Iterable[tuple[str | int, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for step, member in inner:
        yield from places(member, (*at, step))


def replaced(value: Any, at: Place, new: Any) -> Any:
    """A copy with something else in one place."""
    if not at:
        return new
    changed = copy.deepcopy(value)
    place = changed
    for step in at[:-1]:
        place = place[step]
    place[at[-1]] = new
    return changed
