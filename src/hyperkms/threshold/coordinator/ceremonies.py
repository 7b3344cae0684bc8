"""Keys that are made in shares, and made anew in the next epoch: all cosigners take part, or nothing comes of it.

1. Every cosigner opens a session; their messages are handed on until all are done.
2. Every cosigner seals its share and says so under its identity key: it is kept, and not in force.
3. Every set of t signs the test message of the epoch.
4. Every cosigner is given all of this, verifies it, and puts its share in force; the epoch before signs on.
5. Every cosigner is shown that all have it in force, and destroys its shares of the epochs before.

What is cut off before 4 is dropped everywhere, or finished by who asks for the same again; later it is settled by the
next refresh (`settling`). A key is shown to nobody before 5 has come to its end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

from hyperkms.errors import Conflict, HyperkmsError, Tampered, Unavailable
from hyperkms.threshold.coordinator.attempt import Attempt
from hyperkms.threshold.coordinator.quorum import PATIENCE_S, Quorums
from hyperkms.threshold.coordinator.relay import run_rounds
from hyperkms.threshold.coordinator.signing import Signing
from hyperkms.threshold.coordinator.target import Target, read_public_key
from hyperkms.threshold.protocols import cosign
from hyperkms.threshold.wire import (
    Asker,
    Commit,
    Done,
    Drop,
    Dropped,
    Held,
    HeldShare,
    InForce,
    Intent,
    Keep,
    Kept,
    KeyTypeName,
    NetworkName,
    OpenCeremony,
    Opened,
    Release,
    ShareName,
    Shares,
    TestSignature,
)

DROP_S = 3.0
LOOK_S = 5.0
_TEST = Intent(form="test", operation="test")


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """What is to be made."""

    wallet: str
    version: int
    key_type: KeyTypeName
    network: NetworkName


@dataclass(frozen=True, kw_only=True)
class Made:
    """An epoch that every cosigner keeps, or has in force."""

    target: Target
    acknowledgements: Mapping[int, bytes]


@dataclass(frozen=True)
class Ceremonies:
    """Those of one group."""

    quorums: Quorums
    group: cosign.Group
    signing: Signing

    async def generate(self, wanted: NewKey, asker: Asker, *, within: float) -> Target:
        """A new key, in force at all cosigners; or the one that a cut-off call for exactly this has left."""
        everybody = await self.everybody(within)
        name = ShareName(wallet=wanted.wallet, version=wanted.version, epoch=0)
        left = await self._left(everybody, name)
        for held in left.values():
            if (held.key_type, held.network) != (wanted.key_type, wanted.network):
                words = f"a call for wallet {wanted.wallet} was cut off, or is under way, after a {held.key_type} key"
                more = f"(network {held.network}) was made in shares: ask for exactly that to finish it"
                raise Conflict("wallet-unfinished", f"{words} {more}, or take another id")
        ask = OpenCeremony(kind="keygen", share=name, key_type=wanted.key_type, network=wanted.network, asker=asker)
        return await self._finish(everybody, ask, name, left)

    async def refresh(self, target: Target, asker: Asker, *, within: float) -> Target:
        """The same key in the next epoch; the shares of this one are destroyed."""
        everybody = await self.everybody(within)
        following = ShareName(wallet=target.share.wallet, version=target.share.version, epoch=target.share.epoch + 1)
        ask = OpenCeremony(
            kind="refresh", share=target.share, key_type=target.key_type, network=target.network, asker=asker
        )
        made = await self._finish(everybody, ask, following, await self._left(everybody, following))
        if made.public_key != target.public_key:
            words = f"wallet {target.share.wallet}: the cosigners ended a refresh with another key"
            raise Tampered("cosigners-disagree", words)
        return made

    async def _finish(
        self, everybody: Attempt, ask: OpenCeremony, name: ShareName, left: Mapping[int, HeldShare]
    ) -> Target:
        made = whole(left, everybody.members, ask, name)
        if made is None:
            _require_droppable(left)
            if left:
                await self._drop(everybody, name)
        try:
            made = made or await self._make(everybody, ask, name)  # (1) (2)
            tests = await self.test(everybody, made.target)  # (3)
        except BaseException:
            if all(held.state == "kept" for held in left.values()):
                await self._drop(everybody, name)
            raise
        await self.commit(everybody, made, tests)  # (4) (5)
        return replace(made.target, prepared=False)

    async def _make(self, everybody: Attempt, ask: OpenCeremony, name: ShareName) -> Made:
        opened = await everybody.ask_all(ask, Opened)
        await run_rounds(everybody, opened)  # (1)
        keeps = {index: Keep(session=mine.session) for index, mine in opened.items()}
        kept = await everybody.ask_each(keeps, Kept)  # (2)
        keys = {answer.group_key for answer in kept.values()}
        target = _target(ask, name, _only(keys, name))
        return Made(target=target, acknowledgements={index: one.acknowledgement for index, one in kept.items()})

    async def test(self, everybody: Attempt, target: Target) -> list[TestSignature]:
        """A test signature of every set of t, each verified."""
        form = cosign.Form.test(target.context(self.group, 1))
        asker = Asker(client="-", request_id="-")

        async def one(members: frozenset[int]) -> TestSignature:
            attempt = Attempt(self.quorums.links, members, within=everybody.left_s)
            made = await self.signing.by(attempt, target, _TEST, asker, form)
            return TestSignature(signers=sorted(members), signature=made.signature)

        return list(await asyncio.gather(*(one(members) for members in self.quorums.every())))

    async def commit(self, everybody: Attempt, made: Made, tests: list[TestSignature]) -> None:
        """In force at all, and nothing left of the epochs before."""
        acknowledgements = [made.acknowledgements[index] for index in sorted(made.acknowledgements)]
        share = made.target.share
        ask = Commit(share=share, acknowledgements=acknowledgements, tests=tests)
        words = await everybody.ask_all(ask, InForce)
        if share.epoch:
            in_force = [words[index].statement for index in sorted(words)]
            await everybody.ask_all(Release(share=share, in_force=in_force), Done)

    async def everybody(self, within: float) -> Attempt:
        """All n, once they answer; Unavailable naming who does not."""
        loop = asyncio.get_running_loop()
        until = loop.time() + min(within, PATIENCE_S)
        while gone := self.quorums.missing():
            if loop.time() >= until or not await self.quorums.change(until - loop.time()):
                raise self._incomplete(gone)
        return Attempt(self.quorums.links, self.quorums.links.keys(), within=within)

    async def _left(self, everybody: Attempt, name: ShareName) -> Mapping[int, HeldShare]:
        """What they hold of this epoch already; Unavailable, with who is missing, unless all of them say."""
        asking = Attempt(self.quorums.links, everybody.members, within=min(LOOK_S, everybody.left_s))
        try:
            answers = await asking.ask_all(Shares(wallet=name.wallet), Held)
        except Unavailable as error:
            raise self._incomplete([index for index, _ in asking.failures]) from error
        return {index: held for index, answer in answers.items() for held in answer.shares if held.name == name}

    def _incomplete(self, gone: Sequence[int]) -> Unavailable:
        names = [self.quorums.group.by_index[index].name for index in sorted(gone)]
        words = f"Insufficient shares: this takes all {len(self.quorums.links)} cosigners, and these do not answer"
        return Unavailable("insufficient-shares", f"{words}: {', '.join(names)}", {"missing": names})

    async def _drop(self, everybody: Attempt, name: ShareName) -> None:
        """As far as they answer; what is left is dropped by the next one to ask, or by a sweep."""
        attempt = Attempt(self.quorums.links, everybody.members, within=DROP_S)

        async def one(index: int) -> None:
            with suppress(HyperkmsError):
                await attempt.ask(index, Drop(share=name), Dropped)

        await asyncio.gather(*(one(index) for index in everybody.members))


def whole(left: Mapping[int, HeldShare], members: frozenset[int], ask: OpenCeremony, name: ShareName) -> Made | None:
    """What a cut-off call has left, if it was kept by all."""
    if left.keys() != members or any(held.state == "retired" for held in left.values()):
        return None
    keys = {held.group_key for held in left.values()}
    if len(keys) != 1:
        return None
    target = _target(ask, name, keys.pop())
    return Made(target=target, acknowledgements={index: held.acknowledgement for index, held in left.items()})


def _require_droppable(left: Mapping[int, HeldShare]) -> None:
    """Conflict if a cosigner has in force what not all have: only an operator can say what became of theirs."""
    for held in left.values():
        if held.state != "kept":
            name = held.name
            words = f"a share of wallet {name.wallet}, version {name.version}, is {held.state} at a cosigner already"
            raise Conflict("wallet-unfinished", f"{words}, and not at all of them: take another id")


def _target(ask: OpenCeremony, name: ShareName, group_key: bytes) -> Target:
    return Target(
        share=name,
        key_type=ask.key_type,
        network=ask.network,
        group_key=group_key,
        public_key=read_public_key(group_key),
        prepared=True,
    )


def _only(keys: set[bytes], name: ShareName) -> bytes:
    if len(keys) != 1:
        words = f"the cosigners did not come to the same key for wallet {name.wallet}, version {name.version}"
        raise Tampered("cosigners-disagree", words)
    return next(iter(keys))
