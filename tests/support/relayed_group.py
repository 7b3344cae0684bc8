"""A production group that can be killed at a point: cosigners in processes of their own, and calls that are held."""

import http.client
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from hyperkms.threshold.group import Group, Member
from hyperkms.threshold.wire import HeldShare, Shares
from support.asking_cosigners import asker, command
from support.call_relay import between
from support.cosigners import Cosigners, Process, message_intent
from support.databases import rows
from support.held_calls import Calls, Point
from support.mpc import alive, check_message
from support.service import Answer, Service
from support.signed import Signer, ask
from support.until import until

PRODUCTION = {"HYPERKMS_ENV": "production"}
BOT_MAY = ("trade", "sign-bytes", "sign-text")
MEMBERS = (1, 2, 3)
Asking: TypeAlias = Callable[[Service, str], Answer]
"""What is asked of a service for a wallet."""


@dataclass
class RelayedGroup:
    """2 of 3 with a service, an owner who makes and changes keys, and a bot that signs; both sign their requests."""

    data: Path
    """Of the service."""
    cosigners: Cosigners
    calls: Calls
    owner: Signer
    bot: Signer
    running: Service | None = None
    ends: ExitStack = field(default_factory=ExitStack)

    @classmethod
    @contextmanager
    def made(cls, folder: Path) -> Iterator["RelayedGroup"]:
        """From `init` to `join`, with clients that every one of them knows."""
        data = folder / "service"
        with Service.start(data, **PRODUCTION) as service:
            owner, bot = _clients(service)
        processes = {index: Process(folder / f"cosigner-{index}", dict(PRODUCTION)) for index in MEMBERS}
        group = described({index: each.init() for index, each in processes.items()}, owner.service)
        ways = {index: (data / f"{index}.sock", each.socket) for index, each in processes.items()}
        with between(ways) as calls, ExitStack() as ends:
            cosigners = Cosigners(group, processes, folder / "group.json")
            cosigners.file.write_bytes(group.describe())
            made = cls(data, cosigners, calls, owner, bot)
            ends.callback(made.end)
            for index, each in processes.items():
                each.join(cosigners.file, group.fingerprint)
                each.start()
                made.know(index)
            yield made

    @property
    def service(self) -> Service:
        """It runs, and all its cosigners answer it."""
        if self.running is None:
            settings = {"MPC_ENABLED": "true", "HYPERKMS_MPC_GROUP": str(self.cosigners.file)}
            more = {"HYPERKMS_ACCEPT_UNAUDITED_ECDSA": "true"}
            started = Service.start(self.data, **PRODUCTION, **settings, **more)
            self.running = self.ends.enter_context(started)
        running = self.running
        until(lambda: alive(running) == [*MEMBERS])
        return running

    def kill_at(self, at: Mapping[str, Point], asking: Asking) -> Service:
        """What is asked for each wallet comes to its point; there the service is killed, and then started again."""
        with self.held_at(at, asking) as asked:
            self.kill()
        for one in asked.values():
            assert isinstance(one.exception(), ConnectionError | http.client.HTTPException), "nobody has an answer"
        return self.service

    @contextmanager
    def held_at(self, at: Mapping[str, Point], asking: Asking) -> Iterator[Mapping[str, "Future[Answer]"]]:
        """Within this block what is asked for each wallet is at its point; after it what is asked for is over."""
        service = self.service
        holds = {wallet: self.calls.hold(wallet, point) for wallet, point in at.items()}
        with ThreadPoolExecutor(len(at)) as pool:
            asked = {wallet: pool.submit(asking, service, wallet) for wallet in at}
            for wallet, hold in holds.items():
                self.calls.wait_for(hold, asked[wallet].done)
            yield asked

    def kill(self) -> None:
        """SIGKILL for the service; what was held for it goes nowhere."""
        assert self.running is not None
        self.running.kill()
        self.calls.forget()
        self.stop()

    def stop(self) -> None:
        """It runs no more."""
        self.ends.close()
        self.running = None

    def end(self) -> None:
        """Nothing runs any more."""
        self.stop()
        self.cosigners.hang_up()
        for each in self.cosigners.processes.values():
            each.stop()

    def lose(self, index: int) -> None:
        """A cosigner is gone with its directory, and another one takes its place in a description that all follow."""
        self.stop()
        processes, group = self.cosigners.processes, self.cosigners.group
        self.cosigners.hang_up()
        processes[index].kill()
        shutil.rmtree(processes[index].data)
        identities = {member.index: member.identity for member in group.members}
        group = described({**identities, index: processes[index].init()}, *group.coordinators)
        self.cosigners.file.write_bytes(group.describe())
        self.cosigners.group = group
        for other, each in processes.items():
            if other != index:
                each.stop()
            each.join(self.cosigners.file, group.fingerprint, *([] if other == index else ["--replace"]))
            each.start()
        self.know(index)

    def know(self, index: int) -> None:
        """Let a cosigner know both clients."""
        allow = [word for each in BOT_MAY for word in ("--allow", each)]
        command(self.cosigners, index, "client", "create", "bot", "--public-key", self.bot.text, *allow)
        command(
            self.cosigners, index, "client", "create", "owner", "--public-key", self.owner.text, "--role", "operator"
        )

    # ---- what is asked of the service ---------------------------------------------------------------

    def post(self, service: Service, signer: Signer, path: str, body: object, key: str = "") -> Answer:
        """A request of the owner or the bot, under an Idempotency-Key if there is one."""
        return ask(service, signer, "POST", path, body, idempotency_key=key)

    def generate(self, service: Service, wallet: str, key_type: str) -> Any:
        """A wallet that must come into being."""
        body = {"walletId": wallet, "keyType": key_type, **({"network": "testnet"} if key_type == "secp256k1" else {})}
        answer = self.post(service, self.owner, "/mpc/wallets/generate", body)
        assert answer.status == 200, answer.body
        return answer.json["wallet"]

    def sign(self, service: Service, wallet: str, message: str = "hello") -> Any:
        """A signature that must come into being, and is checked."""
        answer = self.post(service, self.bot, "/mpc/wallets/sign", {"walletId": wallet, "message": message})
        assert answer.status == 200, answer.body
        check_message(answer.json, message)
        return answer.json

    # ---- what the cosigners hold --------------------------------------------------------------------

    def held(self, index: int, wallet: str) -> Sequence[HeldShare]:
        """What a cosigner says that it holds and has not destroyed."""
        shares: Sequence[HeldShare] = self.cosigners.ask(index, Shares(wallet=wallet)).shares
        return [one for one in shares if one.state != "retired"]

    def sealed(self, index: int, wallet: str) -> list[tuple[int, int]]:
        """Version and epoch of every share of a wallet that is in its database, sealed."""
        query = "SELECT version, epoch FROM shares WHERE wallet = ? AND sealed IS NOT NULL ORDER BY version, epoch"
        return [tuple(row) for row in rows(self.cosigners.processes[index].data, query, wallet)]

    def current(self, wallet: str) -> list[int]:
        """The version that each cosigner has current."""
        query = "SELECT current_version FROM wallets WHERE id = ?"
        return [rows(self.cosigners.processes[index].data, query, wallet)[0][0] for index in MEMBERS]

    def until_current(self, wallet: str, version: int) -> None:
        """Every cosigner has this version current."""
        until(lambda: self.current(wallet) == [version] * len(MEMBERS))

    def is_settled(self, wallet: str, versions: Sequence[int]) -> None:
        """All hold one epoch of every version and nothing else, in force, and every set of t signs with it."""
        held = [self.held(index, wallet) for index in MEMBERS]
        assert {one.state for mine in held for one in mine} == {"in-force"}
        [names] = {tuple((one.name.version, one.name.epoch) for one in mine) for mine in held}
        assert [version for version, _ in names] == list(versions)
        assert [self.sealed(index, wallet) for index in MEMBERS] == [list(names)] * 3, "no other is left in a database"
        for version, epoch in names:
            for quorum in self.cosigners.quorums:
                assert self.sign_with(wallet, quorum, version) == epoch

    def sign_with(self, wallet: str, quorum: list[int], version: int = 1) -> int:
        """The newest epoch that all of a quorum hold makes a signature, by a plain coordinator; which one that is."""
        signing = {"in-force", "superseded"}
        each = [
            {
                one.name.epoch: one
                for one in self.held(index, wallet)
                if one.state in signing and one.name.version == version
            }
            for index in quorum
        ]
        epoch = max(set.intersection(*(set(mine) for mine in each)))
        body = {"walletId": wallet, "message": "hello", "version": version}
        request = asker(self.bot, "/mpc/wallets/sign", body)
        chosen = each[0][epoch]
        intent = message_intent(b"hello", form="ed25519" if chosen.key_type == "ed25519" else "eip191")
        self.cosigners.sign(chosen, intent, signers=quorum, asker=request)
        return epoch


def described(identities: dict[int, bytes], service: str) -> Group:
    """A service finds its cosigners by sockets in its directory, which are not those where they listen."""
    members = tuple(
        Member(index=index, name=f"cosigner-{index}", identity=identity, address=f"unix:{index}.sock", certificate=None)
        for index, identity in identities.items()
    )
    return Group(name="desk", threshold=2, members=members, coordinators=(service,))


def _clients(service: Service) -> tuple[Signer, Signer]:
    return client(service, "owner", role="administrator"), client(service, "bot", allow=list(BOT_MAY))


def client(service: Service, name: str, **members: object) -> Signer:
    """One that signs its requests, known at the service."""
    signer = Signer("00" * 16)
    answer = service.post("/clients", {"name": name, "publicKey": signer.text, **members})
    assert answer.status == 200, answer.body
    return Signer(answer.json["service"], private=signer.private)
