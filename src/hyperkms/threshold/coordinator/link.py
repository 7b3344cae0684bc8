"""The connection to one cosigner: one, kept, over which any number of calls are under way at once.

While there is none it is tried again after 0.1 s, then later and later, at most every 5 s. Nothing that comes over it
is believed but its number; what an answer says is verified by who asked.
"""

import asyncio
import struct
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

import msgspec

from hyperkms.errors import HyperkmsError, Refused
from hyperkms.state.log import logger
from hyperkms.threshold.coordinator.connecting import Streams, Way
from hyperkms.threshold.coordinator.problems import away, called, error_of
from hyperkms.threshold.group import Group, Member
from hyperkms.threshold.wire import MOST_FRAME, PROTOCOL, Answer, Ask, Call, Condition, Greeting, Hello, Status

T = TypeVar("T", bound=msgspec.Struct)
FIRST_PAUSE_S = 0.1
STABLE_S = 2.0
"""A connection that held so long did not fail at its start: the next is tried after the shortest pause."""
GREETING_S = 2.0
LOOK_S = 1.0
"""So often a cosigner that was late is asked how it is; it counts as late until it answers."""
MOST_CALLS = 512
MOST_UNSENT = 4 * 1024 * 1024
"""Bytes that a cosigner has not taken; one that is stopped takes none."""
_TIMES = 32
_HEAD = struct.Struct(">I")
_encode = msgspec.msgpack.Encoder().encode
_decode_answer = msgspec.msgpack.Decoder(Answer).decode


class Link:
    """One cosigner, as the coordinator reaches it. All methods are for its event loop."""

    def __init__(self, member: Member, group: Group, way: Way, changed: Callable[[], None]) -> None:
        self.member = member
        self.condition: Condition | None = None
        """What it last said of itself."""
        self._group = group
        self._way = way
        self._changed = changed
        self._streams: Streams | None = None
        self._why = "no connection yet"
        self._calls: dict[int, asyncio.Future[Answer]] = {}
        self._number = 1
        self._late = False
        self._times: deque[float] = deque(maxlen=_TIMES)
        self._keeping: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self.tried = asyncio.Event()
        """Set once the first attempt to connect has ended."""

    @property
    def alive(self) -> bool:
        """There is a connection, and it answered in time when it was last asked."""
        return self._streams is not None and not self._late

    @property
    def connected(self) -> bool:
        """There is a connection, whose other end may be slow."""
        return self._streams is not None

    @property
    def typical_s(self) -> float:
        """The median of its latest calls; 0 before the first."""
        times = sorted(self._times)
        return times[len(times) // 2] if times else 0.0

    def start(self) -> None:
        """Begin to connect."""
        self._keeping = asyncio.get_running_loop().create_task(self._keep())

    async def close(self) -> None:
        """Connect no more."""
        for task in (self._keeping, self._looking):
            if task is not None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        self._let_go("this service is ending")

    async def ask(self, ask: Ask, kind: type[T], *, within: float) -> T:
        """What it answers; its refusal, or Unavailable if it is away or gives no answer in time."""
        streams = self._streams
        if streams is None:
            raise away(self.member, self._why)
        if len(self._calls) >= MOST_CALLS or streams.writer.transport.get_write_buffer_size() > MOST_UNSENT:
            self.is_late()
            raise away(self.member, "too many calls wait for it already")
        answer = await self._call(streams, ask, within)
        if answer.problem is not None:
            raise error_of(self.member, answer.problem)
        try:
            return msgspec.msgpack.decode(answer.body, type=kind)
        except msgspec.DecodeError as error:
            self._end("it answered something else than it was asked")
            raise away(self.member, "it answered something else than it was asked") from error

    def is_late(self) -> None:
        """It kept somebody waiting: it is asked last from now on, until it answers again how it is."""
        if not self._late:
            self._late = True
            self._changed()
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _call(self, streams: Streams, ask: Ask, within: float) -> Answer:
        loop, number = asyncio.get_running_loop(), self._number
        self._number += 1
        waiting: asyncio.Future[Answer] = loop.create_future()
        self._calls[number] = waiting
        began = time.monotonic()
        try:
            _write(streams, Call(number=number, ask=ask, deadline_ms=max(1, round(within * 1000))))
            async with asyncio.timeout(within):
                answer = await waiting
        except TimeoutError:
            self.is_late()
            raise away(self.member, f"no answer within {within:.1f} s") from None
        except OSError as error:
            raise away(self.member, str(error.strerror or error)) from error
        finally:
            self._calls.pop(number, None)
        self._times.append(time.monotonic() - began)
        return answer

    async def _keep(self) -> None:
        """Connect, read until the connection ends, pause, again."""
        loop, pause = asyncio.get_running_loop(), FIRST_PAUSE_S
        while True:
            began = loop.time()
            try:
                await self._read_until_the_end()
            except HyperkmsError as error:
                self._end(error.message)
            except (OSError, TimeoutError, EOFError) as error:
                self._end(_words(error))
            finally:
                self.tried.set()
            pause = FIRST_PAUSE_S if loop.time() - began > STABLE_S else min(self._way.longest_pause_s, pause * 2)
            await asyncio.sleep(pause)

    async def _read_until_the_end(self) -> None:
        async with asyncio.timeout(GREETING_S):
            streams = await self._way.connect()
        try:
            async with asyncio.timeout(GREETING_S):
                await self._greet(streams)
            self._streams, self._late = streams, False
            self.tried.set()
            logger("hyperkms.cosigners").info("cosigner-connected", cosigner=self.member.name)
            self._changed()
            while True:
                answer = await self._next(streams)
                waiting = self._calls.get(answer.number)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)
        finally:
            streams.writer.close()

    async def _greet(self, streams: Streams) -> None:
        """Refused unless it is the member of the group that it should be."""
        _write(streams, Call(number=0, ask=Hello(), deadline_ms=round(GREETING_S * 1000)))
        answer = await self._next(streams)
        if answer.problem is not None:
            raise error_of(self.member, answer.problem)
        try:
            found = msgspec.msgpack.decode(answer.body, type=Greeting)
        except msgspec.DecodeError as error:
            raise away(self.member, "its greeting is none") from error
        for what, is_so in (
            ("the protocol", found.protocol == PROTOCOL),
            ("the group", found.group == self._group.id),
            ("the index", found.index == self.member.index),
            ("the identity key", found.identity == self.member.identity),
        ):
            if not is_so:
                words = f"{called(self.member)}: {what} is not that of the group description"
                raise Refused("not-this-member", words)

    async def _next(self, streams: Streams) -> Answer:
        (size,) = _HEAD.unpack(await streams.reader.readexactly(_HEAD.size))
        if size > MOST_FRAME:
            raise away(self.member, f"it sent a frame of {size} bytes")
        try:
            return _decode_answer(await streams.reader.readexactly(size))
        except msgspec.DecodeError as error:
            raise away(self.member, "it sent what is no answer") from error

    async def _look(self) -> None:
        """Ask how it is, until it answers."""
        while self._late:
            await asyncio.sleep(LOOK_S)
            if self._streams is not None:
                with suppress(HyperkmsError):
                    await self.look()
                    self._late = False
        self._changed()

    async def look(self) -> None:
        """Ask how it is; Unavailable if it does not say."""
        self.condition = await self.ask(Status(), Condition, within=LOOK_S)

    def _end(self, why: str) -> None:
        if self._streams is not None:
            logger("hyperkms.cosigners").warning("cosigner-away", cosigner=self.member.name, why=why)
        elif why != self._why:
            logger("hyperkms.cosigners").warning("cosigner-not-reached", cosigner=self.member.name, why=why)
        self._let_go(why)

    def _let_go(self, why: str) -> None:
        if self._streams is not None:
            self._streams.writer.close()
            self._streams = None
            self._changed()
        self._why = why
        for waiting in self._calls.values():
            if not waiting.done():
                waiting.set_exception(away(self.member, why))


def _write(streams: Streams, call: Call) -> None:
    frame = _encode(call)
    streams.writer.write(_HEAD.pack(len(frame)) + frame)


def _words(error: Exception) -> str:
    if isinstance(error, EOFError):
        return "it closed the connection"
    if isinstance(error, TimeoutError) and error.errno is None:
        return f"no greeting within {GREETING_S:.0f} s"
    return getattr(error, "strerror", None) or "the connection failed"
