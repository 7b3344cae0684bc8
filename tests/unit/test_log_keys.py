"""The log key: one a data directory, whoever asks first, and only under its root key."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from hyperkms.audit.log_key import LogKey
from hyperkms.custody.local_file import LocalFileRootKey
from hyperkms.custody.log_keys import open_log_key
from hyperkms.errors import Tampered
from hyperkms.state.schema import log_keys
from support.databases import open_at
from support.in_process import here
from support.record_reader import read_logs
from support.service import Service

pytestmark = pytest.mark.usefixtures("each_database")


def test_of_many_who_ask_first_all_get_one_key(tmp_path: Path) -> None:
    root_key = LocalFileRootKey.create(tmp_path / "root.key")
    open_at(tmp_path / "state.db").close()

    def opened(now: int) -> bytes:
        database = open_at(tmp_path / "state.db")
        return open_log_key(database, root_key, now=now).public_key

    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(opened, range(16)))
    assert len(keys) == 1
    with open_at(tmp_path / "state.db").read() as connection:
        (row,) = connection.execute(sa.select(log_keys)).all()
    assert {row.public_key} == keys


def test_its_name_is_that_of_its_row(tmp_path: Path) -> None:
    root_key, database = (
        LocalFileRootKey.create(tmp_path / "root.key"),
        open_at(tmp_path / "state.db"),
    )
    key = LogKey(open_log_key(database, root_key, now=1))
    with database.read() as connection:
        row = connection.execute(sa.select(log_keys)).one()
    assert (row.id, "0x" + row.public_key.hex()) == (key.id, key.public_key)


def test_it_opens_under_no_other_root_key(tmp_path: Path) -> None:
    database = open_at(tmp_path / "state.db")
    open_log_key(database, LocalFileRootKey.create(tmp_path / "root.key"), now=1)
    with pytest.raises(Tampered) as refused:
        open_log_key(database, LocalFileRootKey.create(tmp_path / "another.key"), now=1)
    assert refused.value.code == "wrong-root-key"


def test_a_sealed_key_of_a_wallet_in_its_place_is_not_taken(tmp_path: Path) -> None:
    with here(tmp_path / "data") as opened:
        opened.wallet("record")
        ((sealed,),) = opened.rows("SELECT sealed FROM sealed_keys WHERE wallet = 'record'")
    database = open_at(tmp_path / "data" / "hyperkms.db")
    with database.write() as connection:
        connection.execute(log_keys.update().values(sealed=sealed))
    with pytest.raises(Tampered):
        open_log_key(database, LocalFileRootKey.open(tmp_path / "data" / "root.key"), now=1)


def test_every_process_of_a_data_directory_signs_with_it(tmp_path: Path) -> None:
    data, body = tmp_path / "data", {"walletId": "w", "message": "m"}
    with Service.start(data) as service, Service.start(data) as other:
        service.generate("w")
        assert {each.post("/wallets/sign", body).status for each in (service, other)} == {200}
    logs = read_logs(data / "records")
    assert len(logs) == 2
    assert len({read.lines[0]["record"]["keyId"] for read in logs.values()}) == 1
