"""The bytes of a request's body, within a limit."""

from starlette.types import Receive

from hyperkms.errors import Malformed
from hyperkms.http.problems import too_large

MAX_BODY = 64 * 1024


async def read_raw(receive: Receive) -> bytes:
    """The bytes of a body; Malformed beyond the limit, and for a client that goes away before they are there."""
    chunks = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Malformed("client-gone", "The client closed the connection before its body had arrived.")
        chunks += message.get("body", b"")
        if len(chunks) > MAX_BODY:
            raise too_large(MAX_BODY)
        if not message.get("more_body"):
            return bytes(chunks)
