"""The first system's trading bot: finds or creates its wallet, signs orders through the service, posts them.

Settings, from the environment: KMS_URL (http://127.0.0.1:3000), API_KEY (no default), WALLET_ID (demo-bot) and
EXCHANGE_URL (http://127.0.0.1:3100, the sandbox). Run it alone with `python -m demo.bot`.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from demo.errors import DemoFailed, ExchangeFailed, NotForTrading
from demo.replies import Line, lines_of
from demo.table import header, row
from hyperkms.client import (
    Idempotency,
    Malformed,
    NotFound,
    Options,
    SignedOrder,
    SigningClient,
    SigningClientError,
)

WHO = "bot"
TIMEOUT_S = 10
OPTIONS = Options(read_s=TIMEOUT_S, idempotency=Idempotency.ON_REQUEST)
_OK = 200


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the bot finds things; the API key is never shown."""

    kms_url: str = "http://127.0.0.1:3000"
    api_key: str = field(repr=False)
    wallet_id: str = "demo-bot"
    exchange_url: str = "http://127.0.0.1:3100"


@dataclass(frozen=True)
class Wallet:
    """The bot's name for its key, and the address that the exchange knows it by."""

    id: str
    address: str


@dataclass(frozen=True, kw_only=True)
class BotOrder:
    """A limit order; size and price are decimal text, so that nothing is lost on the way."""

    coin: str
    is_buy: bool
    size: str
    price: str

    def payload(self, timestamp: int) -> dict[str, Any]:
        """The order as the service takes it; `timestamp` in milliseconds."""
        return {
            "action": "order",
            "coin": self.coin,
            "isBuy": self.is_buy,
            "sz": self.size,
            "limitPx": self.price,
            "timestamp": timestamp,
        }


ORDERS = (
    BotOrder(coin="BTC", is_buy=True, size="0.01", price="58000"),
    BotOrder(coin="ETH", is_buy=False, size="0.25", price="3100.5"),
    BotOrder(coin="SOL", is_buy=True, size="2", price="148.25"),
)


def find_or_create_wallet(client: SigningClient, wallet_id: str) -> Wallet:
    """The wallet; a new one only if the service says that there is none of that id.

    Anything else, an outage above all, is no reason to make a key: SigningClientError.
    """
    try:
        address = client.public_key(wallet_id).address
    except NotFound as missing:
        # A 404 without this code comes from something else, such as a proxy or a wrong KMS_URL.
        if missing.code != "wallet-not-found":
            raise
        address = client.generate(wallet_id, key_type="secp256k1", network="testnet").address
    if address is None:
        raise NotForTrading(f"wallet {wallet_id} has no secp256k1 key; the exchange verifies no other")
    return Wallet(wallet_id, address)


def trade(client: SigningClient, wallet: Wallet, exchange_url: str, orders: Iterable[BotOrder]) -> Iterator[Line]:
    """Sign and post each order; a line for each, with the exchange's answer or the service's refusal.

    An order that is malformed gets a line that says so. Any other failure ends the run: SigningClientError,
    ExchangeFailed.
    """
    for order in orders:
        try:
            signed = sign(client, wallet, order)
        except Malformed as refusal:
            yield _unsigned(order, refusal)
            continue
        yield from post(signed, wallet, exchange_url, order)


def sign(client: SigningClient, wallet: Wallet, order: BotOrder) -> SignedOrder:
    """The order as of now, signed; SigningClientError if the service refuses it."""
    return client.sign_order(wallet.id, order.payload(time.time_ns() // 1_000_000))


def post(signed: SignedOrder, wallet: Wallet, exchange_url: str, order: BotOrder) -> Iterator[Line]:
    """Post it, and a line with the exchange's answer; ExchangeFailed if there is none."""
    body = signed.post()
    asset = body["action"]["orders"][0]["a"]
    yield from lines_of(WHO, wallet.address, body, _post(exchange_url, body), {asset: order.coin})


def _post(exchange_url: str, post: Mapping[str, Any]) -> object:
    url = f"{exchange_url.rstrip('/')}/exchange"
    try:
        answer = requests.post(url, json=post, timeout=TIMEOUT_S)
        if answer.status_code != _OK:
            raise ExchangeFailed(f"the exchange answered {answer.status_code}: {answer.text[:200]}")
        read: object = answer.json()
    except requests.JSONDecodeError as error:
        raise ExchangeFailed(f"{exchange_url} does not answer as the exchange does") from error
    except requests.RequestException as error:
        raise ExchangeFailed(f"the exchange at {exchange_url} cannot be reached") from error
    return read


def _unsigned(order: BotOrder, refusal: Malformed) -> Line:
    return Line(
        who=WHO,
        what="order",
        coin=order.coin,
        side="buy" if order.is_buy else "sell",
        size=order.size,
        price=order.price,
        accepted=False,
        answer=str(refusal),
    )


def key_in(data: Path) -> str:
    """The administrator's key that a service in development leaves in its data directory."""
    return (data / "admin.key").read_text().strip()


def settings_of(environment: Mapping[str, str]) -> Settings:
    """The settings; DemoFailed without an API key."""
    if not environment.get("API_KEY"):
        raise DemoFailed("API_KEY is not set: it is in admin.key in the data directory of the service")
    names = {"KMS_URL": "kms_url", "WALLET_ID": "wallet_id", "EXCHANGE_URL": "exchange_url"}
    given = {member: environment[name] for name, member in names.items() if environment.get(name)}
    return Settings(api_key=environment["API_KEY"], **given)


def main() -> int:
    """Trade once and print what was accepted; 0 if all was."""
    try:
        settings = settings_of(os.environ)
        with SigningClient(settings.kms_url, settings.api_key, options=OPTIONS) as client:
            return 0 if _run(client, settings) else 1
    except (DemoFailed, SigningClientError) as failure:
        print(f"bot: {failure}", file=sys.stderr)
        return 1


def _run(client: SigningClient, settings: Settings) -> bool:
    wallet = find_or_create_wallet(client, settings.wallet_id)
    print(f"bot: wallet {wallet.id}, address {wallet.address}\n{header()}")
    accepted = []
    for line in trade(client, wallet, settings.exchange_url, ORDERS):
        print(row(line), flush=True)
        accepted.append(line.accepted)
    return all(accepted)


if __name__ == "__main__":
    sys.exit(main())
