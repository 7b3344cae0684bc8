"""The HTTP face: statuses, /info and /sandbox/*."""

import asyncio
from typing import Any

import httpx
import pytest

from hyperkms.sandbox.actions import Limit, Order, PlaceOrders, Trigger
from hyperkms.sandbox.app import MAX_BODY_BYTES, create_app
from hyperkms.sandbox.applying import apply
from hyperkms.sandbox.exchange import Exchange
from hyperkms.sandbox.placing import Moment

NOW = 1_780_000_000_000
USER = "0x8f7e6d5c4b3a29180716253443526170f1e2d3c4"
CLOID = "0x1234567890abcdef1234567890abcdef"
MALFORMED = "Failed to deserialize the JSON body into the target type"


@pytest.fixture
def exchange() -> Exchange:
    return Exchange(funded=[USER], clock=lambda: NOW)


class Client:
    """A client of the app, without a network in between."""

    def __init__(self, exchange: Exchange) -> None:
        self._transport = httpx.ASGITransport(create_app(exchange))

    def get(self, path: str) -> httpx.Response:
        return self._send(httpx.Request("GET", f"http://sandbox{path}"))

    def post(self, path: str, *, json: object = None, content: bytes | None = None) -> httpx.Response:
        return self._send(httpx.Request("POST", f"http://sandbox{path}", json=json, content=content))

    def _send(self, request: httpx.Request) -> httpx.Response:
        async def send() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport) as client:
                return await client.send(request)

        return asyncio.run(send())


@pytest.fixture
def client(exchange: Exchange) -> Client:
    return Client(exchange)


def _ask(client: Client, **question: object) -> Any:
    response = client.post("/info", json=question)
    assert response.status_code == 200
    return response.json()


def _place(exchange: Exchange, *orders: Order) -> None:
    account = exchange.accounts.acting_for(USER, None, now_ms=0)
    oids = iter(range(1, 10))
    apply(PlaceOrders(orders, "na", None), account, Moment(NOW, oids.__next__))


def _resting() -> Order:
    return Order(0, is_buy=True, price="60000", size="0.01", reduce_only=False, terms=Limit("Gtc"), cloid=CLOID)


def _stop() -> Order:
    terms = Trigger(is_market=True, trigger_px="59000", tpsl="sl")
    return Order(0, is_buy=False, price="58000", size="0.01", reduce_only=True, terms=terms, cloid=None)


@pytest.mark.parametrize("path", ["/exchange", "/info"])
def test_malformed_json_gets_422_in_plain_text(client: Client, path: str) -> None:
    response = client.post(path, content=b'{"type": ')
    assert response.status_code == 422
    assert response.text == MALFORMED
    assert response.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/exchange", "/info", "/sandbox/clock"])
def test_a_body_over_one_mebibyte_is_refused(client: Client, path: str) -> None:
    assert client.post(path, content=b" " * MAX_BODY_BYTES).status_code == 422
    assert client.post(path, content=b" " * (MAX_BODY_BYTES + 1)).status_code == 413


def test_a_rate_limited_answer_is_a_json_null(client: Client) -> None:
    assert client.post("/sandbox/faults", json={"rateLimitNext": 1}).json() == {"status": "ok"}
    response = client.post("/exchange", json={})
    assert (response.status_code, response.text) == (429, "null")


def test_the_perpetual_universe_has_names_decimals_and_leverage(client: Client) -> None:
    universe = _ask(client, type="meta", dex="")["universe"]
    decimals = {coin["name"]: coin["szDecimals"] for coin in universe}
    assert decimals == {"BTC": 5, "ETH": 4, "SOL": 2, "DOGE": 0, "AVAX": 2, "BNB": 3, "ARB": 1, "HYPE": 2}
    assert universe[0]["maxLeverage"] == 40


def test_every_spot_pair_names_known_tokens(client: Client) -> None:
    meta = _ask(client, type="spotMeta")
    tokens = {token["index"]: token["name"] for token in meta["tokens"]}
    pairs = {pair["name"]: [tokens[index] for index in pair["tokens"]] for pair in meta["universe"]}
    assert pairs == {"PURR/USDC": ["PURR", "USDC"], "@107": ["HYPE", "USDC"]}


def test_every_coin_has_a_mid_price(client: Client) -> None:
    mids = _ask(client, type="allMids", dex="")
    assert {"BTC", "HYPE", "PURR/USDC", "@107"} <= mids.keys()
    assert mids["BTC"] == "60000"


@pytest.mark.parametrize(("kind", "plain"), [("metaAndAssetCtxs", "meta"), ("spotMetaAndAssetCtxs", "spotMeta")])
def test_every_market_comes_with_its_state_in_the_same_order(client: Client, kind: str, plain: str) -> None:
    meta, contexts = _ask(client, type=kind)
    assert meta == _ask(client, type=plain)
    mids = _ask(client, type="allMids")
    assert [context["midPx"] for context in contexts] == [mids[market["name"]] for market in meta["universe"]]


def test_there_is_no_dex_but_the_exchanges_own(client: Client) -> None:
    assert _ask(client, type="perpDexs") == [None]


@pytest.mark.parametrize(
    "question",
    [
        {"type": "nothing"},
        {"type": "meta", "dex": "other"},
        {"type": "meta", "x": 1},
        {"type": "openOrders"},
        {"type": "openOrders", "user": "0x12"},
        {"type": "orderStatus", "user": USER, "oid": 1.5},
    ],
)
def test_a_question_that_is_not_known_is_malformed(client: Client, question: dict[str, object]) -> None:
    assert client.post("/info", json=question).status_code == 422


def test_open_orders_are_shown_plain_and_in_detail(exchange: Exchange, client: Client) -> None:
    _place(exchange, _resting(), _stop())
    shown = _ask(client, type="openOrders", user=USER.upper().replace("0X", "0x"))
    assert [(o["coin"], o["side"], o["limitPx"], o["sz"], o["oid"], o["timestamp"]) for o in shown] == [
        ("BTC", "B", "60000", "0.01", 1, NOW),
        ("BTC", "A", "58000", "0.01", 2, NOW),
    ]
    limit, stop = _ask(client, type="frontendOpenOrders", user=USER, dex="")
    assert (limit["orderType"], limit["tif"], limit["isTrigger"]) == ("Limit", "Gtc", False)
    assert limit["cloid"] == CLOID
    assert (stop["orderType"], stop["triggerCondition"]) == ("Stop Market", "Price below 59000")
    assert stop["reduceOnly"]


def test_the_status_of_an_order_is_found_by_oid_and_cloid(exchange: Exchange, client: Client) -> None:
    _place(exchange, _resting())
    by_oid = _ask(client, type="orderStatus", user=USER, oid=1)
    assert by_oid == _ask(client, type="orderStatus", user=USER, oid=CLOID)
    assert by_oid["status"] == "order"
    assert (by_oid["order"]["status"], by_oid["order"]["order"]["oid"]) == ("open", 1)
    assert _ask(client, type="orderStatus", user=USER, oid=2) == {"status": "unknownOid"}


def test_an_accounts_state_shows_its_positions(exchange: Exchange, client: Client) -> None:
    sale = Order(1, is_buy=False, price="3000", size="1.5", reduce_only=False, terms=Limit("Ioc"), cloid=None)
    _place(exchange, sale)
    state = _ask(client, type="clearinghouseState", user=USER, dex="")
    [held] = state["assetPositions"]
    assert (held["position"]["coin"], held["position"]["szi"], held["position"]["entryPx"]) == (
        "ETH",
        "-1.5",
        "3000",
    )
    assert state["time"] == NOW
    assert float(state["marginSummary"]["accountValue"]) > 0


def test_the_clock_is_moved_over_http(exchange: Exchange, client: Client) -> None:
    assert client.post("/sandbox/clock", json={"stopAtMs": 1000}).json() == {"nowMs": 1000}
    assert client.post("/sandbox/clock", json={"advanceMs": -1}).json() == {"nowMs": 999}
    assert client.post("/sandbox/clock", json={"release": True}).json() == {"nowMs": NOW}
    assert exchange.clock.now_ms() == NOW


def test_faults_are_ordered_over_http(exchange: Exchange, client: Client) -> None:
    order = {"refuseNext": 2, "refuseText": "no", "rateLimitNext": 3, "loseReplyNext": 4, "delayMs": 5}
    client.post("/sandbox/faults", json={**order, "pruneNonces": USER})
    faults = exchange.faults
    assert (faults.refused, faults.refusal_text, faults.rate_limited) == (2, "no", 3)
    assert (faults.lost_replies, faults.delay_ms) == (4, 5)


def test_users_and_agents_are_made_known_over_http(exchange: Exchange, client: Client) -> None:
    user, agent = "0x" + "1" * 40, "0x" + "2" * 40
    client.post("/sandbox/fund", json={"address": user})
    client.post("/sandbox/fund", json={"address": agent, "agentOf": user})
    _place(exchange)
    assert exchange.accounts.acting_for(agent, None, now_ms=0) is exchange.accounts.acting_for(user, None, now_ms=0)


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("clock", {"advanceMs": "1"}),
        ("clock", {"unknown": 1}),
        ("faults", {"refuseNext": -1}),
        ("faults", {"refuseText": 1}),
        ("fund", {}),
    ],
)
def test_a_control_request_that_is_not_understood_is_refused(
    client: Client, path: str, order: dict[str, object]
) -> None:
    assert client.post(f"/sandbox/{path}", json=order).status_code == 422


def test_the_log_is_shown_oldest_first(client: Client) -> None:
    client.post("/exchange", json={"first": 1})
    client.post("/exchange", json={"second": 2})
    entries = client.get("/sandbox/log").json()["entries"]
    assert [entry["posted"] for entry in entries] == [{"first": 1}, {"second": 2}]
    assert entries[0]["answer"] == {"status": 422, "body": MALFORMED, "lost": False}
    assert entries[0]["signer"] is None
