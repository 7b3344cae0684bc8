"""The parent of several workers: opens the sockets, starts the workers, starts again those that died.

It holds no key and opens no data directory; each worker is a process of its own that does, with its own
locked memory. All that the workers share lies in mapped files of the data directory.
"""

import asyncio
import signal
import socket
import sys
from contextlib import ExitStack

import structlog

from hyperkms.cli.announcing import announce
from hyperkms.cli.channel import CONNECT, GO, STOP, Inherited
from hyperkms.cli.embedded import embedded
from hyperkms.cli.listeners import Listeners, Opened, opened
from hyperkms.cli.telling import tell_operator
from hyperkms.config import Config
from hyperkms.http.log import configure_logs

FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 5.0
STABLE_S = 10.0
"""Who ran as long as this did not fail at its start: it is started again at once."""
MISSING_AFTER = 3
"""After so many failures in a row nobody waits for the worker any more; it is started again all the same."""
END_S = 15.0
"""A worker that was told to stop and has not ended by then is killed; its drain takes at most 10 s."""
_log = structlog.stdlib.get_logger("hyperkms.serve")


def supervise(config: Config) -> int:
    """Serve with several workers until SIGTERM or SIGINT; the exit status."""
    configure_logs(config.log_level)
    with opened(config) as places:
        return asyncio.run(_Supervisor(config, places).run())


class _Supervisor:
    def __init__(self, config: Config, places: Opened) -> None:
        self._config = config
        self._places = places
        self._workers = [_Worker(number, each) for number, each in enumerate(places.of_workers)]
        self._stopping = asyncio.Event()

    async def run(self) -> int:
        """1. All begin to start.  2. The first opens the data directory.  3. The others do.  4. They are kept."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        for worker in self._workers:
            await worker.launch()  # (1)
        with ExitStack() as cosigners:
            return await self._serve(cosigners)

    async def _serve(self, cosigners: ExitStack) -> int:
        is_begun = await self._workers[0].begin(GO)  # (2)
        if is_begun:
            # What the first worker made there is run here, once for all.
            await asyncio.to_thread(cosigners.enter_context, embedded(self._config, tell_operator))
            self._workers[0].tell(CONNECT)
        if is_begun and await self._all_ready(self._workers[1:]):  # (3)
            announce(self._config, self._places, self._workers[0].memory, self._workers[0].fault)
            keeping = [asyncio.create_task(self._keep(worker)) for worker in self._workers]
            await self._stopping.wait()  # (4)
            await asyncio.gather(*keeping)
            status = await self._end()
            _log.info("stopped")
            return status
        failed = not self._stopping.is_set()
        self._stop()
        status = await self._end()
        return 1 if failed else status

    async def _all_ready(self, workers: list["_Worker"]) -> bool:
        return all(await asyncio.gather(*(worker.begin() for worker in workers)))

    def _stop(self) -> None:
        self._stopping.set()
        for worker in self._workers:
            worker.tell(STOP)
            worker.leave()

    async def _keep(self, worker: "_Worker") -> None:
        """Start it again whenever it ends, until all are told to stop."""
        loop = asyncio.get_running_loop()
        began, failures = loop.time(), 0
        while await self._ended(worker):
            failures = 0 if loop.time() - began > STABLE_S else failures + 1
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 3 ** max(0, failures - 1))
            _log.warning(
                "worker-ended",
                worker=worker.number,
                pid=worker.pid,
                status=worker.status,
                againInS=pause,
            )
            if failures >= MISSING_AFTER:
                worker.turn_away()
                _log.warning("worker-missing", worker=worker.number, failures=failures)
            if await _happens(self._stopping, within=pause):
                return
            began = loop.time()
            try:
                await worker.launch()
            except OSError as error:  # no process, no descriptor, no memory: the next turn tries again
                _log.warning("worker-not-launched", worker=worker.number, why=error.strerror)
                continue
            if self._stopping.is_set():
                worker.tell(STOP)
            elif await worker.begin():
                _log.info("worker-started", worker=worker.number, pid=worker.pid)

    async def _ended(self, worker: "_Worker") -> bool:
        """Wait until the worker ends (True) or all are to stop."""
        stopping = asyncio.create_task(self._stopping.wait())
        ending = asyncio.create_task(worker.ended())
        await asyncio.wait((stopping, ending), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        ending.cancel()
        return not self._stopping.is_set()

    async def _end(self) -> int:
        """Wait for every worker, and kill who does not end."""
        ending = [asyncio.create_task(worker.ended()) for worker in self._workers]
        _, late = await asyncio.wait(ending, timeout=END_S)
        if late:
            for worker in self._workers:
                worker.kill()
            await asyncio.wait(ending)
        return 1 if any(worker.status for worker in self._workers) else 0


class _Worker:
    """A place among the workers, and the process that holds it now."""

    def __init__(self, number: int, listeners: Listeners) -> None:
        self.number = number
        self.memory = ""
        self.fault = ""
        self._listeners = listeners
        self._process: asyncio.subprocess.Process | None = None
        self._channel: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def status(self) -> int | None:
        return self._process.returncode if self._process else None

    async def launch(self) -> None:
        """Start the process; it waits for the word to begin.

        It is no member of the terminal's process group: Ctrl-C comes to it through its parent.
        """
        if self._channel:
            self._channel[1].close()
        ours, theirs = socket.socketpair()
        with theirs:
            tcp, unix, metrics = (None if place is None else place.fileno() for place in self._listeners.all())
            told = Inherited(first=self.number == 0, control=theirs.fileno(), tcp=tcp, unix=unix, metrics=metrics)
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *sys.orig_argv[1:],
                "--as-worker",
                str(told),
                pass_fds=[number for number in (told.control, tcp, unix, metrics) if number is not None],
                process_group=0,
            )
        self._channel = await asyncio.open_unix_connection(sock=ours)

    async def begin(self, words: bytes = GO + CONNECT) -> bool:
        """Let it serve; False if it ends instead."""
        self.tell(words)
        if self._channel is None:
            return False
        try:
            told = (await self._channel[0].readline()).decode().rstrip("\n")
        except ConnectionError:  # it ended before it read all words
            return False
        self.memory, _, self.fault = told.partition("\t")
        return bool(self.memory)

    def tell(self, words: bytes) -> None:
        """A word to the process, or several, if it still listens."""
        if self._channel and not self._channel[1].is_closing():
            self._channel[1].write(words)

    def turn_away(self) -> None:
        """Let nobody wait for it until it serves: who connects is another worker's, or is refused at once."""
        try:
            self._listeners = self._listeners.turned_away()
        except OSError as error:
            _log.warning("port-not-renewed", worker=self.number, why=error.strerror)

    def leave(self) -> None:
        """Close the sockets on this side: when the worker has closed them too, nobody connects any more."""
        for place in self._listeners.all():
            if place is not None:
                place.close()

    async def ended(self) -> None:
        """Wait for the end of the process."""
        if self._process:
            await self._process.wait()

    def kill(self) -> None:
        """End it if it has not ended."""
        if self._process and self._process.returncode is None:
            self._process.kill()


async def _happens(event: asyncio.Event, *, within: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), within)
    except TimeoutError:
        return False
    return True
