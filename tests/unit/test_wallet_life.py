"""Every move in the life of a wallet, legal or not, from every state."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from hyperkms.errors import HyperkmsError
from hyperkms.wallet import KeyType, KeyVersion, Origin, PublicKey, VersionState, Wallet, WalletId
from hyperkms.wallet_life import (
    Asked,
    Change,
    KeyFate,
    WalletHistory,
    activate,
    add_pending,
    admit,
    after,
    expire,
    is_admitted,
    require_signing,
    retire_version,
    retire_wallet,
    rotate_at_once,
)

NOW, GRACE = 1_000_000, 1_000
ASKED = Asked(client="desk", reason="why")
Move = Callable[[WalletHistory], Change | None]


def key(number: int) -> PublicKey:
    return PublicKey(number.to_bytes(32, "big"))


def new_wallet() -> WalletHistory:
    first = KeyVersion(
        number=1,
        state=VersionState.ACTIVE,
        public_key=key(1),
        origin=Origin.GENERATED,
        created_at=1,
        activated_at=1,
    )
    wallet = Wallet(id=WalletId("w"), key_type=KeyType.ED25519, network=None, current=first, created_at=1, metadata={})
    return WalletHistory(wallet=wallet, versions=(first,), rotations=())


def adding(history: WalletHistory) -> Change:
    return add_pending(history, key(history.next_number), now=NOW, asked=ASKED)


def rotating(history: WalletHistory) -> Change:
    return rotate_at_once(history, key(history.next_number), now=NOW, grace_ms=GRACE, asked=ASKED)


def activating(number: int) -> Move:
    return lambda history: activate(history, number, now=NOW, grace_ms=GRACE)


def admitting(number: int) -> Move:
    return lambda history: admit(history, number, now=NOW)


def retiring(number: int) -> Move:
    return lambda history: retire_version(history, number, now=NOW)


def ending(fate: KeyFate, now: int = NOW) -> Move:
    return lambda history: retire_wallet(history, now=now, grace_ms=GRACE, fate=fate, reason="end")


def expiring(now: int) -> Move:
    return lambda history: expire(history, now=now)


def made(*moves: Move) -> WalletHistory:
    history = new_wallet()
    for move in moves:
        change = move(history)
        history = after(history, change) if change else history
    return history


LATER = NOW + GRACE
HISTORIES: Mapping[str, WalletHistory] = {
    "new": made(),
    "waiting": made(adding),
    "admitted": made(adding, admitting(2)),
    "rotated": made(rotating),
    "rotated and waiting": made(rotating, adding),
    "expired": made(rotating, expiring(LATER)),
    "given up": made(adding, retiring(2)),
    "ended": made(rotating, adding, ending(KeyFate.AFTER_GRACE)),
    "destroyed": made(rotating, ending(KeyFate.AT_ONCE)),
}
MOVES: Mapping[str, Move] = {
    "add": adding,
    "rotate": rotating,
    "activate 1": activating(1),
    "activate 2": activating(2),
    "activate 3": activating(3),
    "admit 2": admitting(2),
    "retire 1": retiring(1),
    "retire 2": retiring(2),
    "retire 3": retiring(3),
    "expire before": expiring(LATER - 1),
    "expire": expiring(LATER),
    "end": ending(KeyFate.AFTER_GRACE),
    "end at once": ending(KeyFate.AT_ONCE),
}
STATES = {"p": VersionState.PENDING, "a": VersionState.ACTIVE, "g": VersionState.RETIRING, "r": VersionState.RETIRED}

# What becomes of each history by each move: the states of its versions (pending, active, in grace, retired), "-" where
# there is nothing to do, or the code of the refusal. A "!" says that the wallet is retired.
_ENDED = {name: "wallet-retired" for name in MOVES if name.partition(" ")[0] not in ("expire", "end")}
TABLE: Mapping[str, Mapping[str, str]] = {
    "new": {
        "add": "ap", "rotate": "ga",
        "activate 1": "version-not-pending", "activate 2": "version-not-found", "activate 3": "version-not-found",
        "admit 2": "version-not-found",
        "retire 1": "version-current", "retire 2": "version-not-found", "retire 3": "version-not-found",
        "expire before": "-", "expire": "-", "end": "g!", "end at once": "r!",
    },
    "waiting": {
        "add": "version-already-pending", "rotate": "version-already-pending",
        "activate 1": "version-not-pending", "activate 2": "ga", "activate 3": "version-not-found",
        "admit 2": "ap",
        "retire 1": "version-current", "retire 2": "ar", "retire 3": "version-not-found",
        "expire before": "-", "expire": "-", "end": "gr!", "end at once": "rr!",
    },
    "admitted": {
        "add": "version-already-pending", "rotate": "version-already-pending",
        "activate 1": "version-not-pending", "activate 2": "ga", "activate 3": "version-not-found",
        "admit 2": "-",
        "retire 1": "version-current", "retire 2": "ar", "retire 3": "version-not-found",
        "expire before": "-", "expire": "-", "end": "gg!", "end at once": "rr!",
    },
    "rotated": {
        "add": "gap", "rotate": "gga",
        "activate 1": "version-not-pending", "activate 2": "version-not-pending", "activate 3": "version-not-found",
        "admit 2": "version-not-pending",
        "retire 1": "ra", "retire 2": "version-current", "retire 3": "version-not-found",
        "expire before": "-", "expire": "ra", "end": "gg!", "end at once": "rr!",
    },
    "rotated and waiting": {
        "add": "version-already-pending", "rotate": "version-already-pending",
        "activate 1": "version-not-pending", "activate 2": "version-not-pending", "activate 3": "gga",
        "admit 2": "version-not-pending",
        "retire 1": "rap", "retire 2": "version-current", "retire 3": "gar",
        "expire before": "-", "expire": "rap", "end": "ggr!", "end at once": "rrr!",
    },
    "expired": {
        "add": "rap", "rotate": "rga",
        "activate 1": "version-not-pending", "activate 2": "version-not-pending", "activate 3": "version-not-found",
        "admit 2": "version-not-pending",
        "retire 1": "-", "retire 2": "version-current", "retire 3": "version-not-found",
        "expire before": "-", "expire": "-", "end": "rg!", "end at once": "rr!",
    },
    "given up": {
        "add": "arp", "rotate": "gra",
        "activate 1": "version-not-pending", "activate 2": "version-not-pending", "activate 3": "version-not-found",
        "admit 2": "version-not-pending",
        "retire 1": "version-current", "retire 2": "-", "retire 3": "version-not-found",
        "expire before": "-", "expire": "-", "end": "gr!", "end at once": "rr!",
    },
    "ended": {**_ENDED, "expire before": "-", "expire": "rrr!", "end": "-", "end at once": "rrr!"},
    "destroyed": {**_ENDED, "expire before": "-", "expire": "-", "end": "-", "end at once": "-"},
}  # fmt: skip


@pytest.mark.parametrize("name", HISTORIES)
def test_the_table_has_every_move(name: str) -> None:
    assert set(TABLE[name]) == set(MOVES)


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("name", HISTORIES)
def test_a_move_does_what_the_table_says(name: str, move: str) -> None:
    history, expected = HISTORIES[name], TABLE[name][move]
    if expected.strip("pagr!-"):
        with pytest.raises(HyperkmsError) as refused:
            MOVES[move](history)
        assert refused.value.code == expected
        return
    change = MOVES[move](history)
    if expected == "-":
        assert change is None
        return
    assert change is not None
    then = after(history, change)
    assert [version.state for version in then.versions] == [STATES[letter] for letter in expected.strip("!")]
    assert (then.wallet.retired_at is not None) == expected.endswith("!")
    assert then.wallet.revision == history.wallet.revision + 1
    assert then.wallet.current == then.version(then.wallet.current.number)
    unchanged = set(history.versions) & set(then.versions)
    assert set(change.versions) == set(then.versions) - unchanged


def test_the_grace_of_the_version_before_begins_with_the_activation() -> None:
    history = made(adding)
    history = after(history, activate(history, 2, now=NOW + 5, grace_ms=GRACE))
    assert history.version(1).expires_at == NOW + 5 + GRACE
    assert (history.version(2).activated_at, history.version(2).expires_at) == (NOW + 5, None)
    [rotation] = history.rotations
    assert (rotation.from_version, rotation.to_version, rotation.rotated_at) == (1, 2, NOW + 5)
    assert (rotation.reason, rotation.client) == ("why", "desk")


def test_a_version_that_was_admitted_is_activated_anew_and_one_that_is_given_up_never_was() -> None:
    history = HISTORIES["admitted"]
    assert [is_admitted(version) for version in history.versions] == [False, True]
    then = after(history, activate(history, 2, now=NOW + 5, grace_ms=GRACE))
    assert (then.version(2).activated_at, then.version(1).expires_at) == (NOW + 5, NOW + 5 + GRACE)
    for move in (retiring(2), ending(KeyFate.AT_ONCE)):
        change = move(history)
        assert change is not None
        given_up = after(history, change).version(2)
        assert (given_up.state, given_up.activated_at) == (VersionState.RETIRED, None)


def test_of_versions_that_were_admitted_the_one_that_is_activated_follows_all_others() -> None:
    """A cosigner that was not told of the second has it signing when the third comes, or its first destroyed."""
    history = HISTORIES["admitted"]
    third = replace(history.version(2), number=3, public_key=key(3))
    two = activate(replace(history, versions=(*history.versions, third)), 3, now=NOW, grace_ms=GRACE)
    ends = [(one.number, one.state.value, one.expires_at) for one in two.versions]
    assert ends == [(1, "retiring", LATER), (2, "retiring", LATER), (3, "active", None)]
    first = replace(history.version(1), state=VersionState.RETIRED, retired_at=NOW)
    destroyed = replace(history, wallet=replace(history.wallet, current=first), versions=(first, history.version(2)))
    assert [one.number for one in activate(destroyed, 2, now=NOW, grace_ms=GRACE).versions] == [2]


def test_the_end_of_a_wallet_makes_no_grace_longer() -> None:
    history = made(rotating, ending(KeyFate.AFTER_GRACE, now=NOW + 10))
    assert [version.expires_at for version in history.versions] == [NOW + GRACE, NOW + 10 + GRACE]


@pytest.mark.parametrize(
    ("name", "number", "now", "code"),
    [
        ("new", 1, NOW, None),
        ("waiting", 1, NOW, None),
        ("waiting", 2, NOW, "version-pending"),
        ("rotated", 1, LATER - 1, None),
        ("rotated", 1, LATER, "version-retired"),
        ("rotated", 2, LATER, None),
        ("expired", 1, NOW, "version-retired"),
        ("given up", 2, NOW, "version-retired"),
        ("ended", 1, NOW, "wallet-retired"),
        ("ended", 2, NOW, "wallet-retired"),
        ("destroyed", 2, NOW, "wallet-retired"),
    ],
)
def test_a_version_signs_while_it_is_active_or_in_grace(name: str, number: int, now: int, code: str | None) -> None:
    history = HISTORIES[name]
    if code is None:
        require_signing(history.wallet, history.version(number), now=now)
        return
    with pytest.raises(HyperkmsError) as refused:
        require_signing(history.wallet, history.version(number), now=now)
    assert refused.value.code == code


class Life(RuleBasedStateMachine):
    """Any moves in any order, at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.history = new_wallet()
        self.now = NOW

    @rule(name=st.sampled_from(sorted(MOVES)), number=st.integers(1, 6), later=st.integers(0, GRACE))
    def move(self, name: str, number: int, later: int) -> None:
        before, self.now = self.history, self.now + later
        verb = name.partition(" ")[0]
        numbered = {
            "activate": activating(number),
            "admit": admitting(number),
            "retire": retiring(number),
            "expire": expiring(self.now),
        }
        try:
            change = numbered.get(verb, MOVES[name])(before)
        except HyperkmsError:
            return
        if change:
            self.history = after(before, change)
            self.nothing_came_back(before)

    def nothing_came_back(self, before: WalletHistory) -> None:
        order = list(VersionState)
        for was, now in zip(before.versions, self.history.versions, strict=False):
            assert order.index(was.state) <= order.index(now.state)
            assert (was.number, was.public_key) == (now.number, now.public_key)
            if was.state is VersionState.RETIRED:
                assert replace(now, destroyed_at=was.destroyed_at) == was
        assert before.wallet.retired_at in (None, self.history.wallet.retired_at)

    @invariant()
    def versions_are_gapless_and_one_is_current(self) -> None:
        versions, wallet = self.history.versions, self.history.wallet
        assert [version.number for version in versions] == list(range(1, len(versions) + 1))
        states = [version.state for version in versions]
        assert states.count(VersionState.PENDING) <= 1
        assert states.count(VersionState.ACTIVE) == (1 if wallet.retired_at is None else 0)
        assert wallet.current == self.history.version(wallet.current.number)
        assert wallet.retired_at is not None or wallet.current.state is VersionState.ACTIVE
        assert [rotation.to_version for rotation in self.history.rotations] == [v.number for v in versions[1:]]


TestLife = Life.TestCase
