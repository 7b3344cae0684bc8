"""Frames of a connection, read within bounds: 4 bytes of length, big-endian, and so many of msgpack."""

import asyncio
from typing import TypeAlias

import msgspec

from hyperkms.errors import Malformed
from hyperkms.threshold.wire import MOST_FRAME, Answer, Call, Problem

HEAD = 4
LARGE = 64 * 1024
"""Frames beyond it are those of ceremonies; few of them are in memory at once, over all connections."""
BODY_S = 10.0
"""How long a frame may take to come, from its length on."""
MOST_DEADLINE_MS = 600_000
Room: TypeAlias = asyncio.Semaphore
"""For so many large frames."""
_decoder = msgspec.msgpack.Decoder(Call)
_encode = msgspec.msgpack.Encoder().encode


async def read_call(reader: asyncio.StreamReader, room: Room) -> tuple[Call, bool] | None:
    """The next call, and whether it takes room, which is then given back by who answers it.

    None at the end of the connection. Malformed for what is no call: nothing after it can be trusted. TimeoutError for
    a frame that is begun and does not come.
    """
    try:
        head = await reader.readexactly(HEAD)
    except asyncio.IncompleteReadError:
        return None
    length = int.from_bytes(head, "big")
    if not 0 < length <= MOST_FRAME:
        raise Malformed("malformed-frame", f"a frame has 1 to {MOST_FRAME} bytes, and this says {length}")
    is_large = length > LARGE
    if is_large:
        await room.acquire()
    try:
        async with asyncio.timeout(BODY_S):
            body = await reader.readexactly(length)
        return _read(body), is_large
    except BaseException as error:
        if is_large:
            room.release()
        if isinstance(error, asyncio.IncompleteReadError):
            return None
        raise


def _read(body: bytes) -> Call:
    try:
        call = _decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Malformed("malformed-frame", "the frame is no call of this protocol") from error
    if not 1 <= call.deadline_ms <= MOST_DEADLINE_MS:
        raise Malformed("malformed-frame", f"a call waits for 1 to {MOST_DEADLINE_MS} ms")
    return call


def frame_of(number: int, answer: msgspec.Struct) -> bytes:
    """The frame of an answer, or of a problem."""
    if isinstance(answer, Problem):
        body = _encode(Answer(number=number, problem=answer))
    else:
        body = _encode(Answer(number=number, body=msgspec.Raw(_encode(answer))))
    return len(body).to_bytes(HEAD, "big") + body
