"""Cosigner processes, and a plain coordinator that drives them over their sockets: made of wire.py and asks alone."""

import itertools
import json
import os
import secrets
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import hyperkms_cosign as cosign
import msgspec

from hyperkms.state.schema import key_versions
from hyperkms.threshold.group import Group, Member
from hyperkms.threshold.wire import (
    Activate,
    Admit,
    Advance,
    Answer,
    Ask,
    Asker,
    Begin,
    Call,
    Commit,
    Condition,
    Done,
    Drop,
    Dropped,
    Greeting,
    Heads,
    HeadsKnown,
    Held,
    HeldShare,
    Hello,
    InForce,
    Intent,
    Keep,
    Kept,
    KeyTypeName,
    Messages,
    NetworkName,
    OpenCeremony,
    Opened,
    OpenSigning,
    Prepare,
    Prepared,
    Problem,
    Release,
    Retire,
    RetireWallet,
    Said,
    ShareGiven,
    ShareName,
    Shares,
    SignShare,
    Status,
    TestSignature,
    Witness,
)
from support.commands import run_with
from support.databases import rows
from support.service import START_S, command, environment, started
from support.signed_rows import changing
from support.started import Process as StartedProcess

COORDINATOR = "c0" * 16
"""The service id for which clients of these tests sign."""
BEARER = Asker(client="bot", request_id="r-1")
WAIT_S = 30
_ANSWERS: dict[type[msgspec.Struct], type[msgspec.Struct]] = {
    Hello: Greeting,
    Status: Condition,
    Shares: Held,
    OpenCeremony: Opened,
    OpenSigning: Opened,
    Begin: Messages,
    Advance: Messages,
    Keep: Kept,
    Prepare: Prepared,
    SignShare: ShareGiven,
    Commit: InForce,
    Drop: Dropped,
    Activate: Said,
    Retire: Said,
    RetireWallet: Said,
    Heads: HeadsKnown,
}
A = TypeVar("A")
Change: TypeAlias = Callable[[int, list[bytes]], list[bytes]]
"""What a false coordinator hands a member in the place of a round's messages."""


class Refusal(Exception):
    """A problem that a cosigner answered."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.code, problem.message)
        self.problem = problem
        self.code = problem.code


class Line:
    """One connection to a cosigner: at its Unix socket, or one that is there."""

    def __init__(self, path: Path | socket.socket, *, greet: bool = True) -> None:
        self._number = itertools.count(1)
        self.socket = path if isinstance(path, socket.socket) else socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(WAIT_S)
            if isinstance(path, Path):
                self.socket.connect(str(path))
            if greet:
                self.ask(Hello())
        except BaseException:
            self.socket.close()
            raise

    def ask(self, ask: Ask, *, deadline_ms: int = 60_000) -> Any:
        """The answer; Refusal for a problem."""
        self.send(ask, deadline_ms=deadline_ms)
        return self.answer(_ANSWERS.get(type(ask), Done))

    def send(self, ask: Ask, *, deadline_ms: int = 60_000) -> int:
        number = next(self._number)
        self.send_raw(msgspec.msgpack.encode(Call(number=number, ask=ask, deadline_ms=deadline_ms)))
        return number

    def send_raw(self, body: bytes) -> None:
        self.socket.sendall(len(body).to_bytes(4, "big") + body)

    def answer(self, kind: type[A]) -> A:
        answer = self.frame()
        if answer.problem is not None:
            raise Refusal(answer.problem)
        return msgspec.msgpack.decode(answer.body, type=kind)

    def frame(self) -> Answer:
        length = int.from_bytes(self._exactly(4), "big")
        return msgspec.msgpack.decode(self._exactly(length), type=Answer)

    def is_closed(self) -> bool:
        """Whether the cosigner has ended it; what it still sent is passed over."""
        try:
            while self.socket.recv(65_536):
                pass
        except ConnectionError:
            pass
        return True

    def close(self) -> None:
        self.socket.close()

    def _exactly(self, count: int) -> bytes:
        read = b""
        while len(read) < count:
            more = self.socket.recv(count - len(read))
            if not more:
                raise ConnectionResetError
            read += more
        return read


@dataclass
class Process:
    """A cosigner in a process of its own."""

    data: Path
    settings: dict[str, str]
    within: tuple[str, ...] = ()
    """What it is started by, if by something: in a network namespace."""
    process: StartedProcess | None = None
    lines: list[dict[str, Any]] = field(default_factory=list)
    reader: threading.Thread | None = None

    @property
    def socket(self) -> Path:
        return self.data / "cosigner.sock"

    def init(self) -> bytes:
        """Its identity key."""
        return bytes.fromhex(self._told("cosigner", "init", "--data", str(self.data))["identity"])

    def join(self, file: Path, fingerprint: str, *words: str) -> Any:
        """Let it trust a group; what the command prints."""
        group = ("--group", str(file), "--fingerprint", fingerprint)
        return self._told("mpc", "join", "--data", str(self.data), *group, *words)

    def _told(self, *words: str) -> Any:
        done = run_with(*words, "--json", cwd=self.data.parent, **self.settings)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, *words: str, passed: Sequence[int] = ()) -> None:
        self.process = process = self._started(["cosigner", "serve", "--data", str(self.data), *words], passed)
        timer = threading.Timer(START_S, process.kill)
        timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                self.lines.append(json.loads(line))
                if self.lines[-1]["event"] == "listening":
                    self.reader = threading.Thread(target=self._drain, args=(process,), daemon=True)
                    self.reader.start()
                    return
        finally:
            timer.cancel()
        _, words_of_refusal = process.communicate()
        raise AssertionError(f"the cosigner did not start: {words_of_refusal}")

    def _started(self, words: list[str], passed: Sequence[int]) -> StartedProcess:
        if not self.within and not passed:
            return started(words, self.settings, self.data.parent)
        return subprocess.Popen(
            [*self.within, *command(*words)],
            env=environment(**self.settings),
            cwd=self.data.parent,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            pass_fds=tuple(passed),
        )

    def _drain(self, process: StartedProcess) -> None:
        assert process.stdout is not None
        with process.stdout as output:
            self.lines.extend(json.loads(line) for line in output)

    def stop(self) -> int:
        """SIGTERM, and the exit status."""
        return self._end(signal.SIGTERM)

    def kill(self) -> int:
        """SIGKILL."""
        return self._end(signal.SIGKILL)

    def _end(self, number: int) -> int:
        process = self.process
        if process is None:
            return 0
        if process.poll() is None:
            with suppress(ProcessLookupError):  # a test has killed it just before
                os.kill(process.pid, number)
        status = process.wait(START_S)
        if self.reader is not None:
            self.reader.join()
        if process.stderr is not None:
            process.stderr.close()
        self.process = None
        return status

    def log_codes(self) -> list[str]:
        return [line["code"] for line in self.lines if line.get("event") == "refused"]


@dataclass
class Cosigners:
    """A group that runs, and a coordinator that does as it should, or as it is told."""

    group: Group
    processes: dict[int, Process]
    file: Path
    lines: dict[int, Line] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def running(cls, folder: Path, *, threshold: int = 2, members: int = 3, **settings: str) -> Iterator["Cosigners"]:
        made = {index: Process(folder / f"cosigner-{index}", settings) for index in range(1, members + 1)}
        group = Group(
            name="tests",
            threshold=threshold,
            members=tuple(
                Member(
                    index=index,
                    name=f"cosigner-{index}",
                    identity=each.init(),
                    address=f"unix:{each.socket}",
                    certificate=None,
                )
                for index, each in made.items()
            ),
            coordinators=(COORDINATOR,),
        )
        file = folder / "group.json"
        file.write_bytes(group.describe())
        with ExitStack() as ends:
            for each in made.values():
                ends.callback(each.stop)
                if settings.get("HYPERKMS_ENV") == "production":
                    each.join(file, group.fingerprint)
                each.start("--group", str(file))
            cosigners = cls(group, made, file)
            ends.callback(cosigners.hang_up)
            yield cosigners

    @property
    def known(self) -> cosign.Group:
        return cosign.Group(threshold=self.group.threshold, identities=self.group.identities)

    @property
    def everyone(self) -> list[int]:
        return sorted(self.processes)

    @property
    def quorums(self) -> list[list[int]]:
        return [list(each) for each in itertools.combinations(self.everyone, self.group.threshold)]

    def line(self, index: int) -> Line:
        if index not in self.lines:
            self.lines[index] = Line(self.processes[index].socket)
        return self.lines[index]

    def hang_up(self, *indexes: int) -> None:
        for index in indexes or [*self.lines]:
            line = self.lines.pop(index, None)
            if line is not None:
                line.close()

    def restart(self, index: int, *, kill: bool = False) -> None:
        self.hang_up(index)
        process = self.processes[index]
        if kill:
            process.kill()
        else:
            process.stop()
        process.start()

    def ask(self, index: int, ask: Ask) -> Any:
        return self.line(index).ask(ask)

    # ---- ceremonies -----------------------------------------------------------------------------

    def rounds(self, opened: dict[int, Opened], change: Change | None = None) -> None:
        """Relay until all are done; `change` may alter what a member is handed."""
        asks: dict[int, Any] = {
            index: Begin(
                session=one.session, openings=[each.opening for other, each in opened.items() if other != index]
            )
            for index, one in opened.items()
        }
        while asks:
            answers: dict[int, Messages] = self.together(asks)
            inbox: dict[int, list[bytes]] = {index: [] for index in opened}
            for index, answer in answers.items():
                for message in answer.messages:
                    _, receiver = cosign.routing(message)
                    for other in opened if receiver == 0 else [receiver]:
                        if other != index:
                            inbox[other].append(message)
            self.last = answers
            if change is not None:
                inbox = {index: change(index, messages) for index, messages in inbox.items()}
            asks = {
                index: Advance(session=opened[index].session, messages=inbox[index])
                for index, answer in answers.items()
                if not answer.done
            }

    last: dict[int, Messages] = field(default_factory=dict)

    def together(self, asks: dict[int, Any]) -> dict[int, Any]:
        """Ask all at once, then read every answer."""
        for index, ask in asks.items():
            self.line(index).send(ask)
        refusals: list[Refusal] = []
        answers = {}
        for index, ask in asks.items():
            try:
                answers[index] = self.line(index).answer(_ANSWERS.get(type(ask), Done))
            except Refusal as refusal:
                refusals.append(refusal)
        if refusals:
            raise refusals[0]
        return answers

    def keygen(
        self, wallet: str, key_type: KeyTypeName, network: NetworkName, *, version: int = 1, asker: Asker = BEARER
    ) -> dict[int, Kept]:
        """Until every share is kept."""
        name = ShareName(wallet=wallet, version=version, epoch=0)
        ask = OpenCeremony(kind="keygen", share=name, key_type=key_type, network=network, asker=asker)
        opened = self.together(dict.fromkeys(self.everyone, ask))
        self.rounds(opened)
        return self.together({index: Keep(session=one.session) for index, one in opened.items()})

    def refresh(
        self, name: ShareName, key_type: KeyTypeName, network: NetworkName, *, asker: Asker = BEARER
    ) -> dict[int, Kept]:
        ask = OpenCeremony(kind="refresh", share=name, key_type=key_type, network=network, asker=asker)
        opened = self.together(dict.fromkeys(self.everyone, ask))
        self.rounds(opened)
        return self.together({index: Keep(session=one.session) for index, one in opened.items()})

    def commit(self, name: ShareName, kept: dict[int, Kept], tests: list[TestSignature]) -> None:
        acknowledgements = [kept[index].acknowledgement for index in self.everyone]
        ask = Commit(share=name, acknowledgements=acknowledgements, tests=tests)
        words = self.together(dict.fromkeys(self.everyone, ask))
        self.release(name, [words[index].statement for index in self.everyone])

    def release(self, name: ShareName, in_force: list[bytes]) -> None:
        """Show everyone that all have an epoch in force."""
        self.together(dict.fromkeys(self.everyone, Release(share=name, in_force=in_force)))

    def tests(self, held: HeldShare) -> list[TestSignature]:
        """A test signature of every quorum."""
        intent = Intent(form="test", operation="test")
        return [
            TestSignature(signers=quorum, signature=self.sign(held, intent, signers=quorum, prepared=True))
            for quorum in self.quorums
        ]

    def generate(
        self,
        wallet: str,
        key_type: KeyTypeName,
        network: NetworkName = "none",
        *,
        version: int = 1,
        asker: Asker = BEARER,
    ) -> HeldShare:
        """A wallet whose key is in force everywhere; a version after the first waits to be activated."""
        kept = self.keygen(wallet, key_type, network, version=version, asker=asker)
        held = self.held(1, wallet, version)
        self.commit(held.name, kept, self.tests(held))
        return self.held(1, wallet, version)

    def repair(self, held: HeldShare, *, target: int, helpers: list[int]) -> Kept:
        """The share of a member that lost it."""

        def ask(index: int) -> OpenCeremony:
            return OpenCeremony(
                kind="repair-target" if index == target else "repair-helper",
                share=held.name,
                key_type=held.key_type,
                network=held.network,
                asker=BEARER,
                helpers=helpers,
                target=target,
                group_key=held.group_key,
            )

        opened = self.together({index: ask(index) for index in (*helpers, target)})
        self.rounds(opened)
        kept: Kept = self.ask(target, Keep(session=opened[target].session))
        return kept

    def lose(self, index: int, name: ShareName) -> None:
        """The cosigner has this share no more."""
        self.hang_up(index)
        process = self.processes[index]
        process.stop()
        rows(process.data, "DELETE FROM shares WHERE wallet = ?", name.wallet)
        process.start()

    def sealed(self, index: int, name: ShareName) -> bytes:
        """The sealed share in a cosigner's database."""
        query = "SELECT sealed FROM shares WHERE wallet = ? AND version = ? AND epoch = ?"
        [(sealed,)] = rows(self.processes[index].data, query, name.wallet, name.version, name.epoch)
        return bytes(sealed)

    def retire(self, name: ShareName, asker: Asker = BEARER) -> None:
        self.together(dict.fromkeys(self.everyone, Retire(wallet=name.wallet, version=name.version, asker=asker)))

    def activate(self, wallet: str, version: int, asker: Asker = BEARER) -> None:
        self.together(dict.fromkeys(self.everyone, Activate(wallet=wallet, version=version, asker=asker)))

    def admit(self, wallet: str, version: int, asker: Asker = BEARER) -> None:
        self.together(dict.fromkeys(self.everyone, Admit(wallet=wallet, version=version, asker=asker)))

    def let_pass(self, wallet: str, milliseconds: int) -> None:
        """At every cosigner it is so long ago that a version of the wallet was admitted or activated."""
        earlier = {"activated_at": key_versions.c.activated_at - milliseconds}
        for process in self.processes.values():
            with changing(process.data, wallet) as connection:
                connection.execute(key_versions.update().where(key_versions.c.wallet == wallet).values(earlier))

    def witness(self, index: int, log: str, head: str) -> None:
        self.ask(index, Witness(log=log, size=json.loads(head)["size"], head=head))

    def drop(self, name: ShareName) -> None:
        self.together(dict.fromkeys(self.everyone, Drop(share=name)))

    def held(self, index: int, wallet: str, version: int = 1) -> HeldShare:
        """The newest epoch that a cosigner has."""
        found: Held = self.ask(index, Shares(wallet=wallet))
        return [one for one in found.shares if one.name.version == version][-1]

    # ---- signatures -----------------------------------------------------------------------------

    def sign(
        self,
        held: HeldShare,
        intent: Intent,
        *,
        signers: Sequence[int] | None = None,
        asker: Asker = BEARER,
        prepared: bool = False,
    ) -> bytes:
        """A signature of a quorum."""
        quorum = list(signers or self.quorums[0])
        sign = self._sign_ed25519 if held.key_type == "ed25519" else self._sign_secp256k1
        return sign(held, intent, quorum, asker, prepared)

    def commitments(self, held: HeldShare, signers: list[int], *, prepared: bool = False) -> list[bytes]:
        ask = Prepare(share=held.name, signers=signers, count=1, prepared=prepared)
        return [one.commitments[0] for one in self.together(dict.fromkeys(signers, ask)).values()]

    def _sign_ed25519(
        self,
        held: HeldShare,
        intent: Intent,
        signers: list[int],
        asker: Asker,
        prepared: bool,  # noqa: FBT001
    ) -> bytes:
        commitments = self.commitments(held, signers, prepared=prepared)
        ask = SignShare(
            share=held.name, signers=signers, commitments=commitments, intent=intent, asker=asker, prepared=prepared
        )
        shares = self.together(dict.fromkeys(signers, ask))
        context = self.context(held)
        form = cosign.Form.test(context) if intent.form == "test" else cosign.Form.ed25519(intent.message)
        given = [one.share for one in shares.values()]
        return cosign.aggregate(self.known, context, held.group_key, set(signers), commitments, form, given)

    def _sign_secp256k1(
        self,
        held: HeldShare,
        intent: Intent,
        signers: list[int],
        asker: Asker,
        prepared: bool,  # noqa: FBT001
    ) -> bytes:
        ask = OpenSigning(share=held.name, signers=signers, intent=intent, asker=asker, prepared=prepared)
        self.rounds(self.together(dict.fromkeys(signers, ask)))
        signatures = {one.signature for one in self.last.values()}
        assert len(signatures) == 1
        return signatures.pop()

    def context(self, held: HeldShare) -> cosign.ShareContext:
        return cosign.ShareContext(
            wallet=held.name.wallet,
            version=held.name.version,
            key_type=held.key_type,
            network=held.network,
            group=self.known,
            index=1,
            epoch=held.name.epoch,
        )

    status = Status()

    def banned(self) -> list[int]:
        """Everyone whom anybody has banned."""
        found = [self.ask(index, Status()).banned for index in self.everyone]
        return sorted({member for banned in found for member in banned})


def message_intent(message: bytes, **changes: Any) -> Intent:
    """To sign the bytes of a message with an Ed25519 wallet."""
    return msgspec.structs.replace(Intent(form="ed25519", operation="sign-message", message=message), **changes)


def unique() -> str:
    return f"w-{secrets.token_hex(4)}"
