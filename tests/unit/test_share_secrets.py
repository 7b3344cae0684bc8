"""Sealed shares in secrets: what a row names is never destroyed, what none names always is, whatever was cut off."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from hyperkms.errors import HyperkmsError, NotFound, Refused, Tampered, Unavailable
from hyperkms.state.database import Database, open_database
from hyperkms.state.share_rows import ShareRow, ShareRows, ShareState, rebind_within, release_within, retire_within
from hyperkms.state.share_secrets import ShareSecrets
from hyperkms.threshold.cosigner.sealed_shares import LATE_MS, MOST_CALLS, SharesInRows, SharesInSecrets
from hyperkms.wallet import KeyType, WalletId
from support.memory_stores import MemoryNamedStore

WALLET = WalletId("w")
LONG = bytes(range(250))
"""Three pieces of the store in memory."""


class Store(MemoryNamedStore):
    """It can be away, or hang."""

    def __init__(self) -> None:
        super().__init__()
        self.away: HyperkmsError | None = None
        self.before: Callable[[], None] = lambda: None
        self.calls = 0

    def create(self, name: str, sealed: bytes) -> None:
        self._call()
        super().create(name, sealed)

    def get(self, name: str) -> bytes:
        self._call()
        return super().get(name)

    def delete(self, name: str) -> None:
        self._call()
        super().delete(name)

    def _call(self) -> None:
        self.calls += 1
        self.before()
        if self.away is not None:
            raise self.away


class Cosigner:
    """The database, the store and the clock of one."""

    def __init__(self, folder: Path) -> None:
        self.database: Database = open_database(folder / "c.db")
        self.rows = ShareRows(self.database)
        self.store = Store()
        self.now = 1_000_000_000_000
        self.secrets = ShareSecrets(self.database)
        self.sealed = self.begun()

    def begun(self) -> SharesInSecrets:
        """As a process that starts has it."""
        return SharesInSecrets(self.store, self.secrets, b"\1" * 32, lambda: self.now)

    def keep(self, row: ShareRow) -> ShareRow:
        with self.sealed.stored(row) as stored:
            self.rows.keep(stored, lambda _: None)
        return stored

    def left(self) -> int:
        return len(self.secrets.unnamed())


@pytest.fixture
def cosigner(tmp_path: Path) -> Cosigner:
    return Cosigner(tmp_path)


def share(epoch: int = 0, sealed: bytes = LONG) -> ShareRow:
    return ShareRow(
        wallet=WALLET,
        version=1,
        epoch=epoch,
        state=ShareState.KEPT,
        key_type=KeyType.ED25519,
        network="none",
        sealed=sealed,
        public_key=b"p",
        group_key=b"g",
        session=bytes(32),
        acknowledgement=bytes(64),
        created_at=1,
    )


def test_a_share_is_in_as_many_pieces_as_it_needs_and_its_row_has_none_of_it(cosigner: Cosigner) -> None:
    stored = cosigner.keep(share())
    found = cosigner.rows.find(WALLET, 1, 0)
    assert found == stored
    assert (stored.sealed, stored.is_destroyed) == (None, False)
    assert [len(piece) for _, piece in sorted(cosigner.store.sealed.items())] == [100, 100, 50]
    assert cosigner.begun().read(stored) == LONG
    assert all(name.startswith(f"{'01' * 32}/w/v1/e0/") for name in cosigner.store.sealed)


def test_what_is_under_way_is_not_destroyed_by_its_own_process_and_what_came_to_nothing_is(cosigner: Cosigner) -> None:
    with cosigner.sealed.stored(share()):
        cosigner.now += LATE_MS
        cosigner.sealed.sweep()
        cosigner.sealed.destroy_unnamed(WALLET, 1)
        assert len(cosigner.store.sealed) == 3
    cosigner.sealed.sweep()
    assert (cosigner.store.sealed, cosigner.left()) == ({}, 0)


def test_a_secret_that_comes_late_is_destroyed_as_well(cosigner: Cosigner) -> None:
    """A call that was given up came through after what it was for was destroyed."""
    cosigner.store.away = Unavailable("secrets-unavailable", "away")
    with pytest.raises(Unavailable), cosigner.sealed.stored(share(sealed=b"s")):
        pass
    cosigner.store.away = None
    started = cosigner.begun()
    started.destroy_unnamed(WALLET, 1)
    assert cosigner.left() == 1, "it may come yet"
    [late] = cosigner.secrets.unnamed()
    cosigner.store.sealed[f"{'01' * 32}/w/v1/e0/{late.digest.hex()}/1"] = b"s"
    started.sweep()
    assert cosigner.left() == 1, "the sweep waits for it"
    cosigner.now += LATE_MS
    started.sweep()
    assert (cosigner.store.sealed, cosigner.left()) == ({}, 0)


def _release(cosigner: Cosigner) -> None:
    cosigner.keep(share(1, b"next"))
    cosigner.rows.change(lambda connection: release_within(connection, WALLET, 1, 1))


def _seal_anew(cosigner: Cosigner) -> None:
    with cosigner.sealed.stored(share(sealed=b"next")) as stored:
        cosigner.rows.change(lambda connection: rebind_within(connection, stored))


ENDS: dict[str, tuple[Callable[[Cosigner], object], list[bytes]]] = {
    "a refresh": (_release, [b"next"]),
    "retired": (lambda it: it.rows.change(lambda connection: retire_within(connection, WALLET, 1)), []),
    "dropped": (lambda it: it.rows.drop(WALLET, 1, 0, lambda: None), []),
    "sealed anew": (_seal_anew, [b"next"]),
}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("is_asked", [True, False], ids=["asked for", "swept"])
def test_what_no_row_names_any_more_is_destroyed_and_nothing_else(
    cosigner: Cosigner, end: str, *, is_asked: bool
) -> None:
    before = cosigner.keep(share())
    other = cosigner.keep(replace(share(), wallet=WalletId("other"), sealed=b"other"))
    act, left = ENDS[end]
    act(cosigner)
    assert set(left) < set(cosigner.store.sealed.values()), "nothing before it is asked for"
    cosigner.now += LATE_MS
    if is_asked:
        cosigner.sealed.destroy_unnamed(WALLET, 1)
    else:
        cosigner.begun().sweep()
    assert sorted(cosigner.store.sealed.values()) == sorted([*left, b"other"])
    assert cosigner.left() == 0
    assert cosigner.sealed.read(other) == b"other"
    with pytest.raises(Tampered) as refused:
        cosigner.sealed.read(before)
    assert refused.value.code == "share-missing"


def test_where_it_is_away_it_says_what_is_left_and_is_done_later(cosigner: Cosigner) -> None:
    cosigner.keep(share())
    cosigner.rows.change(lambda connection: retire_within(connection, WALLET, 1))
    cosigner.store.away = Unavailable("secrets-unavailable", "it was away")
    with pytest.raises(Unavailable, match=r"wallet w, version 1: .* could not be destroyed .* it was away"):
        cosigner.sealed.destroy_unnamed(WALLET, 1)
    cosigner.store.away = None
    cosigner.begun().destroy_unnamed(WALLET, 1)
    assert cosigner.store.sealed == {}


def test_for_a_second_after_an_outage_nobody_waits_for_it(cosigner: Cosigner) -> None:
    stored = cosigner.keep(share())
    cosigner.store.away = Unavailable("secrets-unavailable", "away")
    calls = cosigner.store.calls
    for _ in range(5):
        with pytest.raises(Unavailable):
            cosigner.sealed.read(stored)
    assert cosigner.store.calls == calls + 1
    cosigner.store.away = Unavailable("aws-credentials", "a fault that is met at once")
    started = cosigner.begun()
    for _ in range(5):
        with pytest.raises(Unavailable):
            started.read(stored)
    assert cosigner.store.calls == calls + 6


def test_a_store_that_hangs_takes_so_many_threads_and_no_more(cosigner: Cosigner) -> None:
    stored = cosigner.keep(share())
    answers, under_way = threading.Event(), threading.Semaphore(0)

    def hang() -> None:
        under_way.release()
        answers.wait()

    cosigner.store.before = hang
    with ThreadPoolExecutor(MOST_CALLS) as pool:
        try:
            reading = [pool.submit(cosigner.sealed.read, stored) for _ in range(MOST_CALLS)]
            assert all(under_way.acquire(timeout=30) for _ in reading)
            with pytest.raises(Unavailable, match="calls of the store"):
                cosigner.sealed.read(stored)
        finally:
            answers.set()
        assert [one.result() for one in reading] == [LONG] * MOST_CALLS
    assert cosigner.sealed.read(stored) == LONG


@pytest.mark.parametrize("change", [b"other", LONG[:100][::-1], b""])
def test_what_has_other_bytes_is_tampered(cosigner: Cosigner, change: bytes) -> None:
    stored = cosigner.keep(share())
    cosigner.store.sealed[min(cosigner.store.sealed)] = change
    with pytest.raises(Tampered) as refused:
        cosigner.sealed.read(stored)
    assert refused.value.code == "share-tampered"


def test_a_row_that_names_what_was_noted_for_another_place_names_nothing(cosigner: Cosigner) -> None:
    stored = cosigner.keep(share())
    for row in (replace(stored, epoch=1), replace(stored, wallet=WalletId("v")), replace(stored, secret=bytes(32))):
        with pytest.raises(Tampered) as refused:
            cosigner.sealed.read(row)
        assert refused.value.code == "share-missing"


def test_a_share_that_is_retired_is_neither_read_nor_stored(cosigner: Cosigner) -> None:
    retired = replace(share(), sealed=None, state=ShareState.RETIRED)
    for place in (cosigner.sealed, SharesInRows()):
        with pytest.raises(Refused) as refused:
            place.read(retired)
        assert refused.value.code == "share-retired"
    with pytest.raises(Refused), cosigner.sealed.stored(retired):
        pass
    with pytest.raises(NotFound):
        cosigner.store.get("any")
    assert SharesInRows().read(share()) == LONG
