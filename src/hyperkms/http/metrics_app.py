"""The application on the metrics port: one page, without a key."""

from anyio import CapacityLimiter, to_thread
from starlette.types import ASGIApp, Receive, Scope, Send

from hyperkms.http.at_once import AtOnce
from hyperkms.http.metrics_page import metrics_page
from hyperkms.metrics.samples import CONTENT_TYPE
from hyperkms.operations.parts import Parts

_OK, _NOT_FOUND = 200, 404


def create_metrics_app(parts: Parts) -> ASGIApp:
    """GET /metrics, one page at a time, and 404 for everything else; to be bound to loopback alone."""
    one = CapacityLimiter(1)  # whoever has no key takes none of the threads that answer those who have

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, body = _NOT_FOUND, b"Only GET /metrics is here.\n"
        if scope["method"] in ("GET", "HEAD") and scope["path"] == "/metrics":
            status, body = _OK, await to_thread.run_sync(metrics_page, parts, limiter=one)
        headers = [(b"content-type", CONTENT_TYPE.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


class NothingAtOnce(AtOnce):
    """Leaves every request to the application: nothing is signed at this port."""

    urls = frozenset()

    def __init__(self) -> None:
        pass
