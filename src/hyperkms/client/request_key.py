"""Signing requests with a key of the bot's own, instead of sending an API key with them.

The key lies in a file that `hyperkms identity create` or `create_request_key` made. It is read, held and used by the
compiled core of hyperkms, which is loaded only here, and never becomes an object of Python.
"""

import time
from collections.abc import Callable
from os import PathLike
from typing import TypeVar

from hyperkms.client.errors import Misconfigured

T = TypeVar("T")


class RequestSigner:
    """Signs requests to one service, which `service` names: a signature for it is worth nothing at another.

    A process that was forked from one that opened a key has none: make the client there from a process of its own.
    """

    __slots__ = ("_key", "_service")

    def __init__(self, path: str | PathLike[str], service: str) -> None:
        from hyperkms._core import RequestKey  # noqa: PLC0415 (who has an API key does without the core)

        self._service = service
        self._key = _told(lambda: RequestKey.open(path))
        self.header("GET", b"/", b"", "")  # a service that is no id is found out here

    def header(self, method: str, target: bytes, body: bytes, idempotency_key: str) -> bytes:
        """The value of the Hyperkms-Signature header of this one request, sent now."""
        return _told(
            lambda: self._key.sign(
                self._service,
                time=time.time_ns() // 1_000_000,
                method=method.encode(),
                target=target,
                body=body,
                idempotency_key=idempotency_key.encode(),
            )
        ).encode()


def create_request_key(path: str | PathLike[str]) -> str:
    """A new key in a new file of mode 0600; the public key (`ed25519:...`), for whoever administers the service."""
    from hyperkms._core import RequestKey  # noqa: PLC0415 (as above)

    return f"ed25519:{_told(lambda: RequestKey.create(path)).public_key.hex()}"


def _told(work: Callable[[], T]) -> T:
    """What the core refuses, as an error of this library: its own are in a module of the service, not loaded here."""
    try:
        return work()
    except Exception as error:
        words = getattr(error, "message", None)
        if not isinstance(words, str):
            raise
        raise Misconfigured(words) from error
