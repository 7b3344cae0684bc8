"""What is noted of keys that AWS KMS is asked for: a version is listed with one, or it is withdrawn, never both."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hyperkms.errors import Unavailable
from hyperkms.state.kms_keys import BegunKmsKey, listed_within
from hyperkms.wallet import WalletId
from support.in_process import Here, here

pytestmark = pytest.mark.usefixtures("each_database")

W, ONE, TWO = WalletId("w"), "1" * 32, "2" * 32
ARN = "arn:aws:kms:eu-west-1:123456789012:key/1"


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Here]:
    with here(tmp_path / "data") as opened:
        yield opened


def listed(at: Here, token: str) -> None:
    with at.parts.database.write() as connection:
        listed_within(connection, token)


def test_what_was_listed_is_claimed_by_nobody(at: Here) -> None:
    notes = at.parts.kms_keys
    notes.begin(ONE, W, 1, now=at.now)
    notes.note(ONE, ARN)
    listed(at, ONE)
    assert not notes.claim_one(ONE, now=at.now)
    assert notes.claim(begun_before=at.now, now=at.now) == []
    assert notes.left(begun_before=at.now) == 0


def test_what_was_claimed_is_listed_no_more(at: Here) -> None:
    notes = at.parts.kms_keys
    notes.begin(ONE, W, 1, now=at.now)
    notes.begin(TWO, W, 1, now=at.now)
    assert notes.claim_one(ONE, now=at.now)
    assert not notes.claim_one(ONE, now=at.now)
    with pytest.raises(Unavailable):
        listed(at, ONE)
    listed(at, TWO)
    assert notes.claim(begun_before=0, now=at.now) == [BegunKmsKey(ONE, W, 1, None)], "until it is withdrawn"
    notes.forget(ONE)
    assert notes.claim(begun_before=at.now, now=at.now) == []


def test_only_what_was_begun_long_ago_is_claimed(at: Here) -> None:
    notes = at.parts.kms_keys
    notes.begin(ONE, W, 1, now=at.now - 10)
    notes.begin(TWO, W, 2, now=at.now)
    notes.note(ONE, ARN)
    assert notes.left(begun_before=at.now - 10) == 1
    assert notes.claim(begun_before=at.now - 10, now=at.now) == [BegunKmsKey(ONE, W, 1, ARN)]
    listed(at, TWO)


def test_a_version_that_nobody_began_is_not_listed(at: Here) -> None:
    with pytest.raises(Unavailable):
        listed(at, ONE)
