"""Data directories of earlier schemas: brought to this release's, they open and sign with the keys they had."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_account import Account
from eth_account.messages import encode_defunct

from hyperkms.state.migrating import SCHEMA
from support import custody, databases
from support.commands import ADDRESS, run
from support.service import Service

pytestmark = [
    custody.needs(custody.FILE, because="it opens directories of earlier releases"),
    databases.needs(databases.SQLITE, because="it opens directories of earlier releases"),
]

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("schema-*-signs.sql"))
ORDER = {"a": 0, "b": True, "p": "60000", "s": "0.1", "r": False, "t": {"limit": {"tif": "Gtc"}}}


def test_there_is_a_directory_of_a_released_schema() -> None:
    assert GOLDEN


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.stem)
def test_a_directory_of_an_earlier_schema_signs_after_the_upgrade(tmp_path: Path, golden: Path) -> None:
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    with closing(sqlite3.connect(data / "hyperkms.db")) as database:
        database.executescript(golden.read_text())
    (data / "hyperkms.db").chmod(0o600)
    (data / "root.key").touch(mode=0o600)
    (data / "root.key").write_bytes(bytes(range(32)))
    made_under = re.fullmatch(r"schema-(\d{4})-signs", golden.stem)
    assert made_under is not None
    (data / "admin.key").write_text("not of this directory\n")
    with Service.start(data, API_KEY="a key of this test alone 4711") as service:
        headers = {"X-API-Key": "a key of this test alone 4711"}
        listed = service.get("/wallets", headers=headers).json["wallets"]
        public_keys = {one["walletId"]: one["publicKey"] for one in listed}
        message = {"walletId": "golden-ed", "message": "hello"}
        signed = service.post("/wallets/sign", message, headers=headers).json["signature"]
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_keys["golden-ed"][2:])).verify(
            bytes.fromhex(signed[2:]), b"hello"
        )
        message = {"walletId": "golden-secp", "message": "hello"}
        signed = service.post("/wallets/sign", message, headers=headers).json["signature"]
        assert Account.recover_message(encode_defunct(b"hello"), signature=signed).lower() == ADDRESS
        action = {"type": "order", "orders": [ORDER] * 6, "grouping": "na"}
        refused = service.post("/hyperliquid/sign", {"walletId": "golden-secp", "action": action}, headers=headers)
        assert refused.json["code"] == "policy-refused", "its policy still holds"
    done = run("client", "show", "golden-bot", "--json", "--data", str(data), cwd=tmp_path)
    assert json.loads(done.stdout)["name"] == "golden-bot", done.stderr
    assert (data / f"hyperkms.db.before-{SCHEMA}").exists() == (made_under[1] != SCHEMA)
