"""Random actions of every type, as the official SDK writes them and as a client may send them."""

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hyperkms.hyperliquid.wire import canonical

Json = dict[str, Any]


# ---- actions as the SDK writes them ------------------------------------------------------------------


def random_hex(dice: random.Random, digits: int) -> str:
    return f"0x{dice.randrange(16**digits):0{digits}x}"


def _price(dice: random.Random) -> str:
    """At most 5 significant figures and 6 decimals, or a whole number."""
    if dice.random() < 0.2:
        return str(dice.randrange(1, 10**7))
    digits = dice.randrange(1, 10**5)
    return canonical(Decimal(digits).scaleb(-dice.randrange(7)))


def _size(dice: random.Random) -> str:
    return canonical(Decimal(dice.randrange(1, 10**9)).scaleb(-dice.randrange(9)))


def _asset(dice: random.Random) -> int:
    first = dice.choice((0, 10_000, 110_000, 100_000_000))
    return first + dice.randrange(300)


def _oid(dice: random.Random) -> int:
    return dice.randrange(2 ** dice.choice((7, 16, 32, 48, 64)))


def _order(dice: random.Random) -> Json:
    terms: Json = {"limit": {"tif": dice.choice(("Gtc", "Ioc", "Alo", "FrontendMarket"))}}
    if dice.random() < 0.4:
        tpsl = dice.choice(("tp", "sl"))
        terms = {"trigger": {"isMarket": dice.random() < 0.5, "triggerPx": _price(dice), "tpsl": tpsl}}
    order: Json = {
        "a": _asset(dice),
        "b": dice.random() < 0.5,
        "p": _price(dice),
        "s": _size(dice),
        "r": dice.random() < 0.5,
        "t": terms,
    }
    return {**order, "c": random_hex(dice, 32)} if dice.random() < 0.5 else order


def _orders(dice: random.Random) -> Json:
    grouping = dice.choice(("na", "normalTpsl", "positionTpsl", {"p": dice.randrange(1000)}))
    orders = [_order(dice) for _ in range(dice.choice((1, 1, 2, 3, 20)))]
    action: Json = {"type": "order", "orders": orders, "grouping": grouping}
    if dice.random() < 0.4:
        action["builder"] = {"b": random_hex(dice, 40), "f": dice.randrange(200)}
    return action


def _flagged(dice: random.Random, name: str, action: Json) -> Json:
    return {**action, name: True} if dice.random() < 0.3 else action


def _modification(dice: random.Random) -> Json:
    return {"oid": _oid(dice) if dice.random() < 0.5 else random_hex(dice, 32), "order": _order(dice)}


def _cancel(dice: random.Random) -> Json:
    cancels = [{"a": _asset(dice), "o": _oid(dice)} for _ in range(dice.randrange(1, 20))]
    return _flagged(dice, "f", {"type": "cancel", "cancels": cancels})


def _cancel_by_cloid(dice: random.Random) -> Json:
    cancels = [{"asset": _asset(dice), "cloid": random_hex(dice, 32)} for _ in range(dice.randrange(1, 20))]
    return _flagged(dice, "f", {"type": "cancelByCloid", "cancels": cancels})


def _modify(dice: random.Random) -> Json:
    return _flagged(dice, "a", {"type": "modify", **_modification(dice)})


def _batch_modify(dice: random.Random) -> Json:
    modifies = [_modification(dice) for _ in range(dice.randrange(1, 5))]
    return _flagged(dice, "a", {"type": "batchModify", "modifies": modifies})


def _update_leverage(dice: random.Random) -> Json:
    leverage = dice.choice((1, 5, 40, 200, 2**32 - 1))
    return {"type": "updateLeverage", "asset": _asset(dice), "isCross": dice.random() < 0.5, "leverage": leverage}


def _schedule_cancel(dice: random.Random) -> Json:
    return {"type": "scheduleCancel", "time": _oid(dice)} if dice.random() < 0.7 else {"type": "scheduleCancel"}


def _noop(_dice: random.Random) -> Json:
    return {"type": "noop"}


def _usd(dice: random.Random) -> int:
    return dice.randrange(1, 2 ** dice.choice((7, 16, 32, 53)))


def _name(dice: random.Random, least: int, most: int) -> str:
    return "".join(dice.choice('az09 "\\\n\u00e9\u4e2d\U0001f600') for _ in range(dice.randint(least, most)))


def _amount(dice: random.Random) -> str:
    """As Python prints a float, so with a zero at the end of whole numbers."""
    return str(dice.randrange(1, 10**9) / 10 ** dice.randrange(4))


def _twap_order(dice: random.Random) -> Json:
    twap = {
        "a": _asset(dice),
        "b": dice.random() < 0.5,
        "s": _size(dice),
        "r": dice.random() < 0.5,
        "m": dice.randrange(5, 1441),
        "t": dice.random() < 0.5,
    }
    trigger = {"p": _price(dice), "a": dice.random() < 0.5} if dice.random() < 0.5 else None
    details = {"t": trigger, "s": _price(dice) if dice.random() < 0.5 else None}
    action: Json = {"type": "twapOrder", "twap": twap}
    return {**action, "details": details} if dice.random() < 0.5 else action


def _oracle(dice: random.Random) -> Json:
    def prices() -> list[Any]:
        return [[f"test:{name}", _amount(dice)] for name in sorted(dice.sample("ABCDEFG", dice.randrange(5)))]

    marks = [prices() for _ in range(dice.randrange(3))]
    oracle = {"dex": "test", "oraclePxs": prices(), "markPxs": marks, "externalPerpPxs": prices()}
    return {"type": "perpDeploy", "setOracle": oracle}


def _plain(kind: str, /, **members: Callable[[random.Random], Any]) -> Callable[[random.Random], Json]:
    """What makes an action whose members are each made by themselves."""
    return lambda dice: {"type": kind, **{member: make(dice) for member, make in members.items()}}


def _flag(dice: random.Random) -> bool:
    return dice.random() < 0.5


def _address(dice: random.Random) -> str:
    return random_hex(dice, 40)


def _token(dice: random.Random) -> str:
    return dice.choice(("USDC", "PURR:" + random_hex(dice, 32)))


def _text(least: int, most: int) -> Callable[[random.Random], str]:
    return lambda dice: _name(dice, least, most)


def _of(*words: Any) -> Callable[[random.Random], Any]:
    return lambda dice: dice.choice(words)


_FLAG_OR_NULL = (True, False, None)

MAKERS: dict[str, tuple[Callable[[random.Random], Json], int]] = {
    "order": (_orders, 6),
    "cancel": (_cancel, 2),
    "cancelByCloid": (_cancel_by_cloid, 2),
    "modify": (_modify, 6),
    "batchModify": (_batch_modify, 3),
    "updateLeverage": (_update_leverage, 1),
    "scheduleCancel": (_schedule_cancel, 1),
    "noop": (_noop, 1),
    "twapOrder": (_twap_order, 1),
    "twapCancel": (_plain("twapCancel", a=_asset, t=_oid), 1),
    "updateIsolatedMargin": (
        _plain("updateIsolatedMargin", asset=_asset, isBuy=_flag, ntli=lambda dice: dice.choice((-1, 1)) * _usd(dice)),
        1,
    ),
    "topUpIsolatedOnlyMargin": (_plain("topUpIsolatedOnlyMargin", asset=_asset, leverage=_size), 1),
    "createSubAccount": (_plain("createSubAccount", name=_text(1, 16)), 1),
    "subAccountModify": (_plain("subAccountModify", subAccountUser=_address, name=_text(1, 16)), 1),
    "subAccountTransfer": (_plain("subAccountTransfer", subAccountUser=_address, isDeposit=_flag, usd=_usd), 1),
    "subAccountSpotTransfer": (
        _plain("subAccountSpotTransfer", subAccountUser=_address, isDeposit=_flag, token=_token, amount=_amount),
        1,
    ),
    "createVault": (
        _plain("createVault", name=_text(3, 50), description=_text(10, 250), initialUsd=_usd, nonce=_oid),
        1,
    ),
    "vaultTransfer": (_plain("vaultTransfer", vaultAddress=_address, isDeposit=_flag, usd=_usd), 1),
    "vaultModify": (
        _plain(
            "vaultModify",
            vaultAddress=_address,
            allowDeposits=_of(*_FLAG_OR_NULL),
            alwaysCloseOnWithdraw=_of(*_FLAG_OR_NULL),
        ),
        1,
    ),
    "vaultDistribute": (_plain("vaultDistribute", vaultAddress=_address, usd=_usd), 1),
    "agentSendAsset": (
        _plain(
            "agentSendAsset",
            destination=_address,
            sourceDex=_of("", "spot", "test"),
            destinationDex=_of("", "spot", "test"),
            token=_of("USDC"),
            amount=_size,
            fromSubAccount=lambda dice: dice.choice(("", _address(dice))),
            nonce=_oid,
        ),
        1,
    ),
    "borrowLend": (
        _plain(
            "borrowLend",
            operation=_of("supply", "withdraw", "repay", "borrow"),
            token=_asset,
            amount=lambda dice: dice.choice((None, _size(dice))),
        ),
        1,
    ),
    "hip3LiquidatorTransfer": (
        _plain("hip3LiquidatorTransfer", dex=_of("test"), ntl=_usd, isDeposit=_flag),
        1,
    ),
    "claimRewards": (_plain("claimRewards"), 1),
    "evmUserModify": (_plain("evmUserModify", usingBigBlocks=_flag), 1),
    "setReferrer": (_plain("setReferrer", code=_text(1, 20)), 1),
    "registerReferrer": (_plain("registerReferrer", code=_text(1, 20)), 1),
    "setDisplayName": (_plain("setDisplayName", displayName=_text(0, 20)), 1),
    "agentEnableDexAbstraction": (_plain("agentEnableDexAbstraction"), 1),
    "agentSetAbstraction": (_plain("agentSetAbstraction", abstraction=_of("i", "u", "p")), 1),
    "reserveRequestWeight": (_plain("reserveRequestWeight", weight=_of(1, 100, 10**12), destination=_address), 1),
    "spotUser": (_plain("spotUser", toggleSpotDusting=lambda dice: {"optOut": _flag(dice)}), 1),
    "gossipPriorityBid": (
        _plain("gossipPriorityBid", slotId=_of(0, 1), ip=_of("203.0.113.7", "2001:db8::7"), maxGas=_usd),
        1,
    ),
    "validatorL1Stream": (_plain("validatorL1Stream", riskFreeRate=_of("0.04", "0.0525")), 1),
    "CSignerAction": (lambda dice: {"type": "CSignerAction", dice.choice(("jailSelf", "unjailSelf")): None}, 1),
    "spotDeploy": (_plain("spotDeploy", registerSpot=lambda dice: {"tokens": [_asset(dice), 0]}), 1),
    "perpDeploy": (_oracle, 1),
}
"""What makes each type, and how often."""


# ---- the same as a client may send them --------------------------------------------------------------


def as_sent(dice: random.Random, value: Any) -> Any:
    """Members in any order, hex digits in any case."""
    match value:
        case dict():
            members = [(name, as_sent(dice, member)) for name, member in value.items()]
            dice.shuffle(members)
            return dict(members)
        case list():
            return [as_sent(dice, member) for member in value]
        case str() if value.startswith("0x"):
            return "0x" + "".join(dice.choice((digit, digit.upper())) for digit in value[2:])
    return value


def with_false_flags(dice: random.Random, action: Json) -> Json:
    """What may be absent may be sent as false."""
    names = {"cancel": "f", "cancelByCloid": "f", "modify": "a", "batchModify": "a"}
    name = names.get(action["type"])
    return {name: False, **action} if name and dice.random() < 0.3 else action
