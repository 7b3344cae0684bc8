"""User-signed actions with random values.

Their types stand here as the exchange's clients publish them, and are not taken from our table.
"""

import json
import random
from collections.abc import Callable
from typing import Any

from support.random_actions import Json, random_hex

TYPES: dict[str, tuple[str, str]] = {
    "usdSend": ("UsdSend", "string destination, string amount, uint64 time"),
    "withdraw3": ("Withdraw", "string destination, string amount, uint64 time"),
    "spotSend": ("SpotSend", "string destination, string token, string amount, uint64 time"),
    "usdClassTransfer": ("UsdClassTransfer", "string amount, bool toPerp, uint64 nonce"),
    "sendAsset": (
        "SendAsset",
        (
            "string destination, string sourceDex, string destinationDex, string token, string amount, "
            "string fromSubAccount, uint64 nonce"
        ),
    ),
    "approveAgent": ("ApproveAgent", "address agentAddress, string agentName, uint64 nonce"),
    "approveBuilderFee": ("ApproveBuilderFee", "string maxFeeRate, address builder, uint64 nonce"),
    "tokenDelegate": ("TokenDelegate", "address validator, uint64 wei, bool isUndelegate, uint64 nonce"),
    "cDeposit": ("CDeposit", "uint64 wei, uint64 nonce"),
    "cWithdraw": ("CWithdraw", "uint64 wei, uint64 nonce"),
    "convertToMultiSigUser": ("ConvertToMultiSigUser", "string signers, uint64 nonce"),
    "userDexAbstraction": ("UserDexAbstraction", "address user, bool enabled, uint64 nonce"),
    "userPortfolioMargin": ("UserPortfolioMargin", "address user, bool enabled, uint64 nonce"),
    "userSetAbstraction": ("UserSetAbstraction", "address user, string abstraction, uint64 nonce"),
    "linkStakingUser": ("LinkStakingUser", "address user, bool isFinalize, uint64 nonce"),
    "stakingLinkDisableTradingUser": ("StakingLinkDisableTradingUser", "address tradingUser, uint64 nonce"),
    "sendToEvmWithData": (
        "SendToEvmWithData",
        (
            "string token, string amount, string sourceDex, string destinationRecipient, string addressEncoding, "
            "uint32 destinationChainId, uint64 gasLimit, bytes data, uint64 nonce"
        ),
    ),
}


def typed_fields(name: str) -> list[dict[str, str]]:
    members = ["string hyperliquidChain", *TYPES[name][1].split(", ")]
    return [{"type": kind, "name": member} for kind, member in (text.split(" ") for text in members)]


def _mixed(dice: random.Random, digits: int) -> str:
    return "0x" + "".join(dice.choice((digit, digit.upper())) for digit in random_hex(dice, digits)[2:])


def _signers(dice: random.Random) -> str:
    if dice.random() < 0.2:
        return "null"
    users = sorted(random_hex(dice, 40) for _ in range(dice.randrange(1, 11)))
    return json.dumps({"authorizedUsers": users, "threshold": dice.randint(1, len(users))})


def _amount(dice: random.Random) -> str:
    return str(dice.randrange(1, 10**9) / 10 ** dice.randrange(4))


def _name(dice: random.Random) -> str:
    name = "".join(dice.choice('az09 "\\\né中😀') for _ in range(dice.randrange(17)))
    return name + dice.choice(("", " valid_until 1790000000000"))


TEXTS: dict[str, Callable[[random.Random], str]] = {
    "destination": lambda dice: _mixed(dice, 40),
    "amount": _amount,
    "token": lambda dice: dice.choice(("USDC", "PURR:" + _mixed(dice, 32))),
    "sourceDex": lambda dice: dice.choice(("", "spot", "test")),
    "destinationDex": lambda dice: dice.choice(("", "spot", "test")),
    "fromSubAccount": lambda dice: dice.choice(("", _mixed(dice, 40))),
    "agentName": _name,
    "maxFeeRate": lambda dice: dice.choice(("0.001%", "0.1%", "1%")),
    "signers": _signers,
    "abstraction": lambda dice: dice.choice(("disabled", "unifiedAccount", "portfolioMargin")),
    "destinationRecipient": lambda dice: dice.choice((_mixed(dice, 40), "4Nd1mYvH2zC8tqYbWwqzJ1yV")),
    "addressEncoding": lambda dice: dice.choice(("hex", "base58")),
}
OTHERS: dict[str, Callable[[random.Random], Any]] = {
    "address": lambda dice: _mixed(dice, 40),
    "bool": lambda dice: dice.random() < 0.5,
    "uint32": lambda dice: dice.choice((0, 1, 42161, 2**32 - 1)),
    "uint64": lambda dice: dice.choice((1, 2**53 - 1, 2**64 - 1)),
    "bytes": lambda dice: random_hex(dice, 2 * dice.randrange(1, 50)) if dice.random() < 0.8 else "0x",
}


def random_user_action(dice: random.Random, name: str) -> Json:
    members = {
        field["name"]: TEXTS[field["name"]](dice) if field["type"] == "string" else OTHERS[field["type"]](dice)
        for field in typed_fields(name)[1:]
    }
    if name == "usdClassTransfer" and dice.random() < 0.5:
        members["amount"] += " subaccount:" + _mixed(dice, 40)
    return {"type": name, "signatureChainId": dice.choice(("0x66eee", "0xa4b1", "0x1", "0x3e7")), **members}
