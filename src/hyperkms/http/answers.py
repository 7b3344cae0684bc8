"""How a route answers."""

import msgspec
from starlette.responses import Response


def answer(body: msgspec.Struct) -> Response:
    """200 with a JSON body."""
    return Response(msgspec.json.encode(body), media_type="application/json")
