"""A client that is revoked while its batch is under way gets no signature from then on."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from hyperkms.access.administration import NewClient
from hyperkms.access.clients import Operation, Role, client
from hyperkms.http.app import create_app
from hyperkms.http.batch import SLICE
from hyperkms.operations.caller import Caller
from hyperkms.operations.clients import create_client, revoke_client
from hyperkms.operations.parts import Parts
from hyperkms.state.completion import Within
from hyperkms.state.request_rows import Request
from hyperkms.state.requests import Requests
from hyperkms.state.wallets import WalletRecords
from hyperkms.wallet import KeyType, Wallet, WalletId
from support.in_process import Here, here
from support.record import records_in

pytestmark = pytest.mark.usefixtures("each_database")

ADMINISTRATOR = Caller(client("desk", Role.ADMINISTRATOR), "0123456789abcdef")
ON_THE_WAY = WalletId("on-the-way")


@dataclass
class Bot:
    """A client that will be revoked at a certain place."""

    at: Here
    key: str

    def revoke(self) -> None:
        """Harmless when it is done already."""
        revoke_client(self.at.parts, ADMINISTRATOR, "bot")

    def ask(self, parts: Parts, wallets: list[str], **headers: str) -> httpx.Response:
        """A batch of one message for each of these wallets."""
        transport = httpx.ASGITransport(create_app(parts))
        body = {"requests": [{"walletId": wallet, "message": "m"} for wallet in wallets]}

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url="http://service") as line:
                sent = {"X-API-Key": self.key, **headers}
                return await line.post("/wallets/sign-batch", json=body, headers=sent)

        return asyncio.run(ask())


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Bot]:
    with here(tmp_path / "data") as at:
        for wallet in ("w", ON_THE_WAY):
            at.wallet(wallet, KeyType.ED25519)
        allowed = frozenset({Operation.SIGN_BYTES})
        new = NewClient(name="bot", role=Role.BOT, allowed=allowed)
        yield Bot(at, create_client(at.parts, ADMINISTRATOR, new).key)


class WalletsOnTheWay(WalletRecords):
    """Wallet records that call something when a certain wallet is asked for."""

    then: Callable[[], None]

    def get(self, wallet: WalletId) -> Wallet:
        if wallet == ON_THE_WAY:
            self.then()
        return super().get(wallet)


class RequestsOnTheWay(Requests):
    """Requests with a key that call something when the first is reserved."""

    then: Callable[[], None]

    def reserve(self, request: Request, plan: str | None, also: Within) -> "Future[int | None]":
        self.then()
        return super().reserve(request, plan, also)


def _calling(kind: Any, standing: object, then: Callable[[], None]) -> Any:
    made = kind.__new__(kind)
    vars(made).update(vars(standing), then=then)
    return made


def _signatures(at: Here) -> int:
    return sum("signature" in line["record"] for line in records_in(at.data / "records"))


def test_a_client_that_is_revoked_half_way_gets_no_signature_from_then_on(bot: Bot) -> None:
    parts = dataclasses.replace(bot.at.parts, wallets=_calling(WalletsOnTheWay, bot.at.parts.wallets, bot.revoke))
    wallets = ["w"] * (3 * SLICE)
    wallets[SLICE + 3] = ON_THE_WAY
    answer = bot.ask(parts, wallets)
    results = answer.json()["results"]
    assert answer.status_code == 200
    before = SLICE + 3
    assert [result["success"] for result in results] == [True] * before + [False] * (3 * SLICE - before)
    assert {result["problem"]["code"] for result in results[before:]} == {"invalid-api-key"}
    assert _signatures(bot.at) == before


def test_a_batch_under_a_key_whose_client_is_revoked_meanwhile_signs_nothing_more(bot: Bot) -> None:
    parts = dataclasses.replace(bot.at.parts, requests=_calling(RequestsOnTheWay, bot.at.parts.requests, bot.revoke))
    answer = bot.ask(parts, ["w"] * (2 * SLICE), **{"Idempotency-Key": "batch"})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid-api-key")
    assert _signatures(bot.at) == 0
