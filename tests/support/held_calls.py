"""Between a coordinator and its cosigners: every call is handed on, but the work for a wallet can be held at a point.

At a point some of the cosigners have done a step, durably where the step is, and nobody has heard of it; the others
have not been asked. What is killed then is killed exactly there.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import msgspec

from hyperkms.threshold.wire import (
    Activate,
    Admit,
    Advance,
    Answer,
    Ask,
    Begin,
    Commit,
    Drop,
    Keep,
    OpenCeremony,
    Opened,
    OpenSigning,
    Prepare,
    Release,
    Retire,
    SignShare,
)

Send: TypeAlias = Callable[[], None]
_NAMED: Mapping[type[Ask], str] = {Commit: "commit", Release: "release", Drop: "drop"}
_OF_VERSIONS: Mapping[type[Ask], str] = {Admit: "admit", Activate: "activate", Retire: "retire"}


@dataclass(frozen=True)
class Point:
    """These cosigners have done the step when the work is held, or the first so many of those asked; and no other."""

    step: str
    """`keygen open`, `keygen begin`, `keygen advance-1` and so on, `keygen keep`, `commit`; see `Calls._step`."""
    members: tuple[int, ...] = ()
    first: int = 0

    def __str__(self) -> str:
        return f"{self.step} by {self.members or self.first}"


@dataclass
class Hold:
    """The work for one wallet, on its way to its point or at it."""

    point: Point
    asked: list[int] = field(default_factory=list)
    answered: set[int] = field(default_factory=set)
    aside: list[Send] = field(default_factory=list)
    """What goes on if it is let go."""

    @property
    def is_reached(self) -> bool:
        due = set(self.point.members or self.asked[: self.point.first])
        return len(self.asked) >= max(1, self.point.first) and self.answered >= due

    def lets_through(self, index: int) -> bool:
        return index in self.point.members or index in self.asked[: self.point.first]


@dataclass
class _Session:
    """A session of one cosigner, by the token under which it goes on."""

    wallet: str
    kind: str
    advanced: int = 0


class Calls:
    """What is under way, over all cosigners."""

    def __init__(self) -> None:
        self.steps: dict[str, list[str]] = {}
        """Of every wallet, the steps that were asked for, each once and in their order."""
        self._turn = threading.Condition()
        self._connections = 0
        self._holds: dict[str, Hold] = {}
        self._sessions: dict[tuple[int, str], _Session] = {}

    def hold(self, wallet: str, point: Point) -> Hold:
        """From now on the work for this wallet comes to the point and no further."""
        with self._turn:
            made = self._holds[wallet] = Hold(point)
        return made

    def wait_for(self, hold: Hold, is_over: Callable[[], bool]) -> None:
        """Until it is at its point; an assertion fails if the work is over before that."""
        with self._turn:
            while not hold.is_reached:
                assert not is_over(), f"the work ended before its point, {hold.point}"
                self._turn.wait(0.1)

    def forget(self) -> None:
        """What is held goes nowhere: who asked for it is dead, and what it had sent before is read to its end first."""
        with self._turn:
            while self._connections:
                self._turn.wait()
            self._holds.clear()

    def let_go(self) -> None:
        """What is held goes on."""
        with self._turn:
            aside = [each for hold in self._holds.values() for each in hold.aside]
            self._holds.clear()
        for send in aside:
            send()

    def connected(self, change: int) -> None:
        """So many connections of coordinators more, or less."""
        with self._turn:
            self._connections += change
            self._turn.notify_all()

    def asked(self, index: int, ask: Ask) -> Hold | None:
        """Note a call; the hold at whose point it is, if it is at one."""
        with self._turn:
            found = self._step(index, ask)
            if found is None:
                return None
            wallet, step = found
            known = self.steps.setdefault(wallet, [])
            if step not in known:
                known.append(step)
            hold = self._holds.get(wallet)
            if hold is None or step != hold.point.step:
                return None
            if index not in hold.asked:
                hold.asked.append(index)
            self._turn.notify_all()
        return hold

    def put_aside(self, hold: Hold, send: Send) -> None:
        """This goes on if the hold is let go, and at once if it was."""
        with self._turn:
            if any(one is hold for one in self._holds.values()):
                hold.aside.append(send)
                return
        send()

    def answered(self, index: int, hold: Hold, send: Send) -> None:
        """A cosigner has done the step at which the work is held; nobody hears of it."""
        with self._turn:
            hold.answered.add(index)
            self._turn.notify_all()
        self.put_aside(hold, send)

    def opened(self, index: int, ask: OpenCeremony | OpenSigning, answer: Answer) -> None:
        """A session has begun, if it has."""
        if answer.problem is not None:
            return
        token = msgspec.msgpack.decode(answer.body, type=Opened).session
        with self._turn:
            self._sessions[index, token] = _Session(ask.share.wallet, _kind(ask))

    def _step(self, index: int, ask: Ask) -> tuple[str, str] | None:
        """Whose work it is, and what: of a session with the kind of it, of a signature with what it is for."""
        if isinstance(ask, OpenCeremony | OpenSigning):
            return ask.share.wallet, f"{_kind(ask)} open"
        if isinstance(ask, Begin | Advance | Keep):
            return self._step_of_session(index, ask)
        if isinstance(ask, Prepare | SignShare):
            return ask.share.wallet, f"{_purpose(ask)} {'prepare' if isinstance(ask, Prepare) else 'share'}"
        if isinstance(ask, Commit | Release | Drop):
            return ask.share.wallet, _NAMED[type(ask)]
        if isinstance(ask, Admit | Activate | Retire):
            return ask.wallet, _OF_VERSIONS[type(ask)]
        return None

    def _step_of_session(self, index: int, ask: Begin | Advance | Keep) -> tuple[str, str] | None:
        session = self._sessions.get((index, ask.session))
        if session is None:
            return None
        if isinstance(ask, Advance):
            session.advanced += 1
            return session.wallet, f"{session.kind} advance-{session.advanced}"
        return session.wallet, f"{session.kind} {'begin' if isinstance(ask, Begin) else 'keep'}"


def _kind(ask: OpenCeremony | OpenSigning) -> str:
    if isinstance(ask, OpenSigning):
        return _purpose(ask)
    return "repair" if ask.kind.startswith("repair") else ask.kind


def _purpose(ask: OpenSigning | Prepare | SignShare) -> str:
    return "test" if ask.prepared else "sign"
