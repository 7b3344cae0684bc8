"""The coordinator: asks the cosigners of a group, hands on their sealed messages, verifies what they make.

It holds no share. It runs on an event loop of its own in a thread of its own; the operations of the service call it
from threads that may wait.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Mapping, Sequence
from concurrent.futures import TimeoutError as NotInTime
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec
import uvloop

from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.receipt import TreeHead
from hyperkms.state.waiting import about_to_wait
from hyperkms.threshold.coordinator.ceremonies import Ceremonies, NewKey
from hyperkms.threshold.coordinator.connecting import Way
from hyperkms.threshold.coordinator.heads import Carried
from hyperkms.threshold.coordinator.learning import Learnt
from hyperkms.threshold.coordinator.link import Link
from hyperkms.threshold.coordinator.prepared import Pools
from hyperkms.threshold.coordinator.quorum import Quorums
from hyperkms.threshold.coordinator.repairing import Repairs
from hyperkms.threshold.coordinator.settling import Settling
from hyperkms.threshold.coordinator.signing import Signing
from hyperkms.threshold.coordinator.target import Cosigned, Target
from hyperkms.threshold.coordinator.versions import NOBODY, Versions
from hyperkms.threshold.group import Group, Member
from hyperkms.threshold.protocols import cosign
from hyperkms.threshold.wire import Asker, Condition, Done, Intent, Status, Witness

T = TypeVar("T")
Deployment: TypeAlias = Literal["embedded", "separate"]
SIGN_S = 5.0
MAKE_S = 30.0
RETIRE_S = 5.0
LINK_LOOK_S = 2.0
LOOK_S = 5.0
FIRST_CONNECTION_S = 2.0
NO_HEAD = b"null"
_GRACE_S = 2.0
_MOVED = frozenset({"share-not-in-force", "share-retired", "share-not-found", "share-changed"})
"""What a cosigner says of an epoch that another one has followed."""


@dataclass(frozen=True, kw_only=True)
class Alive:
    """One cosigner as it is seen from here."""

    index: int
    name: str
    alive: bool


@dataclass(frozen=True, kw_only=True)
class GroupStatus:
    """Who answers."""

    cosigners: Sequence[Alive]
    quorum_left: int
    """How many of those that answer could be lost before nothing is signed; below 0: nothing is signed now."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One cosigner as it says itself."""

    member: Member
    condition: Condition | None = None
    why: str = ""
    """Where it says nothing."""


@dataclass(frozen=True)
class Key:
    """A key in shares, as the service has it recorded."""

    wallet: str
    version: int
    public_key: bytes


class Coordinator:
    """The one of this process."""

    def __init__(self, group: Group, *, folder: Path, coordinators: int, deployment: Deployment) -> None:
        self.group = group
        self.deployment: Deployment = deployment
        known = cosign.Group(threshold=group.threshold, identities=list(group.identities))
        self._quorums = Quorums(group, {})
        self._links = {
            member.index: Link(member, group, Way(member, folder), self._quorums.changed) for member in group.members
        }
        self._quorums.links = self._links
        self._pools = Pools(self._links, coordinators)
        self._versions = Versions(self._quorums)
        signing = Signing(self._quorums, known, self._pools, self._versions)
        self._signing = signing
        self._ceremonies = Ceremonies(self._quorums, known, signing)
        self._repairs = Repairs(self._quorums)
        self._settling = Settling(self._ceremonies, self._repairs)
        self._learnt = Learnt(self._quorums)
        self._carried = Carried(self._quorums)
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="coordinator", daemon=True)
        self._witnessed = b""
        self._showing: set[asyncio.Task[None]] = set()
        self._starting = threading.Lock()
        self._stopping = asyncio.Event()

    def start(self) -> None:
        """Begin to connect; returns at once. Whoever asks first begins it otherwise."""
        with self._starting:
            if not self._thread.is_alive() and not self._stopping.is_set():
                self._thread.start()

    def stop(self) -> None:
        """End every connection; what is under way fails."""
        with self._starting:
            if not self._thread.is_alive():
                self._stopping.set()
                return
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()

    def generate(self, wanted: NewKey, asker: Asker) -> Target:
        """A new key in force at all cosigners, after every set of t has made a verified test signature with it."""
        target = self._wait(self._ceremonies.generate(wanted, asker, within=MAKE_S), MAKE_S)
        self._learnt.knows(target)
        return target

    def refresh(self, key: Key, asker: Asker) -> Target:
        """The next epoch of the same key; the shares before are destroyed at every cosigner."""
        return self._wait(self._refresh(key, asker), MAKE_S)

    def repair(self, key: Key, asker: Asker) -> tuple[str, ...]:
        """Every cosigner has a share of the epoch in force; the names of those whose share was made by others.

        Until the next refresh what was lost of this epoch is worth as much as what was made.
        """
        return self._wait(self._repair(key, asker), MAKE_S)

    def conditions(self) -> Sequence[Seen]:
        """What every cosigner says of itself, or why it says nothing."""
        return self._wait(self._look(), LOOK_S)

    def sign(self, key: Key, intent: Intent, asker: Asker, form: cosign.Form) -> Cosigned:
        """A signature, verified under the recorded key; Unavailable (`insufficient-shares`) after 5 s at the latest."""
        return self._wait(self._sign(key, intent, asker, form), SIGN_S)

    def retire(self, wallet: str, version: int, asker: Asker) -> None:
        """Have every cosigner destroy its share; Unavailable, with who has not, until all have."""
        self._wait(self._retire(wallet, version, asker), RETIRE_S)

    def retire_wallet(self, wallet: str, asker: Asker) -> Mapping[str, str]:
        """Have every cosigner sign with no version of it any more; those that would still, by name, and why."""
        failed = self._wait(self._retire_wallet(wallet, asker), RETIRE_S)
        return {self.group.by_index[index].name: error.message for index, error in sorted(failed.items())}

    def admit(self, wallet: str, version: int, asker: Asker) -> None:
        """Have the cosigners sign with a version that waits as well; durable at t of them on return, or it is not done.

        The version before signs on as if nothing had been asked, until `activate`.
        """
        self._wait(self._admit(wallet, version, asker), RETIRE_S)

    def activate(self, wallet: str, version: int, asker: Asker = NOBODY) -> Mapping[str, HyperkmsError]:
        """Have a version that was admitted be the current one; where it is not on return, by name, and why."""
        failed = self._wait(self._activate(wallet, version, asker), RETIRE_S)
        return {self.group.by_index[index].name: error for index, error in sorted(failed.items())}

    def witness(self, log: str, head: bytes) -> None:
        """Show the cosigners a head of this service's record (JSON, as receipts have it), once; waits for nothing."""
        if head in (self._witnessed, NO_HEAD) or not self._thread.is_alive():
            return
        self._witnessed = head
        ask = Witness(log=log, size=msgspec.json.decode(head, type=TreeHead).size, head=head.decode())
        self._loop.call_soon_threadsafe(self._show, ask)

    def status(self) -> GroupStatus:
        """As it was last seen; asks nobody."""
        seen = [
            Alive(index=index, name=link.member.name, alive=link.alive) for index, link in sorted(self._links.items())
        ]
        left = sum(one.alive for one in seen) - self.group.threshold
        return GroupStatus(cosigners=seen, quorum_left=left)

    def _wait(self, work: Coroutine[Any, Any, T], within: float) -> T:
        try:
            about_to_wait()
            self._require_started()
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        except BaseException:
            work.close()
            raise
        try:
            return future.result(within + _GRACE_S)
        except NotInTime:
            future.cancel()
            words = f"the cosigners did not come to an end within {within:.0f} s"
            raise Unavailable("cosigners-late", words) from None

    def _require_started(self) -> None:
        self.start()
        if not self._thread.is_alive():
            raise Unavailable("cosigners-late", "this service is ending")

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._until_stopped())
        finally:
            self._loop.close()

    async def _until_stopped(self) -> None:
        for link in self._links.values():
            link.start()
        keeping = [asyncio.ensure_future(work) for work in (self._pools.keep_filled(), self._carried.keep())]
        await self._stopping.wait()
        for task in keeping:
            task.cancel()
        for link in self._links.values():
            await link.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _connected(self) -> None:
        """Wait until each cosigner was tried once: a request may come before that."""
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_CONNECTION_S):
                for link in self._links.values():
                    await link.tried.wait()

    async def _sign(self, key: Key, intent: Intent, asker: Asker, form: cosign.Form) -> Cosigned:
        until = self._loop.time() + SIGN_S
        await self._connected()
        target = await self._find(key, until)
        try:
            return await self._signing.sign(target, intent, asker, form, within=until - self._loop.time())
        except HyperkmsError as error:
            if error.code not in _MOVED:
                raise
            self._learnt.forget(key.wallet, key.version)
            following = await self._find(key, until)
            if following.share == target.share:
                raise
        return await self._signing.sign(following, intent, asker, form, within=until - self._loop.time())

    async def _find(self, key: Key, until: float) -> Target:
        return await self._learnt.find(
            key.wallet, key.version, key.public_key, within=max(0.001, until - self._loop.time())
        )

    async def _refresh(self, key: Key, asker: Asker) -> Target:
        until = self._loop.time() + MAKE_S
        await self._connected()
        self._learnt.forget(key.wallet, key.version)
        settled = await self._settling.settle(key.wallet, key.version, asker, within=until - self._loop.time())
        if settled.finished is not None:  # a refresh that was cut off has come to its end
            self._learnt.knows(settled.finished)
            return settled.finished
        target = await self._find(key, until)
        try:
            made = await self._ceremonies.refresh(target, asker, within=until - self._loop.time())
        finally:
            self._learnt.forget(key.wallet, key.version)
        self._learnt.knows(made)
        return made

    async def _repair(self, key: Key, asker: Asker) -> tuple[str, ...]:
        until = self._loop.time() + MAKE_S
        await self._connected()
        self._learnt.forget(key.wallet, key.version)
        settled = await self._settling.settle(key.wallet, key.version, asker, within=until - self._loop.time())
        target = await self._find(key, until)
        repaired = await self._repairs.complete(target, asker, within=until - self._loop.time())
        return tuple(self.group.by_index[index].name for index in sorted({*settled.repaired, *repaired}))

    async def _look(self) -> Sequence[Seen]:
        await self._connected()

        async def one(link: Link) -> Seen:
            try:
                return Seen(member=link.member, condition=await link.ask(Status(), Condition, within=LINK_LOOK_S))
            except HyperkmsError as error:
                return Seen(member=link.member, why=error.message)

        return await asyncio.gather(*(one(link) for _, link in sorted(self._links.items())))

    async def _retire(self, wallet: str, version: int, asker: Asker) -> None:
        await self._connected()
        self._learnt.forget(wallet, version)
        await self._versions.retire(wallet, version, asker, within=RETIRE_S - FIRST_CONNECTION_S)

    async def _retire_wallet(self, wallet: str, asker: Asker) -> Mapping[int, HyperkmsError]:
        await self._connected()
        return await self._versions.retire_wallet(wallet, asker, within=RETIRE_S - FIRST_CONNECTION_S)

    async def _admit(self, wallet: str, version: int, asker: Asker) -> None:
        await self._connected()
        await self._versions.admit(wallet, version, asker, within=RETIRE_S - FIRST_CONNECTION_S)

    async def _activate(self, wallet: str, version: int, asker: Asker) -> Mapping[int, HyperkmsError]:
        await self._connected()
        return await self._versions.activate(wallet, version, asker, within=RETIRE_S - FIRST_CONNECTION_S)

    def _show(self, ask: Witness) -> None:
        task = self._loop.create_task(self._witness(ask))
        self._showing.add(task)
        task.add_done_callback(self._showing.discard)

    async def _witness(self, ask: Witness) -> None:
        async def one(link: Link) -> None:
            with suppress(HyperkmsError):
                await link.ask(ask, Done, within=RETIRE_S)

        await asyncio.gather(*(one(link) for link in self._links.values() if link.alive))
