"""A wallet that was made has a line in the record before it can sign; one that was not made has none."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from hyperkms.errors import Conflict, Unavailable
from hyperkms.operations.generate import import_key
from hyperkms.operations.new_wallet import NewWallet
from hyperkms.wallet import KeyType, Network, WalletId
from support.commands import key_file
from support.in_process import ACTOR, Here, here
from support.record import records_in

pytestmark = pytest.mark.usefixtures("each_database")


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Here]:
    with here(tmp_path / "data", HYPERKMS_NETWORK="testnet") as made:
        yield made


def lines(at: Here) -> list[Mapping[str, Any]]:
    """The changes of wallets in the record."""
    return [line["record"] for line in records_in(at.data / "records") if "versions" in line["record"]]


def test_a_generated_and_an_imported_key_are_each_a_line(at: Here, tmp_path: Path) -> None:
    generated = at.wallet("w")
    wanted = NewWallet(id=WalletId("old"), key_type=KeyType.SECP256K1, network=Network.TESTNET)
    imported = import_key(at.parts, ACTOR, wanted, key_file(tmp_path / "key"))
    told = [(line["operation"], line["client"], line["wallet"], line["versions"]) for line in lines(at)]
    assert told == [
        (
            operation,
            ACTOR.client,
            wallet.id,
            [{"version": 1, "state": "active", "publicKey": wallet.current.public_key_text}],
        )
        for operation, wallet in (("generate", generated), ("import", imported))
    ]


def test_a_wallet_that_is_there_already_is_not_told_again(at: Here) -> None:
    at.wallet("w")
    with pytest.raises(Conflict):
        at.wallet("w")
    assert len(lines(at)) == 1


def test_without_a_line_there_is_no_wallet(at: Here) -> None:
    at.parts.record.close()
    with pytest.raises(Unavailable):
        at.wallet("w")
    assert at.parts.wallets.find(WalletId("w")) is None
