"""The first system's trading bot: finds or creates its wallet, signs orders through the service, posts them.

Settings, from the environment: KMS_URL (http://127.0.0.1:3000), API_KEY (no default), WALLET_ID (demo-bot) and
EXCHANGE_URL (http://127.0.0.1:3100, the sandbox). Run it alone with `python -m demo.bot`.
"""

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import requests

from demo.errors import DemoFailed, ExchangeFailed, ServiceFailed
from demo.replies import Line, lines_of
from demo.service import TIMEOUT_S, Service, SignedAction
from demo.table import header, row

WHO = "bot"
_OK = 200
_BAD_REQUEST = 400
_NOT_FOUND = 404


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


def find_or_create_wallet(service: Service, wallet_id: str) -> Wallet:
    """The wallet; a new one only if the service says that there is none of that id.

    Anything else, an outage above all, is no reason to make a key: ServiceFailed.
    """
    try:
        found = service.public_key(wallet_id)
    except ServiceFailed as failure:
        # A 404 without this code comes from something else, such as a proxy or a wrong KMS_URL.
        if failure.status != _NOT_FOUND or failure.code != "wallet-not-found":
            raise
        found = service.generate(wallet_id)
    if not found.get("address"):
        raise ServiceFailed(f"wallet {wallet_id} has no secp256k1 key; the exchange verifies no other")
    return Wallet(wallet_id, found["address"])


def trade(service: Service, wallet: Wallet, exchange_url: str, orders: Iterable[BotOrder]) -> Iterator[Line]:
    """Sign and post each order; a line for each, with the exchange's answer or the service's refusal.

    An order that is malformed gets a line that says so. Any other failure ends the run: ServiceFailed,
    ExchangeFailed.
    """
    for order in orders:
        try:
            signed = _sign(service, wallet, order)
        except ServiceFailed as failure:
            if failure.status != _BAD_REQUEST:
                raise
            yield _unsigned(order, failure)
            continue
        asset = signed.action["orders"][0]["a"]
        yield from lines_of(WHO, signed, _post(exchange_url, signed), {asset: order.coin})


def split_signature(text: str) -> dict[str, Any]:
    """0x and 130 hex digits as the exchange takes them: r and s of 32 bytes each, v of one."""
    digits = text.removeprefix("0x")
    return {"r": "0x" + digits[:64], "s": "0x" + digits[64:128], "v": int(digits[128:], 16)}


def _sign(service: Service, wallet: Wallet, order: BotOrder) -> SignedAction:
    answer = service.sign_order(wallet.id, order.payload(time.time_ns() // 1_000_000))
    return SignedAction(
        address=answer["address"],
        action=answer["action"],
        nonce=answer["nonce"],
        signature=split_signature(answer["signature"]),
    )


def _post(exchange_url: str, signed: SignedAction) -> object:
    url = f"{exchange_url.rstrip('/')}/exchange"
    try:
        answer = requests.post(url, json=signed.post(), timeout=TIMEOUT_S)
        if answer.status_code != _OK:
            raise ExchangeFailed(f"the exchange answered {answer.status_code}: {answer.text[:200]}")
        read: object = answer.json()
    except requests.JSONDecodeError as error:
        raise ExchangeFailed(f"{exchange_url} does not answer as the exchange does") from error
    except requests.RequestException as error:
        raise ExchangeFailed(f"the exchange at {exchange_url} cannot be reached") from error
    return read


def _unsigned(order: BotOrder, failure: ServiceFailed) -> Line:
    return Line(
        who=WHO,
        what="order",
        coin=order.coin,
        side="buy" if order.is_buy else "sell",
        size=order.size,
        price=order.price,
        accepted=False,
        answer=str(failure),
    )


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
        with closing(Service(settings.kms_url, settings.api_key)) as service:
            return 0 if _run(service, settings) else 1
    except DemoFailed as failure:
        print(f"bot: {failure}", file=sys.stderr)
        return 1


def _run(service: Service, settings: Settings) -> bool:
    wallet = find_or_create_wallet(service, settings.wallet_id)
    print(f"bot: wallet {wallet.id}, address {wallet.address}\n{header()}")
    accepted = []
    for line in trade(service, wallet, settings.exchange_url, ORDERS):
        print(row(line), flush=True)
        accepted.append(line.accepted)
    return all(accepted)


if __name__ == "__main__":
    sys.exit(main())
