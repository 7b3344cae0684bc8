"""What a client may was changed while its request was on the way: what is signed after the change holds to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from hyperkms.access.administration import NewClient, NewGrants
from hyperkms.access.clients import Operation, Role, client
from hyperkms.access.networks import Networks
from hyperkms.errors import Forbidden, Malformed, Unauthorized
from hyperkms.http.app import create_app
from hyperkms.operations.caller import Caller
from hyperkms.operations.clients import create_client, end_grant, grant, revoke_client
from hyperkms.operations.parts import Parts
from hyperkms.operations.settle import ActionRequest
from hyperkms.operations.sign import sign_action, sign_message
from hyperkms.wallet import KeyType, WalletId
from support.in_process import Here, here
from support.record import records_in

pytestmark = pytest.mark.usefixtures("each_database")

ADMINISTRATOR = Caller(client("desk", Role.ADMINISTRATOR), "0123456789abcdef")
W, TEXT = WalletId("w"), WalletId("text")
NOOP = ActionRequest(wallet=W, action={"type": "noop"})


@dataclass
class Bot:
    """A client that trades with one wallet and signs with another."""

    at: Here
    key: str

    @property
    def parts(self) -> Parts:
        return self.at.parts

    def caller(self) -> Caller:
        """As it was authenticated before whatever comes next."""
        generation = self.parts.client_generation()
        return Caller(self.parts.api_keys.authenticate(self.key), "0123456789abcdef", None, generation)

    def end(self, *operations: Operation) -> None:
        for one in self.parts.clients.get("bot").client.grants:
            if one.operation in operations:
                end_grant(self.parts, ADMINISTRATOR, "bot", one.id)

    def sign(self, caller: Caller) -> None:
        sign_action(self.parts, caller, NOOP).wait()

    def sign_text(self, caller: Caller) -> None:
        sign_message(self.parts, caller, TEXT, b"m").wait()


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[Bot]:
    with here(tmp_path / "data", HYPERKMS_NETWORK="testnet") as at:
        at.wallet(W, KeyType.SECP256K1)
        at.wallet(TEXT)
        allowed = frozenset({Operation.TRADE, Operation.SIGN_BYTES, Operation.ROTATE})
        new = NewClient(name="bot", role=Role.BOT, allowed=allowed, wallets=frozenset({W, TEXT}))
        yield Bot(at, create_client(at.parts, ADMINISTRATOR, new).key)


def test_a_client_that_was_revoked_while_it_waited_gets_no_signature(bot: Bot) -> None:
    caller = bot.caller()
    bot.sign(caller)
    bot.sign_text(caller)
    revoke_client(bot.parts, ADMINISTRATOR, "bot")
    for sign in (bot.sign, bot.sign_text):
        with pytest.raises(Unauthorized):
            sign(caller)


def test_a_grant_that_was_ended_while_its_request_waited_permits_nothing(bot: Bot) -> None:
    caller = bot.caller()
    bot.end(Operation.TRADE)
    with pytest.raises(Forbidden, match="may not trade with wallet w"):
        bot.sign(caller)
    bot.sign_text(caller)
    bot.end(Operation.SIGN_BYTES)
    with pytest.raises(Forbidden):
        bot.sign_text(caller)


def test_another_grant_does_not_stand_in_for_the_one_that_decided(bot: Bot) -> None:
    caller = bot.caller()
    bot.end(Operation.TRADE)
    grant(bot.parts, ADMINISTRATOR, "bot", NewGrants(wallets=frozenset({W}), allowed=frozenset({Operation.TRADE})))
    with pytest.raises(Forbidden, match="was ended while this waited"):
        bot.sign(caller)
    bot.sign(bot.caller())


def test_a_change_of_another_client_keeps_nobody_from_signing(bot: Bot) -> None:
    caller = bot.caller()
    create_client(bot.parts, ADMINISTRATOR, NewClient(name="other", role=Role.BOT))
    bot.sign(caller)
    bot.sign_text(caller)


def _post(parts: Parts, path: str, key: str, body: bytes, meanwhile: Callable[[], None]) -> httpx.Response:
    """The body comes after its headers, and something happens in between."""

    async def slowly() -> AsyncIterator[bytes]:
        yield body[:1]
        await asyncio.to_thread(meanwhile)
        yield body[1:]

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(parts))
        async with httpx.AsyncClient(transport=transport, base_url="http://service") as line:
            return await line.post(path, content=slowly(), headers={"X-API-Key": key})

    return asyncio.run(ask())


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        ("/hyperliquid/sign", b'{"walletId":"w","action":{"type":"noop"}}', (403, "scope-missing")),
        (
            "/hyperliquid/sign-batch",
            b'{"requests":[{"walletId":"w","action":{"type":"noop"}}]}',
            (403, "scope-missing"),
        ),
        ("/wallets/rotate", b'{"walletId":"w"}', (409, "client-changed")),
    ],
)
def test_what_was_ended_before_its_body_had_come_permits_nothing(
    bot: Bot, path: str, body: bytes, expected: tuple[int, str]
) -> None:
    answer = _post(bot.parts, path, bot.key, body, lambda: bot.end(Operation.TRADE, Operation.ROTATE))
    assert (answer.status_code, answer.json()["code"]) == expected


def test_a_request_from_a_foreign_network_is_refused_and_written_down(bot: Bot) -> None:
    networks = Networks.read(["10.0.0.0/8"])
    new = NewClient(name="far", role=Role.BOT, allowed=frozenset({Operation.TRADE}), networks=networks)
    key = create_client(bot.parts, ADMINISTRATOR, new).key
    answer = _post(bot.parts, "/hyperliquid/sign", key, b'{"walletId":"w","action":{"type":"noop"}}', lambda: None)
    assert (answer.status_code, answer.json()["code"]) == (403, "address-not-allowed")
    lines: list[Mapping[str, Any]] = [line["record"] for line in records_in(bot.at.data / "records")]
    assert [line["client"] for line in lines if line.get("code") == "address-not-allowed"] == ["far"]


@pytest.mark.parametrize("operation", [Operation.AUDIT, Operation.METRICS])
def test_what_shows_every_wallet_is_not_granted_for_some(operation: Operation) -> None:
    with pytest.raises(Malformed, match="of the whole service"):
        NewGrants(wallets=frozenset({W}), allowed=frozenset({operation}))
    with pytest.raises(Forbidden):
        client("b", Role.BOT, wallets=frozenset({W}), allowed=[operation]).require_everywhere(operation)
    client("b", Role.BOT, allowed=[operation]).require_everywhere(operation)
