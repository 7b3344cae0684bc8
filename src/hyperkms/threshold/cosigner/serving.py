"""Connections of coordinators: greeted first, then answered call by call, each in a thread, in any order.

Everything is bounded: connections, calls under way, frames, and how long a peer may take to send or to take one.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec
import structlog

from hyperkms.errors import Malformed, Refused, Unavailable
from hyperkms.threshold.certificates import require_accepted
from hyperkms.threshold.cosigner.desk import problem
from hyperkms.threshold.cosigner.framing import Room, frame_of, read_call
from hyperkms.threshold.silence import FORGOTTEN_S, end_if_unacknowledged, probe_when_idle
from hyperkms.threshold.wire import Ask, Call, Hello, Problem

MOST_CONNECTIONS = 72
"""One of every worker that a service may have, and some."""
MOST_LARGE = 16
"""Large frames in memory at once, over all connections."""
MOST_CALLS = 16
"""Under way on one connection; the next frame is read when one of them is answered."""
THREADS = 8
GREETING_S = 10.0
TAKING_S = 10.0
"""How long a peer may take to take an answer."""
STOPPING_S = 10.0
_log = structlog.stdlib.get_logger("hyperkms.cosigner")


@dataclass(frozen=True)
class Listener:
    """A socket that listens, and who may come through it."""

    socket: socket.socket
    tls: ssl.SSLContext | None = None
    """TLS 1.3, and a certificate of the client asked for; None for a Unix socket, which only this user opens."""
    accepted: frozenset[str] = frozenset()
    """The certificates of coordinators, base64 of DER: no other is let in, whoever signed it."""


class Server:
    """Serves at one listener until it is stopped."""

    def __init__(self, answer: Callable[[Ask], msgspec.Struct], listener: Listener) -> None:
        self._answer = answer
        self._listener = listener
        self._pool = ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="cosigner")
        self._connections: set[asyncio.Task[None]] = set()
        self._stopping = asyncio.Event()
        self._large = asyncio.Semaphore(MOST_LARGE)

    def stop(self) -> None:
        """Let calls under way end, and take no more."""
        self._stopping.set()

    async def serve(self) -> None:
        """Until it is stopped; nothing is under way on return."""
        tls = self._listener.tls
        patience = None if tls is None else GREETING_S
        server = await asyncio.start_server(
            self._connected, sock=self._listener.socket, ssl=tls, ssl_handshake_timeout=patience
        )
        await self._stopping.wait()
        server.close()
        for connection in [*self._connections]:
            connection.cancel()
        if self._connections:
            await asyncio.wait([*self._connections], timeout=STOPPING_S)
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted = writer.get_extra_info("socket")
        probe_when_idle(accepted)  # a coordinator that is gone without a word does not keep its place for ever
        end_if_unacknowledged(accepted, FORGOTTEN_S)
        task = asyncio.current_task()
        if task is None or self._stopping.is_set() or len(self._connections) >= MOST_CONNECTIONS:
            writer.close()
            return
        self._connections.add(task)
        try:
            if self._is_known(writer):
                await _Connection(self._answer, self._pool, self._large, reader, writer).serve()
        except (OSError, TimeoutError, asyncio.CancelledError):
            pass  # it is gone, too slow, or told to end
        finally:
            self._connections.discard(task)
            writer.close()

    def _is_known(self, writer: asyncio.StreamWriter) -> bool:
        if self._listener.tls is None:
            return True
        try:
            require_accepted(writer.get_extra_info("ssl_object"), self._listener.accepted)
        except Refused as error:
            _log.warning("refused", code=error.code)
            return False
        return True


class _Connection:
    """One connection."""

    def __init__(
        self,
        answer: Callable[[Ask], msgspec.Struct],
        pool: ThreadPoolExecutor,
        large: Room,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._answer = answer
        self._pool = pool
        self._large = large
        self._reader = reader
        self._writer = writer
        self._room = asyncio.Semaphore(MOST_CALLS)
        self._writing = asyncio.Lock()
        self._calls: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Until the peer ends it, or sends what is no call."""
        try:
            if await self._greeted():
                await self._serve_calls()
        except Malformed as error:
            await self._write(frame_of(0, problem(error)))
        finally:
            if self._calls:
                await asyncio.shield(asyncio.wait([*self._calls], timeout=STOPPING_S))

    async def _greeted(self) -> bool:
        async with asyncio.timeout(GREETING_S):
            read = await read_call(self._reader, self._large)
        if read is None:
            return False
        call, is_large = read
        if is_large:
            self._large.release()
        if not isinstance(call.ask, Hello):
            raise Malformed("malformed-frame", "the first call of a connection is `hello`")
        answer = self._answer(call.ask)
        await self._write(frame_of(call.number, answer))
        return not isinstance(answer, Problem)

    async def _serve_calls(self) -> None:
        while True:
            await self._room.acquire()
            read = await read_call(self._reader, self._large)
            if read is None:
                return
            call, is_large = read
            until = time.monotonic() + call.deadline_ms / 1000
            task = asyncio.create_task(self._serve_call(call, until))
            self._calls.add(task)
            task.add_done_callback(self._ended_large if is_large else self._ended)

    def _ended_large(self, task: asyncio.Task[None]) -> None:
        self._large.release()
        self._ended(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._calls.discard(task)
        self._room.release()
        if not task.cancelled() and task.exception() is not None:  # the peer takes no answers: nor does it get others
            self._writer.close()

    async def _serve_call(self, call: Call, until: float) -> None:
        loop = asyncio.get_running_loop()
        frame = await loop.run_in_executor(self._pool, self._frame, call, until)
        await self._write(frame)

    def _frame(self, call: Call, until: float) -> bytes:
        if time.monotonic() > until:
            words = "the call waited so long that nobody waits for its answer; it was not begun"
            return frame_of(call.number, problem(Unavailable("deadline-passed", words)))
        return frame_of(call.number, self._answer(call.ask))

    async def _write(self, frame: bytes) -> None:
        async with self._writing:
            self._writer.write(frame)
            async with asyncio.timeout(TAKING_S):
                await self._writer.drain()
