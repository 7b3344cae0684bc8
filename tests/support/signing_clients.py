"""Both clients of the library behind one face, so that each test of a promise runs on both."""

import asyncio
import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hyperkms.client import AsyncSigningClient, Options, SigningClient

KINDS = ("synchronous", "asynchronous")
ROOM = {"HYPERKMS_LIMIT_GENERATE": "1000/s", "HYPERKMS_LIMIT_ROTATE": "1000/s", "HYPERKMS_LIMIT_READ": "5000/s"}
"""Limits that no test here runs into."""


class OnALoop:
    """The asynchronous client, called as the synchronous one is."""

    def __init__(self, runner: asyncio.Runner, client: AsyncSigningClient) -> None:
        self._runner = runner
        self.client = client

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.client, name)
        if not callable(member):
            return member

        def call(*arguments: Any, **named: Any) -> Any:
            made = member(*arguments, **named)
            if inspect.isasyncgen(made):
                return iter(self._runner.run(_collected(made)))
            return self._runner.run(made)

        return call


@contextmanager
def signing_client(kind: str, url: str, key: str, options: Options | None = None) -> Iterator[Any]:
    """A client of this kind, closed at the end."""
    made = SigningClient if kind == "synchronous" else AsyncSigningClient
    with asking(made(url, key, options=options or Options())) as client:
        yield client


@contextmanager
def asking(client: SigningClient | AsyncSigningClient) -> Iterator[Any]:
    """A client of either kind, called as the synchronous one is, and closed at the end."""
    if isinstance(client, SigningClient):
        with client:
            yield client
        return
    with asyncio.Runner() as runner:
        on_a_loop = OnALoop(runner, client)
        yield on_a_loop
        on_a_loop.close()


async def _collected(generator: Any) -> list[Any]:
    return [value async for value in generator]
