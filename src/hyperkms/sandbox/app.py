"""The HTTP face: POST /exchange and /info as the exchange has them, and /sandbox/* for tests."""

import asyncio
from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from hyperkms.sandbox import control
from hyperkms.sandbox.exchange import Exchange
from hyperkms.sandbox.journal import Answer
from hyperkms.sandbox.refusals import MalformedBody

MAX_BODY_BYTES = 1 << 20

Handler = Callable[[Request], Awaitable[Response]]


def create_app(exchange: Exchange) -> Starlette:
    """Serve one exchange. A body over 1 MiB gets 413, one that is not strict JSON of the right shape 422."""

    async def post_exchange(request: Request) -> Response:
        answer = exchange.post_exchange(await _body_of(request))
        await asyncio.sleep(exchange.faults.delay_ms / 1000)
        return _response(answer)

    async def post_info(request: Request) -> Response:
        return _response(exchange.post_info(await _body_of(request)))

    async def get_log(_request: Request) -> Response:
        return JSONResponse(control.show_log(exchange))

    return Starlette(
        routes=[
            Route("/exchange", post_exchange, methods=["POST"]),
            Route("/info", post_info, methods=["POST"]),
            Route("/sandbox/log", get_log, methods=["GET"]),
            Route("/sandbox/clock", _controlled(exchange, control.move_clock), methods=["POST"]),
            Route("/sandbox/faults", _controlled(exchange, control.order_faults), methods=["POST"]),
            Route("/sandbox/fund", _controlled(exchange, control.fund), methods=["POST"]),
        ]
    )


class _LostReply(Response):
    """Announces a body and sends none, so that the server breaks the connection."""

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"1")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


def _controlled(exchange: Exchange, obey: Callable[[Exchange, bytes], control.Json]) -> Handler:
    async def handle(request: Request) -> Response:
        body = await _body_of(request)
        try:
            return JSONResponse(obey(exchange, body))
        except MalformedBody as error:
            return PlainTextResponse(str(error), status_code=422)

    return handle


async def _body_of(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, "The body is larger than 1 MiB")
    return bytes(body)


def _response(answer: Answer) -> Response:
    if answer.lost:
        return _LostReply()
    if isinstance(answer.body, str):
        return PlainTextResponse(answer.body, status_code=answer.status)
    return JSONResponse(answer.body, status_code=answer.status)
