"""An error that nobody expected is answered plainly and logged without its text."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from hyperkms.cli.assemble import assemble
from hyperkms.config import load
from hyperkms.http.app import create_app
from hyperkms.http.log import configure_logs
from hyperkms.http.log_output import log_output
from hyperkms.state.wallets import WalletRecords
from hyperkms.wallet import Wallet, WalletId
from support.service import START_S

CANARY = "canary-that-an-exception-repeats"


class Broken(WalletRecords):
    """Wallet records that fail in a way no code foresees."""

    def get(self, wallet: WalletId) -> Wallet:
        raise ZeroDivisionError(f"{CANARY} {wallet}")


def _answer(folder: Path) -> httpx.Response:
    environment = {"HYPERKMS_ENV": "development", "HOME": str(folder)}
    parts = assemble(load(environment, {"data": folder / "data"}), create=True, tell=lambda _: None)
    configure_logs("debug")
    transport = httpx.ASGITransport(create_app(replace(parts, wallets=Broken.__new__(Broken))))

    async def ask() -> httpx.Response:
        key = (folder / "data" / "admin.key").read_text().strip()
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as client:
            return await client.get("/wallets/w/public-key", headers={"X-API-Key": key})

    try:
        return asyncio.run(ask())
    finally:
        parts.close()


def test_it_is_a_problem_document_with_the_request_id_and_nothing_of_the_error(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = _answer(tmp_path)
    body = answer.json()
    assert (answer.status_code, body["code"]) == (500, "internal-error")
    assert answer.headers["content-type"] == "application/problem+json"
    assert body["requestId"] == answer.headers["x-request-id"]
    log_output().flush(START_S)
    printed = capfd.readouterr().out
    lines = [json.loads(line) for line in printed.splitlines()]
    failed = next(line for line in lines if line["event"] == "failed")
    assert failed["error"] == "ZeroDivisionError"
    assert failed["requestId"] == body["requestId"]
    assert CANARY not in printed + answer.text
