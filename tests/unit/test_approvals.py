"""Which approvals count: by a second implementation of what is signed, and one flaw at a time."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hyperkms import _core
from hyperkms.access.approvals import (
    LONGEST_TEXT,
    MOST,
    MOST_AHEAD_MS,
    NONE_SHOWN,
    Approvers,
    Conditions,
    Counted,
    Matter,
    Shown,
)
from hyperkms.access.approvals import Approver as Known
from hyperkms.access.policy.document import MOST_APPROVERS
from hyperkms.errors import Conflict, Malformed
from hyperkms.hyperliquid.actions import Action, parse_action
from hyperkms.hyperliquid.user_signed import DEFAULT_CHAIN_ID
from hyperkms.hyperliquid.wire import Numbers
from hyperkms.state.approval_use import Use
from hyperkms.state.used_approvals import UsedApprovals
from hyperkms.wallet import Network, iso_time
from support.approving import Approver
from support.books import action, order, orders
from support.databases import open_at

NOW = 1_780_000_000_000
VAULT = "0x" + "a1" * 20
ANNA, BEN, CARL = (Approver.numbered(number) for number in range(3))
ORDER = orders(order())


def known(**approvers: Approver) -> Approvers:
    return {one.fingerprint.hex(): Known(name, one.public_key) for name, one in approvers.items()}


BOTH = known(anna=ANNA, ben=BEN)


@dataclass
class Desk:
    """Somebody who is shown approvals at this moment."""

    now: int = NOW
    not_before: int = 0
    askers: set[str] = field(default_factory=set)
    used: set[tuple[str, str]] = field(default_factory=set)
    looked_up: list[tuple[str, str]] = field(default_factory=list)

    def count(
        self,
        *texts: str,
        by: Approvers = BOTH,
        wallet: str = "w",
        network: Network = Network.TESTNET,
        vault: str | None = None,
        of: Action = ORDER,
    ) -> Counted:
        def was_used(key: str, id_: str) -> bool:
            self.looked_up.append((key, id_))
            return (key, id_) in self.used

        conditions = Conditions(
            now=self.now, not_before=self.not_before, is_askers=self.askers.__contains__, was_used=was_used
        )
        return Shown(texts, Matter(wallet, network, vault, of), conditions).by(by)


def given(approver: Approver = ANNA, of: Action = ORDER, **changes: Any) -> str:
    return approver.approve("w", of.wire, **{"time": NOW, "until": NOW + 1000, **changes})


def fault(*texts: str, desk: Desk | None = None, **members: Any) -> str:
    """Why the one that is at fault does not count."""
    (found,) = (desk or Desk()).count(*texts, **members).faults
    return found


def names(counted: Counted) -> Sequence[str]:
    return [one.name for one in counted.approved]


def test_an_approval_by_the_second_implementation_counts_with_all_that_is_told_of_it() -> None:
    text = given(id=bytes(range(16)))
    (approved,), faults = Desk().count(text)
    assert approved == ("anna", ANNA.fingerprint.hex(), bytes(range(16)).hex(), NOW + 1000, text)
    assert approved.use == Use(ANNA.fingerprint.hex(), bytes(range(16)).hex(), NOW + 1000)
    assert faults == ()
    assert len(text) == 229 < LONGEST_TEXT == 300


def test_as_many_may_come_as_a_rule_may_name_people() -> None:
    assert MOST == MOST_APPROVERS == 20


def test_the_core_makes_what_the_second_implementation_makes(tmp_path: Path) -> None:
    key = _core.RequestKey.create(tmp_path / "anna.key")
    for vault in (None, VAULT):
        matter = Matter("w", Network.TESTNET, vault, ORDER)
        text = matter.approve(key, time=NOW, until=NOW + 5)
        read = _core.Approval.read(text.encode())
        assert read is not None
        address = b"" if vault is None else bytes.fromhex(VAULT[2:])
        statement = ANNA.statement("w", ORDER.wire, time=NOW, until=NOW + 5, id=bytes.fromhex(read.id), vault=address)
        fingerprint = _core.request_key_fingerprint(key.public_key)
        message = ANNA.statement(
            "w", ORDER.wire, time=NOW, until=NOW + 5, id=statement.id, vault=address, key=bytes.fromhex(fingerprint)
        ).message()
        _core.verify_ed25519(key.public_key, message, bytes.fromhex(text[-128:]))
        matter.verify(key.public_key, read)


CHANGED: dict[str, Callable[[], str]] = {
    "the wallet": lambda: fault(given(), wallet="v"),
    "the network": lambda: fault(given(), network=Network.MAINNET),
    "a vault": lambda: fault(given(), vault=VAULT),
    "another vault": lambda: fault(given(vault=b"\xb2" * 20), vault=VAULT),
    "the action": lambda: fault(given(), of=orders(order(size="1.1"))),
    "a further order": lambda: fault(given(), of=orders(order(), order())),
    "the id": lambda: fault(given(id=bytes(16))[:-128] + given(id=bytes(15) + b"x")[-128:]),
    "the end": lambda: fault(given(id=bytes(16))[:-128] + given(id=bytes(16), until=NOW + 1001)[-128:]),
    "the signature": lambda: fault(given()[:-1] + ("0" if given()[-1] != "0" else "1")),
    "another's signature": lambda: fault(BEN.sign(ANNA.statement("w", ORDER.wire, time=NOW, until=NOW + 1000))),
}


@pytest.mark.parametrize("what", CHANGED)
def test_an_approval_is_of_one_action_by_one_wallet_on_one_network_for_one_account(what: str) -> None:
    words = "no. 1 is signed by anna for another action, wallet, network or account, or not at all"
    assert CHANGED[what]() == words


def test_a_vault_is_approved_as_such() -> None:
    assert names(Desk().count(given(vault=bytes.fromhex(VAULT[2:])), vault=VAULT)) == ["anna"]


@pytest.mark.parametrize("text", ["", "v1 ", "v2" + given()[2:], given() + ",", given().upper(), "\ud800", "é" * 240])
def test_what_is_no_approval_is_told_to_be_none(text: str) -> None:
    assert fault(text) == "no. 1 is no approval"


def test_a_key_that_is_no_approvers_is_named_by_its_fingerprint() -> None:
    assert fault(given(CARL)) == f"no. 1 is by key {CARL.fingerprint.hex()}, which is none of the approvers'"


def test_nobody_approves_what_they_ask_for_themselves() -> None:
    desk = Desk(askers={ANNA.fingerprint.hex()})
    assert fault(given(), desk=desk) == "no. 1 of anna is by a key of the very client that asks"
    assert names(desk.count(given(BEN))) == ["ben"]


def test_an_approval_holds_until_the_moment_of_its_end() -> None:
    text = given()
    assert names(Desk(NOW + 999).count(text)) == ["anna"]
    assert fault(text, desk=Desk(NOW + 1000)) == f"no. 1 of anna ended at {iso_time(NOW + 1000)}"


def test_an_approval_is_for_an_hour_at_most() -> None:
    assert names(Desk().count(given(until=NOW + 3_600_000))) == ["anna"]
    assert fault(given(until=NOW + 3_600_001)) == "no. 1 of anna is made for longer than 60 minutes"


def test_an_approvers_clock_may_be_a_minute_ahead() -> None:
    ahead: dict[str, Any] = {"time": NOW + MOST_AHEAD_MS, "until": NOW + MOST_AHEAD_MS + 1}
    assert names(Desk().count(given(**ahead))) == ["anna"]
    words = "no. 1 of anna is made 60001 ms ahead of the clock here: set the approver's clock"
    assert fault(given(time=NOW + 60_001, until=NOW + 60_002)) == words


def test_what_was_made_before_a_fence_may_have_been_used() -> None:
    words = "no. 1 of anna is from before a fence, or from right after it, and may have been used"
    assert fault(given(), desk=Desk(not_before=NOW)) == words
    assert names(Desk(not_before=NOW - 1).count(given())) == ["anna"]


def test_an_approver_counts_once_however_often_they_approve() -> None:
    first, second = given(), given()
    counted = Desk().count(first, second, given(BEN))
    assert [one.text for one in counted.approved][:1] == [first]
    assert names(counted) == ["anna", "ben"]
    assert counted.faults == ("no. 2 of anna is a further one, and each approver counts once",)
    assert fault(first, first) == counted.faults[0]


def test_a_used_approval_does_not_count_and_a_further_one_of_the_same_person_then_does() -> None:
    used, fresh = given(), given()
    read = _core.Approval.read(used.encode())
    assert read is not None
    desk = Desk(used={(read.key, read.id)})
    counted = desk.count(used, fresh)
    assert [one.text for one in counted.approved] == [fresh]
    assert counted.faults == ("no. 1 of anna was used before",)


def test_nothing_is_looked_up_for_what_does_not_count_anyway() -> None:
    desk = Desk(NOW + 1000, askers={BEN.fingerprint.hex()})
    late: dict[str, Any] = {"until": NOW + 2000}
    desk.count(given(), given(BEN, **late), given(CARL, **late), "none")
    assert desk.looked_up == []
    desk.count(given(**late), given(**late))
    assert len(desk.looked_up) == 1


def test_they_are_looked_at_once_for_each_rule_that_asks() -> None:
    desk = Desk()

    def was_used(key: str, id_: str) -> bool:
        desk.looked_up.append((key, id_))
        return False

    conditions = Conditions(now=NOW, not_before=0, is_askers=lambda _: False, was_used=was_used)
    shown = Shown([given(), given(BEN)], Matter("w", Network.TESTNET, None, ORDER), conditions)
    annas = known(anna=ANNA)
    for _ in range(3):
        assert names(shown.by(BOTH)) == ["anna", "ben"]
        assert names(shown.by(annas)) == ["anna"]
    assert len(desk.looked_up) == 2
    assert shown.by(BOTH) is shown.by(BOTH)


def test_an_action_that_repeats_its_nonce_is_approved_before_it_has_one() -> None:
    send = {"type": "usdSend", "destination": VAULT, "amount": "5"}
    posted = {
        "type": "usdSend",
        "signatureChainId": DEFAULT_CHAIN_ID,
        "hyperliquidChain": "Testnet",
        "destination": VAULT,
        "amount": "5",
        "time": 0,
    }
    text = ANNA.approve("w", posted, time=NOW, until=NOW + 1000)
    numbered = {**posted, "time": NOW}
    for one in (send, numbered, {**send, "time": 7}):
        assert names(Desk().count(text, of=parse_action(one, Numbers.CANONICAL))) == ["anna"]
    other = parse_action({**send, "amount": "6"}, Numbers.CANONICAL)
    assert Desk().count(text, of=other).approved == ()
    elsewhere = parse_action({**send, "signatureChainId": "0x1"}, Numbers.CANONICAL)
    assert Desk().count(text, of=elsewhere).approved == ()


def test_none_shown_is_none_whoever_is_asked_for() -> None:
    assert NONE_SHOWN.by(BOTH) == Counted((), ())
    assert Desk().count().approved == ()


def test_a_matter_that_is_none_is_malformed(tmp_path: Path) -> None:
    key = _core.RequestKey.create(tmp_path / "anna.key")
    for members in ({"vault": bytes(19)}, {"wallet": "w" * 256}):
        wrong: dict[str, Any] = {"wallet": "w", "network": "testnet", "vault": None, "action": b"", **members}
        with pytest.raises(Malformed) as refused:
            key.approve(**wrong, time=NOW, until=NOW)
        assert refused.value.code == "malformed-approval"


@pytest.mark.usefixtures("each_database")
def test_each_is_used_once_and_all_of_them_or_none(tmp_path: Path) -> None:
    used = UsedApprovals(open_at(tmp_path / "state.db"))
    one, two, three = (Use("ab" * 8, f"{number:032x}", NOW) for number in range(3))
    used.use([one])
    assert (used.was_used(one.key, one.id), used.was_used(two.key, two.id)) == (True, False)
    assert not used.was_used("cd" * 8, one.id)
    with pytest.raises(Conflict, match="each permits one signature") as refused:
        used.use([two, one])
    assert refused.value.code == "approval-used"
    assert not used.was_used(two.key, two.id)
    used.use([two, three])
    used.give_back([one, two])
    assert [used.was_used(each.key, each.id) for each in (one, two, three)] == [False, False, True]
    used.use([one])


@pytest.mark.usefixtures("each_database")
def test_what_has_ended_ten_minutes_ago_is_forgotten(tmp_path: Path) -> None:
    used = UsedApprovals(open_at(tmp_path / "state.db"))
    old, new = Use("ab" * 8, "1" * 32, NOW), Use("ab" * 8, "2" * 32, NOW + 1)
    used.use([old, new])
    used.forget_old(NOW + 600_000)
    assert used.was_used(old.key, old.id)
    used.forget_old(NOW + 600_001)
    assert (used.was_used(old.key, old.id), used.was_used(new.key, new.id)) == (False, True)
    assert used.fenced_at is None


def test_a_noop_has_no_nonce_inside() -> None:
    noop = action("noop")
    assert names(Desk().count(given(of=noop), of=noop)) == ["anna"]
