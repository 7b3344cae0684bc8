"""One JSON line an event on standard output, and the middleware that writes one a request."""

import logging
import time
import traceback
from collections.abc import MutableMapping
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hyperkms.http.facts import begin
from hyperkms.http.log_output import LogOutput, log_output
from hyperkms.metrics.counting import Metrics

_log = structlog.stdlib.get_logger("hyperkms.http")


def configure_logs(level: str) -> None:
    """Every logger of the process, uvicorn's included, as JSON lines of one shape."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = _Handler(log_output())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _without_exception_text,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("asyncio", "alembic", "sqlalchemy", "httptools"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))


class _Handler(logging.Handler):
    """Hands lines to the output, which never waits."""

    def __init__(self, output: LogOutput) -> None:
        super().__init__()
        self._output = output

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._output.put(f"{self.format(record)}\n".encode())
        except Exception:  # noqa: BLE001 (a line that cannot be made must not end what it tells of)
            self.handleError(record)


class RequestLog:
    """Gives each request an id, logs and counts its outcome, and logs what no handler expected."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        facts = begin(scope)
        routed = _as_get(scope) if scope["method"] == "HEAD" else scope
        started, status = time.perf_counter(), 0

        def count() -> None:
            seconds = time.perf_counter() - started
            self._metrics.request(routed["method"], _route_of(routed), status, seconds, facts.code)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                count()
                message["headers"].append((b"x-request-id", facts.request_id.encode()))
            await send(message)

        try:
            await self._app(routed, receive, answer)
        except Exception as error:  # noqa: BLE001 (nothing may reach the server's own log with its text)
            _log.error("failed", requestId=facts.request_id, **describe(error))
        if not status:
            count()
        _log.info(
            "request",
            requestId=facts.request_id,
            method=scope["method"],
            route=_route_of(routed),
            status=status,
            client=facts.client,
            wallet=facts.wallet,
            code=facts.code,
            durationMs=round((time.perf_counter() - started) * 1000, 3),
        )


def _as_get(scope: Scope) -> Scope:
    """HEAD is GET, and the server, which keeps its own scope, leaves out the body (RFC 9110 section 9.3.2)."""
    return {**scope, "method": "GET"}


def _route_of(scope: Scope) -> str | None:
    """The template that the router found."""
    return getattr(scope.get("route"), "path", None)


def describe(error: BaseException) -> dict[str, Any]:
    """The kind of an error and where it came from; not its text, which may repeat input."""
    frames = traceback.extract_tb(error.__traceback__)
    return {"error": type(error).__name__, "at": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]}


def _without_exception_text(_logger: object, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    error = event.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    return {**event, **describe(error)} if isinstance(error, BaseException) else event
