"""Answers to POST /info, in the exchange's shapes: what the order methods of the official SDK and of ccxt ask for.

Only the default dex ("") exists. An account is worth what was paid into it, 1,000,000 USDC to begin with; profit and
margin are not kept.
"""

from collections.abc import Callable
from decimal import Decimal

from hyperkms.sandbox.account import Account, Leverage, OrderRecord, Position
from hyperkms.sandbox.accounts import Accounts
from hyperkms.sandbox.actions import Order, Trigger
from hyperkms.sandbox.fields import Fields, address, one_of
from hyperkms.sandbox.market import (
    MARKETS,
    all_mids,
    perp_dexs,
    perp_meta,
    perp_meta_and_contexts,
    spot_meta,
    spot_meta_and_contexts,
    token_indices,
)
from hyperkms.sandbox.parsing import order_ref
from hyperkms.sandbox.placing import plain

Json = dict[str, object]


def answer_info(question: object, accounts: Accounts, *, now_ms: int) -> object:
    """Answer one question. Raises `MalformedBody` for an unknown type, member or dex."""
    fields = Fields(question)
    kind = fields.take("type", one_of(*_MARKET_ANSWERS, *_USER_ANSWERS, *_OTHERS))
    if kind != "orderStatus":
        fields.take_optional("dex", one_of(""))
    if kind in _MARKET_ANSWERS:
        fields.finish()
        return _MARKET_ANSWERS[kind]()
    user = fields.take("user", address)
    account = accounts.of(user)
    account.run_schedule(now_ms=now_ms)
    if kind == "orderStatus":
        return _order_status(fields, account)
    if kind == "maxBuilderFee":
        return _builder_fee(fields, account)
    fields.finish()
    if kind == "subAccounts":
        return _sub_accounts(user, accounts, now_ms)
    return _USER_ANSWERS[kind](account, now_ms)


def _builder_fee(fields: Fields, account: Account) -> int:
    """In tenths of a basis point."""
    builder = fields.take("builder", address)
    fields.finish()
    percent = account.builders.get(builder, "0%").removesuffix("%")
    return int(Decimal(percent) * 1000)


def _sub_accounts(user: str, accounts: Accounts, now_ms: int) -> list[Json] | None:
    return [
        {
            "name": name,
            "subAccountUser": where,
            "master": user,
            "clearinghouseState": _clearinghouse_state(accounts.of(where), now_ms),
            "spotState": _spot_state(accounts.of(where), now_ms),
        }
        for where, name in accounts.sub_accounts_of(user).items()
    ] or None


def _order_status(fields: Fields, account: Account) -> Json:
    record = account.find(fields.take("oid", order_ref))
    fields.finish()
    if record is None:
        return {"status": "unknownOid"}
    detail = {"order": _frontend_order(record), "status": record.status, "statusTimestamp": record.status_ms}
    return {"status": "order", "order": detail}


def _open_orders(account: Account, _now_ms: int) -> list[Json]:
    return [_open_order(record) for record in account.open_orders()]


def _frontend_open_orders(account: Account, _now_ms: int) -> list[Json]:
    return [_frontend_order(record) for record in account.open_orders()]


def _open_order(record: OrderRecord) -> Json:
    order = record.order
    shown: Json = {
        "coin": MARKETS[order.asset].coin,
        "side": "B" if order.is_buy else "A",
        "limitPx": order.price,
        "sz": "0" if record.status == "filled" else order.size,
        "oid": record.oid,
        "timestamp": record.placed_ms,
        "origSz": order.size,
        "reduceOnly": order.reduce_only,
    }
    return shown if order.cloid is None else {**shown, "cloid": order.cloid}


def _frontend_order(record: OrderRecord) -> Json:
    return {**_open_order(record), **_terms(record.order), "cloid": record.order.cloid}


def _terms(order: Order) -> Json:
    waiting: Json = {"isPositionTpsl": False, "children": []}
    if not isinstance(order.terms, Trigger):
        plain_terms: Json = {"isTrigger": False, "triggerPx": "0.0", "triggerCondition": "N/A"}
        return {**waiting, **plain_terms, "orderType": "Limit", "tif": order.terms.tif}
    above = order.is_buy == (order.terms.tpsl == "sl")
    return {
        **waiting,
        "isTrigger": True,
        "triggerPx": order.terms.trigger_px,
        "triggerCondition": f"Price {'above' if above else 'below'} {order.terms.trigger_px}",
        "orderType": _trigger_name(order.terms),
        "tif": None,
    }


def _trigger_name(terms: Trigger) -> str:
    purpose = "Stop" if terms.tpsl == "sl" else "Take Profit"
    return f"{purpose} {'Market' if terms.is_market else 'Limit'}"


def _clearinghouse_state(account: Account, now_ms: int) -> Json:
    value = _money(account.funds.perps)
    summary: Json = {
        "accountValue": value,
        "totalNtlPos": "0.0",
        "totalRawUsd": value,
        "totalMarginUsed": "0.0",
    }
    return {
        "marginSummary": summary,
        "crossMarginSummary": summary,
        "crossMaintenanceMarginUsed": "0.0",
        "withdrawable": value,
        "assetPositions": [
            {"type": "oneWay", "position": _position(asset, held, account.leverage.get(asset, Leverage()))}
            for asset, held in account.positions.items()
        ],
        "time": now_ms,
    }


def _spot_state(account: Account, _now_ms: int) -> Json:
    return {
        "balances": [
            {"coin": name, "token": index, "hold": "0.0", "total": _money(account.funds.spot[name]), "entryNtl": "0.0"}
            for name, index in token_indices().items()
        ]
    }


def _money(amount: Decimal) -> str:
    """With a decimal at least, as the exchange writes amounts."""
    text = plain(amount)
    return text if "." in text else f"{text}.0"


def _position(asset: int, held: Position, leverage: Leverage) -> Json:
    market = MARKETS[asset]
    return {
        "coin": market.coin,
        "szi": plain(held.size),
        "entryPx": plain(held.entry),
        "positionValue": plain(abs(held.size) * held.entry),
        "unrealizedPnl": "0.0",
        "returnOnEquity": "0.0",
        "liquidationPx": None,
        "leverage": {"type": "cross" if leverage.is_cross else "isolated", "value": leverage.value},
        "marginUsed": "0.0",
        "maxLeverage": market.max_leverage,
    }


_OTHERS = ("orderStatus", "subAccounts", "maxBuilderFee")
_MARKET_ANSWERS: dict[str, Callable[[], object]] = {
    "meta": perp_meta,
    "spotMeta": spot_meta,
    "allMids": all_mids,
    "metaAndAssetCtxs": perp_meta_and_contexts,
    "spotMetaAndAssetCtxs": spot_meta_and_contexts,
    "perpDexs": perp_dexs,
}
_USER_ANSWERS: dict[str, Callable[[Account, int], object]] = {
    "openOrders": _open_orders,
    "frontendOpenOrders": _frontend_open_orders,
    "clearinghouseState": _clearinghouse_state,
    "spotClearinghouseState": _spot_state,
}
