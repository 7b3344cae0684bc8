"""A key is looked up where too few cosigners are connected: as while a worker starts, or they all start again."""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import pytest

from hyperkms.errors import Unavailable
from hyperkms.threshold.coordinator import learning
from hyperkms.threshold.coordinator.learning import Learnt
from hyperkms.threshold.coordinator.link import Link
from hyperkms.threshold.coordinator.problems import away
from hyperkms.threshold.coordinator.quorum import Quorums
from hyperkms.threshold.group import Group, Member
from hyperkms.threshold.wire import Held, HeldShare, ShareName

KEY = bytes(range(32))
HELD = HeldShare(
    name=ShareName(wallet="w7", version=1, epoch=0),
    state="in-force",
    key_type="ed25519",
    network="testnet",
    public_key=KEY,
    group_key=KEY,
)
MEMBERS = tuple(
    Member(
        index=index,
        name=f"cosigner-{index}",
        address=f"unix:{index}.sock",
        identity=bytes([index]) * 32,
        certificate=None,
    )
    for index in (1, 2, 3)
)
GROUP = Group(name="desk", threshold=2, members=MEMBERS, coordinators=())


class Reached:
    """Stands for a connection that is there or not, and answers what is held."""

    def __init__(self, member: Member) -> None:
        self.member = member
        self.connected = False
        self.typical_s = 0.0

    @property
    def alive(self) -> bool:
        return self.connected

    async def ask(self, *_: object, **__: object) -> Held:
        if not self.connected:
            raise away(self.member, "no connection yet")
        return Held(shares=[HELD])


def _group() -> tuple[Mapping[int, Reached], Quorums]:
    links = {member.index: Reached(member) for member in MEMBERS}
    return links, Quorums(GROUP, cast("Mapping[int, Link]", links))


def _find(quorums: Quorums) -> Any:
    return Learnt(quorums).find("w7", 1, KEY, within=30)


def test_it_is_found_once_two_are_connected() -> None:
    async def work() -> Any:
        links, quorums = _group()
        found = asyncio.ensure_future(_find(quorums))
        for index in (3, 1):
            await asyncio.sleep(0.01)
            assert not found.done()
            links[index].connected = True
            quorums.changed()
        return await found

    assert asyncio.run(work()).public_key == KEY


def test_it_waits_no_longer_than_it_has_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning, "PATIENCE_S", 0.02)

    async def work() -> None:
        links, quorums = _group()
        links[2].connected = True
        await _find(quorums)

    with pytest.raises(Unavailable) as refusal:
        asyncio.run(work())
    assert refusal.value.details["missing"] == ["cosigner-1", "cosigner-3"]
