"""Connections of the asynchronous client."""

import asyncio
import select
from typing import Any

from hyperkms.client.connection import not_connected
from hyperkms.client.endpoint import Endpoint
from hyperkms.client.errors import NoAnswer, SigningClientError, UnexpectedAnswer
from hyperkms.client.options import Options
from hyperkms.client.response import Answer, ResponseReader
from hyperkms.client.wire import Call, Wire


class _Connection(asyncio.Protocol):
    """A transport, for one request at a time; once `closed`, of no more use."""

    def __init__(self) -> None:
        self.closed = False
        self._poll = select.poll()
        self._transport: asyncio.Transport | None = None
        self._reader: ResponseReader | None = None
        self._waiting: asyncio.Future[Answer] | None = None
        self._lost: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def exchange(self, wire: Wire, call: Call[Any], read_s: float) -> Answer:
        """Send one request and read its answer; NoAnswer when the connection breaks or the time is up."""
        if self._transport is None:
            raise TypeError("not connected")
        loop = asyncio.get_running_loop()
        self._reader = ResponseReader()
        self._waiting = loop.create_future()
        timer = loop.call_later(
            read_s, self._give_up, NoAnswer(f"the signing service did not answer within {read_s} s")
        )
        try:
            self._transport.write(wire.bytes_of(call))
            answer = await self._waiting
        except SigningClientError as error:
            error.idempotency_key = call.key
            raise
        finally:
            timer.cancel()
            self._reader = self._waiting = None
        return answer

    def quiet(self) -> bool:
        """Whether it is open and has nothing to say, not even what the loop has not looked at yet."""
        return not self.closed and not self._poll.poll(0)

    def close(self) -> None:
        """Close at once; whatever was still to be sent is dropped."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    async def wait_closed(self) -> None:
        """Return once the transport has let go of its socket."""
        await asyncio.shield(self._lost)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport
            self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        if self._reader is None or self._waiting is None or self._waiting.done():
            self.close()  # nobody asked
            return
        try:
            answer = self._reader.feed(data)
        except UnexpectedAnswer as error:
            self._give_up(error)
            return
        if answer is not None:
            self._waiting.set_result(answer)

    def eof_received(self) -> None:
        answer = self._reader.end() if self._reader is not None else None
        if answer is not None and self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(answer)
        self._give_up(NoAnswer("the signing service closed the connection before the answer was whole"))

    def connection_lost(self, exc: Exception | None) -> None:
        broken = NoAnswer("the connection to the signing service broke before the answer")
        broken.__cause__ = exc
        self._give_up(broken)
        if not self._lost.done():
            self._lost.set_result(None)

    def _give_up(self, error: SigningClientError) -> None:
        self.close()
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)


class Connections:
    """Makes connections, keeps those that can be used again, and lets no more requests start than there may be.

    It belongs to the event loop that uses it; another one, such as that of a second asyncio.run, starts afresh.
    """

    def __init__(self, endpoint: Endpoint, options: Options) -> None:
        self._endpoint = endpoint
        self._options = options
        self._tls = options.tls_for(endpoint)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: list[_Connection] = []
        self._turns = asyncio.Semaphore(options.connections)

    async def exchange(self, wire: Wire, call: Call[Any]) -> Answer:
        """One request on a connection of its own; NotConnected if none comes about."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._idle = loop, []
            self._turns = asyncio.Semaphore(self._options.connections)
        async with self._turns:
            connection = self._take() or await self._connect(loop)
            try:
                answer = await connection.exchange(wire, call, self._options.read_s)
            except BaseException:
                connection.close()
                raise
            if answer.keeps and not connection.closed:
                self._idle.append(connection)
            else:
                connection.close()
            return answer

    async def close(self) -> None:
        """Close those that are kept, and return when that is done."""
        idle, self._idle = self._idle, []
        if self._loop is asyncio.get_running_loop():
            for connection in idle:
                connection.close()
                await connection.wait_closed()

    def _take(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.quiet():
                return connection
            connection.close()
        return None

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> _Connection:
        endpoint = self._endpoint
        try:
            async with asyncio.timeout(self._options.connect_s):
                if endpoint.unix_path is not None:
                    _, connection = await loop.create_unix_connection(_Connection, endpoint.unix_path)
                else:
                    _, connection = await loop.create_connection(
                        _Connection, endpoint.host, endpoint.port, ssl=self._tls
                    )
        except OSError as error:
            raise not_connected(endpoint, error) from error
        return connection
