"""Requests of every kind to every route of the OpenAPI document, good and bad."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from support.every_route import Route, places, replaced

KIB = 1024
WRONG: tuple[Any, ...] = (None, True, 7, -1, 1.5, 2**70, "", "\u00e9", [], [[]], {}, {"x": 1})
BROKEN = (
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"\xff\xfe",
    b'{"a":1,"a":2}',
    b'{"walletId":NaN}',
    b"[" * 60_000,
    b" " * (64 * KIB + 1),
)


@dataclass(frozen=True)
class Ask:
    """One request."""

    method: str
    path: str
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path[:80]}"


@dataclass(frozen=True)
class Names:
    """What requests name, and the keys that they bring."""

    wallets: tuple[str, ...]
    clients: tuple[str, ...]
    keys: Mapping[str, str]
    """API keys by what they are; `good` is an administrator's."""
    pasted: str
    """A secret in a place where none belongs."""


def asks_of(route: Route, names: Names) -> Iterator[Ask]:
    """Every kind of request to one route."""
    good = {"X-API-Key": names.keys["good"]}
    known = names.clients if route.path.startswith("/clients") else names.wallets
    for name in known if "{" in route.path else ("",):
        path = route.at(name)
        if not route.bodies:
            yield Ask(route.method, path, None, good)
        for body in route.bodies:
            for named in names.wallets if "walletId" in body else ("",):
                whole = {**body, "walletId": named} if named else dict(body)
                yield Ask(route.method, path, _json(whole), good)
                yield Ask(route.method, path, _json(whole), {**good, "Idempotency-Key": f"{path}-{named}"})
    path = route.at(known[0])
    yield from _with_other_keys(route, path, names)
    yield from _with_other_methods(route, path, good)
    for body in route.bodies:
        yield from _with_wrong_members(route, path, {**body, **_named(body, known[0])}, good, names.pasted)
    for content in BROKEN if route.bodies else ():
        yield Ask(route.method, path, content, good)
    if "{" in route.path:
        for name in ("nobody", names.pasted, "..%2f..", "a%00b", "%ff", "x" * 65, "%20"):
            yield Ask(route.method, route.at(name), _json(dict(route.bodies[0])) if route.bodies else None, good)


def _with_other_keys(route: Route, path: str, names: Names) -> Iterator[Ask]:
    content = _json(dict(route.bodies[0])) if route.bodies else None
    for key in names.keys.values():
        yield Ask(route.method, path, content, {"X-API-Key": key})
        yield Ask(route.method, path, content, {"Authorization": f"Bearer {key}", "X-Request-Id": names.pasted})
    yield Ask(route.method, path, content)
    yield Ask(
        route.method, path, content, {"Cookie": names.pasted, "Referer": names.pasted, "User-Agent": names.pasted}
    )
    yield Ask(route.method, f"{path}?{names.pasted}={names.pasted}&limit={names.pasted}&after={names.pasted}", content)


def _with_other_methods(route: Route, path: str, good: Mapping[str, str]) -> Iterator[Ask]:
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"} - {route.method}:
        yield Ask(method, path, None, good)


def _with_wrong_members(
    route: Route, path: str, body: Mapping[str, Any], good: Mapping[str, str], pasted: str
) -> Iterator[Ask]:
    for place, _ in places(body):
        kept = place[:1] in (("metadata",), ("reason",))  # is told to whoever may read it
        for value in WRONG if kept or not place else (*WRONG, pasted):
            yield Ask(route.method, path, _json(replaced(body, place, value)), good)
    for name in ("x", "__proto__", pasted):
        yield Ask(route.method, path, _json({**body, name: pasted}), good)
    for name in body:
        yield Ask(route.method, path, _json({key: value for key, value in body.items() if key != name}), good)


def _named(body: Mapping[str, Any], wallet: str) -> Mapping[str, Any]:
    return {"walletId": wallet} if "walletId" in body else {}


def _json(body: Any) -> bytes:
    return json.dumps(body).encode()
