"""A bot with two wallets: an agent with a key of its own for what is small, a wallet in shares for what is large."""

from dataclasses import dataclass
from decimal import Decimal

from demo import bot
from demo.bot import BotOrder, Wallet
from demo.errors import DemoFailed
from demo.replies import Line
from demo.telling import say, shown
from hyperkms.client import CosignedBy, SignedOrder, SigningClient, Unavailable

LARGE_USD = 10_000
AGENT, IN_SHARES = "demo-agent", "demo-master"
SMALL = BotOrder(coin="BTC", is_buy=True, size="0.01", price="58000")
LARGE = BotOrder(coin="BTC", is_buy=True, size="0.5", price="58000")
ORDERS = (
    SMALL,
    LARGE,
    BotOrder(coin="ETH", is_buy=False, size="0.25", price="3100.5"),
    BotOrder(coin="ETH", is_buy=False, size="4", price="3100.5"),
)


@dataclass(frozen=True)
class Desk:
    """Signs each order with the wallet that its size asks for, and posts it."""

    client: SigningClient
    agent: Wallet
    in_shares: Wallet
    exchange_url: str

    @classmethod
    def make(cls, client: SigningClient, exchange_url: str) -> "Desk":
        """With two new wallets; all cosigners make the key of the second together, which takes seconds."""
        agent = bot.find_or_create_wallet(client, AGENT)
        say(f"wallet {agent.id} has one key and the address {agent.address}")
        body = {"walletId": IN_SHARES, "keyType": "secp256k1", "network": "testnet"}
        made = client.post("/mpc/wallets/generate", body)["wallet"]
        say(f"wallet {IN_SHARES} is in shares, {made['metadata']['threshold']}, and has the address {made['address']}")
        return cls(client, agent, Wallet(IN_SHARES, made["address"]), exchange_url)

    @property
    def addresses(self) -> tuple[str, str]:
        """Both."""
        return self.agent.address, self.in_shares.address

    def place(self, order: BotOrder) -> list[Line]:
        """Say which wallet signs and why, have it signed and post it; SigningClientError if it is refused."""
        value = usd(order)
        wallet = self.in_shares if value >= LARGE_USD else self.agent
        bound = f"{LARGE_USD} USD and more" if wallet is self.in_shares else f"less than {LARGE_USD} USD"
        say(f"{order.coin} {order.size} at {order.price} is {value.normalize():f} USD, {bound}: {wallet.id} signs")
        signed = bot.sign(self.client, wallet, order)
        say(f"signed by {self._who(signed)}")
        return shown(bot.post(signed, wallet, self.exchange_url, order))

    def refusal_of(self, order: BotOrder) -> str:
        """The words in which an order is refused while too few cosigners answer; DemoFailed if it is signed."""
        try:
            bot.sign(self.client, self.in_shares, order)
        except Unavailable as refusal:
            if refusal.code != "insufficient-shares":
                raise
            return str(refusal)
        raise DemoFailed("an order was signed while fewer cosigners than the threshold were there")

    def _who(self, signed: SignedOrder) -> str:
        cosigned = signed.receipt.cosigned if signed.receipt is not None else None
        in_shares = signed.wallet_id == self.in_shares.id
        if in_shares != (cosigned is not None):
            raise DemoFailed(f"the receipt of wallet {signed.wallet_id} does not say how it signed")
        return "its one key, in this service" if cosigned is None else _cosigners(cosigned)


def usd(order: BotOrder) -> Decimal:
    """What an order is worth at its own price."""
    return Decimal(order.size) * Decimal(order.price)


def _cosigners(cosigned: CosignedBy) -> str:
    who = " and ".join(str(index) for index in cosigned.signers)
    audit = cosigned.audited if isinstance(cosigned.audited, str) else "not audited"
    return f"cosigners {who} together, by {cosigned.protocol} ({audit})"
