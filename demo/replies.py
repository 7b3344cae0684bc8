"""The exchange's replies and the posted actions, read for a person."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from demo.errors import ExchangeFailed


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing asked of the exchange, and its answer; what does not apply is empty."""

    who: str
    what: str
    coin: str = ""
    side: str = ""
    size: str = ""
    price: str = ""
    nonce: int | None = None
    signer: str = ""
    accepted: bool
    answer: str


@dataclass(frozen=True)
class Outcome:
    """What the exchange says of one order, cancel or other part of a post."""

    accepted: bool
    words: str
    oid: int | None = None


def lines_of(who: str, signer: str, post: Mapping[str, Any], reply: object, coins: Mapping[int, str]) -> list[Line]:
    """One line for each part of the action of a post; `coins` names the assets."""
    parts = list(_parts(post["action"]))
    outcomes = outcomes_of(reply)
    if len(outcomes) == 1:
        outcomes *= len(parts)
    return [
        Line(
            who=who,
            what=part.what,
            coin="" if part.asset is None else coins.get(part.asset, str(part.asset)),
            side=part.side,
            size=part.size,
            price=part.price,
            nonce=post["nonce"],
            signer=signer,
            accepted=outcome.accepted,
            answer=outcome.words,
        )
        for part, outcome in zip(parts, outcomes, strict=True)
    ]


def outcomes_of(reply: object) -> list[Outcome]:
    """One outcome for each status of a reply; a reply without statuses is one outcome."""
    match reply:
        case {"status": "ok", "response": {"data": {"statuses": [*statuses]}}}:
            return [_outcome(status) for status in statuses]
        case {"status": "ok"}:
            return [Outcome(accepted=True, words="done")]
        case {"status": "err", "response": str(words)}:
            return [Outcome(accepted=False, words=words)]
    raise ExchangeFailed("the exchange answered in a form that is not known")


def resting_oid(reply: object) -> int:
    """The number of the first order of a reply; ExchangeFailed if it does not rest on the book."""
    first = outcomes_of(reply)[0]
    if first.oid is None:
        raise ExchangeFailed(f"the order does not rest on the book: {first.words}")
    return first.oid


def _outcome(status: object) -> Outcome:
    match status:
        case {"resting": {"oid": int(oid)}}:
            return Outcome(accepted=True, words=f"resting, oid {oid}", oid=oid)
        case {"filled": {"oid": int(oid), "totalSz": size, "avgPx": price}}:
            return Outcome(accepted=True, words=f"filled {size} at {price}, oid {oid}")
        case {"error": str(words)}:
            return Outcome(accepted=False, words=words)
        case str(words):
            return Outcome(accepted=True, words=words)
    raise ExchangeFailed("the exchange answered an order in a form that is not known")


@dataclass(frozen=True)
class _Part:
    what: str
    asset: int | None = None
    side: str = ""
    size: str = ""
    price: str = ""


def _parts(action: Mapping[str, Any]) -> Iterator[_Part]:
    match action["type"]:
        case "order":
            yield from (_order("order", order) for order in action["orders"])
        case "batchModify":
            yield from (_order("modify", change["order"]) for change in action["modifies"])
        case "cancel":
            yield from (_Part("cancel", cancel["a"]) for cancel in action["cancels"])
        case "cancelByCloid":
            yield from (_Part("cancel by cloid", cancel["asset"]) for cancel in action["cancels"])
        case "updateLeverage":
            yield _Part(f"leverage {action['leverage']}x", action["asset"])
        case other:
            yield _Part(str(other))


def _order(what: str, order: Mapping[str, Any]) -> _Part:
    return _Part(what, order["a"], "buy" if order["b"] else "sell", order["s"], order["p"])
