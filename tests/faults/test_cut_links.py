"""Links to cosigners that are cut, so that packets vanish and no connection ends: in network namespaces, over TLS.

With one away everything is signed, with two nothing, and that is said within the deadline; healed links are used again
without a restart. HYPERKMS_TEST_STOP_S says for how long they are cut (`make faults`).
"""

import json
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import pytest

from hyperkms.threshold.coordinator.coordinator import MAKE_S, SIGN_S
from support.ceremony import NAMES, Ceremony, Owner
from support.mpc import alive, check_message
from support.namespaces import Host, hosts
from support.relayed_group import client
from support.service import Answer, Service
from support.signed import Signer, ask
from support.until import until

CUT_S = float(os.environ.get("HYPERKMS_TEST_STOP_S", "2"))
KEY_TYPES = ("ed25519", "secp256k1")
CALLERS = 4
SLACK_S = 5.0
"""Above a deadline: the test's own way to the service."""
BEGUN = 20_000
"""Bytes to one cosigner after which a ceremony for secp256k1 has begun and is far from its end."""

pytestmark = pytest.mark.timeout(600 + 20 * CUT_S)


@dataclass(frozen=True)
class Desk:
    """A production group, each cosigner on a host of its own."""

    service: Service
    owner: Signer
    bot: Signer
    links: Sequence[Host]

    def sign(self, wallet: str, message: str = "hello") -> Answer:
        return ask(self.service, self.bot, "POST", "/mpc/wallets/sign", {"walletId": wallet, "message": message})

    def generate(self, wallet: str, key_type: str) -> Answer:
        body = {"walletId": wallet, "keyType": key_type, "network": "testnet" if key_type == "secp256k1" else None}
        sent = {name: value for name, value in body.items() if value is not None}
        return ask(self.service, self.owner, "POST", "/mpc/wallets/generate", sent, idempotency_key=wallet)

    @contextmanager
    def cut(self, *members: int) -> Iterator[None]:
        """Within this block nothing comes to these and nothing from them; after it all answer again."""
        for member in members:
            self.links[member - 1].cut()
        try:
            yield
        finally:
            for member in members:
                self.links[member - 1].heal()
        until(lambda: alive(self.service) == [1, 2, 3])


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with (
        hosts(len(NAMES)) as links,
        Ceremony.held(tmp_path_factory.mktemp("desk"), links) as ceremony,
        ceremony.service() as service,
    ):
        owner = client(service, "owner", role="administrator")
        for each in NAMES:
            ceremony.know_owner(each, Owner(service.data, owner.text, owner.service))
        made = Desk(service, owner, ceremony.bot(service), links)
        until(lambda: alive(service) == [1, 2, 3])
        for key_type in KEY_TYPES:
            assert made.generate(key_type, key_type).status == 200
        yield made


def signed(answer: Answer, message: str) -> list[int]:
    """By whom, of a signature that is there and is one."""
    assert answer.status == 200, answer.body
    check_message(answer.json, message)
    members: list[int] = answer.json["receipt"]["cosigned"]["signers"]
    return members


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("member", [1, 2, 3])
def test_while_the_link_of_one_is_cut_every_request_is_signed(desk: Desk, key_type: str, member: int) -> None:
    with ThreadPoolExecutor(CALLERS) as pool:
        under_way = [pool.submit(desk.sign, key_type, f"{number}") for number in range(4 * CALLERS)]
        with desk.cut(member):
            ends = time.monotonic() + CUT_S
            while time.monotonic() < ends:
                assert member not in signed(desk.sign(key_type, "cut"), "cut")
        for number, one in enumerate(under_way):
            signed(one.result(), f"{number}")
    signed(desk.sign(key_type), "hello")


@pytest.mark.parametrize("away", [*combinations((1, 2, 3), 2)])
def test_while_two_are_cut_nothing_is_signed_in_time_and_all_goes_on_once_they_are_healed(
    desk: Desk, away: tuple[int, int]
) -> None:
    names = [NAMES[member - 1] for member in away]
    with ThreadPoolExecutor(CALLERS) as pool:
        with desk.cut(*away):
            ends = time.monotonic() + CUT_S
            while True:
                for refused in pool.map(lambda key_type: timed(desk, key_type), KEY_TYPES):
                    answer, took_s = refused
                    assert (answer.status, answer.json["code"]) == (503, "insufficient-shares"), answer.body
                    assert answer.json["missing"] == names
                    assert took_s < SIGN_S + SLACK_S
                if time.monotonic() > ends:
                    break
        for key_type in KEY_TYPES:
            signed(desk.sign(key_type), "hello")


def timed(desk: Desk, key_type: str) -> tuple[Answer, float]:
    began = time.monotonic()
    return desk.sign(key_type), time.monotonic() - began


def test_requests_under_way_when_two_links_are_cut_are_signed_or_refused_and_none_is_left(desk: Desk) -> None:
    codes: list[Any] = []
    with ThreadPoolExecutor(CALLERS) as pool:
        under_way = [pool.submit(timed, desk, KEY_TYPES[number % 2]) for number in range(8 * CALLERS)]
        with desk.cut(1, 2):
            for one in under_way:
                answer, took_s = one.result()
                assert took_s < SIGN_S + SLACK_S
                codes.append(answer.json.get("code", answer.status))
    assert set(codes) <= {200, "insufficient-shares"}


def test_a_connection_over_a_cut_link_is_given_up_and_a_new_one_is_made_once_it_is_healed(desk: Desk) -> None:
    """The kernel would keep it for a quarter of an hour, and try it ever less often."""
    first = len(desk.service.lines)
    with desk.cut(2):
        while not events(desk, "cosigner-away", first):
            signed(desk.sign("ed25519"), "hello")
    assert events(desk, "cosigner-connected", first)


def events(desk: Desk, event: str, first: int) -> list[Any]:
    """Lines of the log about the second cosigner."""
    lines = (json.loads(line) for line in desk.service.lines[first:])
    return [line for line in lines if (line["event"], line.get("cosigner")) == (event, NAMES[1])]


@pytest.mark.parametrize("member", [1, 3])
def test_a_ceremony_whose_link_is_cut_is_refused_in_time_and_is_held_once_it_is_healed(desk: Desk, member: int) -> None:
    wallet, link = f"cut-{member}", desk.links[member - 1]
    with ThreadPoolExecutor(1) as pool:
        before, began = link.bytes_sent(), time.monotonic()
        asked = pool.submit(desk.generate, wallet, "secp256k1")
        until(lambda: link.bytes_sent() > before + BEGUN)
        with desk.cut(member):
            assert not asked.done()
            answer = asked.result()
            assert (answer.status, answer.json["code"]) in {(503, "cosigner-away"), (503, "insufficient-shares")}
            assert NAMES[member - 1] in answer.json["error"]
            assert time.monotonic() - began < MAKE_S + SLACK_S
            assert desk.service.get(f"/wallets/{wallet}").status == 404
            signed(desk.sign("secp256k1"), "hello")
    assert desk.generate(wallet, "secp256k1").status == 200
    signed(desk.sign(wallet), "hello")
