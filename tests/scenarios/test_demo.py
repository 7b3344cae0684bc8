"""The demo, its bot and its SDK adapter, against the real service and the real sandbox."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import pytest
from eth_account import Account

pytest.importorskip("hyperliquid", reason="the official SDK is in the dependency group «demo»")

from demo import bot, processes
from demo.errors import LogDisagrees, NotForTrading, ProcessFailed
from demo.exchange_log import confirm, confirm_each, read_log
from demo.sdk_steps import GTC
from hyperliquid.exchange import Exchange

from hyperkms.client import NO_RETRIES, Malformed, NoAnswer, NotSignable, Options, Refused, SigningClient
from hyperkms.client.hyperliquid_sdk import RemoteExchange, RemoteWallet
from support.service import NOWHERE, START_S, Service
from support.signing_clients import ROOM

PROJECT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"(bot|SDK) (.{15}) (.{4}) .*0x\w{4}\.\.\w{4} (.*)")
ROW_IN_SHARES = re.compile(
    r"bot order +(?:BTC|ETH) +(?:buy|sell) +(?P<size>\S+) +\S+ +\d+ +(?P<signer>0x\w{4}\.\.\w{4}) resting, oid \d+"
)
ADDRESSES = re.compile(r"the address (0x[0-9a-f]{40})")
ORDERS_EACH = 8


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with processes.sandbox(tmp_path_factory.mktemp("sandbox")) as running:
        yield running.url


@pytest.fixture(scope="module")
def signing(tmp_path_factory: pytest.TempPathFactory, sandbox: str) -> Iterator[Service]:
    data = tmp_path_factory.mktemp("signing") / "data"
    with Service.start(data, HYPERKMS_TESTNET_URL=sandbox, **ROOM) as running:
        yield running


@contextmanager
def remote_exchange(signing: Service, sandbox: str, wallet: str, **options: Any) -> Iterator[RemoteExchange]:
    with client_of(signing) as client:
        found = bot.find_or_create_wallet(client, wallet)
        yield RemoteExchange(RemoteWallet(client, found.id), sandbox, timeout=START_S, **options)


def client_of(signing: Service) -> SigningClient:
    return SigningClient(signing.url, signing.key, options=bot.OPTIONS)


def run_bot(kms_url: str, key: str, wallet: str, exchange_url: str = NOWHERE) -> "subprocess.CompletedProcess[str]":
    settings = {"KMS_URL": kms_url, "API_KEY": key, "WALLET_ID": wallet, "EXCHANGE_URL": exchange_url}
    return subprocess.run(
        [sys.executable, "-m", "demo.bot"],
        cwd=PROJECT,
        env={"PATH": os.environ["PATH"], **settings},
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )


@contextmanager
def demo(temporary: Path, *words: str) -> "Iterator[subprocess.Popen[str]]":
    """The demo as `make demo` runs it, in a process group of its own."""
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(temporary), "HYPERKMS_ENV": "development"}
    with subprocess.Popen(
        [sys.executable, "-m", "demo", *words],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process


def assert_nothing_is_left(process: "subprocess.Popen[str]", temporary: Path) -> None:
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    assert list(temporary.iterdir()) == []


class Stub:
    """A server that gives every request the same answer (0: it hangs up) and counts what it is asked."""

    def __init__(self, status: int, body: bytes = b"") -> None:
        self.asked: list[str] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                stub.asked.append(f"{self.command} {self.path}")
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.close_connection = True
                if status:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            do_GET = do_POST = answer  # noqa: N815 (the names that http.server calls)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def test_the_demo_ends_with_0_and_its_table_shows_what_was_accepted(tmp_path: Path) -> None:
    with demo(tmp_path) as process:
        shown, complaints = process.communicate(timeout=START_S)
    assert (process.returncode, complaints) == (0, "")
    found = [ROW.fullmatch(line) for line in shown.splitlines()]
    rows = [tuple(cell.strip() for cell in row.groups()) for row in found if row]
    assert [row[:3] for row in rows] == [
        ("bot", "order", "BTC"),
        ("bot", "order", "ETH"),
        ("bot", "order", "SOL"),
        ("SDK", "order", "ETH"),
        ("SDK", "modify", "ETH"),
        ("SDK", "cancel", "ETH"),
        ("SDK", "order", "BTC"),
        ("SDK", "order", "SOL"),
        ("SDK", "cancel by cloid", "BTC"),
        ("SDK", "leverage 5x", "ETH"),
        ("SDK", "scheduleCancel", ""),
        ("SDK", "noop", ""),
    ]
    assert all(re.fullmatch(r"resting, oid \d+|success|done", row[3]) for row in rows)
    assert shown.splitlines()[-1].startswith("demo: all 11 actions were accepted")
    assert "hk_" not in shown
    assert_nothing_is_left(process, tmp_path)


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder below which sockets have short paths."""
    with tempfile.TemporaryDirectory(prefix="hk-") as folder:
        yield Path(folder)


def test_the_mpc_half_signs_what_is_large_in_shares_and_outlives_a_killed_cosigner(short: Path) -> None:
    with demo(short, "--mpc") as process:
        shown, complaints = process.communicate(timeout=300)
    assert (process.returncode, complaints) == (0, ""), shown
    one_key, in_shares = ADDRESSES.findall(shown)
    rows = [ROW_IN_SHARES.fullmatch(line) for line in shown.splitlines()]
    large, small = "0.5", "0.01"
    signers = {row["size"]: row["signer"] for row in rows if row}
    assert signers[small] == signers["0.25"] == f"{one_key[:6]}..{one_key[-4:]}"
    assert signers[large] == signers["4"] == f"{in_shares[:6]}..{in_shares[-4:]}"
    assert [row["size"] for row in rows if row] == [small, large, "0.25", "4", large, small, large]
    lines = iter(shown.splitlines())
    for words in (
        "protects against one process, not against this machine",
        "DKLs23, by which secp256k1 is signed in shares, had NO public audit",
        "BTC 0.01 at 58000 is 580 USD, less than 10000 USD: demo-agent signs",
        "signed by its one key, in this service",
        "BTC 0.5 at 58000 is 29000 USD, 10000 USD and more: demo-master signs",
        "by DKLs23 (not audited)",
        "killing cosigner 2 ",
        "signed by cosigners 1 and 3 together",
        "killing cosigners 2 and 3 ",
        "refused: the signing service answered 503: Insufficient shares: 2 of 3 cosigners are needed",
        "signed by its one key, in this service",
        "they are started again",
        "by DKLs23 (not audited)",
        "all 7 orders were accepted",
    ):
        assert any(words in line for line in lines), f"{words!r} is not where it belongs in\n{shown}"
    assert "hk_" not in shown
    assert_nothing_is_left(process, short)


@pytest.mark.parametrize(
    ("number", "status", "words"),
    [(signal.SIGINT, 130, ()), (signal.SIGTERM, 143, ()), (signal.SIGINT, 130, ("--mpc",))],
)
def test_a_demo_that_is_interrupted_stops_what_it_started(
    short: Path, number: int, status: int, words: tuple[str, ...]
) -> None:
    last = "wallet demo-agent has" if words else "the sandbox listens"
    with demo(short, *words) as process:
        assert process.stdout is not None
        while last not in process.stdout.readline():
            assert process.poll() is None
        process.send_signal(number)
        process.communicate(timeout=START_S)
    assert process.returncode == status
    assert_nothing_is_left(process, short)


def test_a_service_that_refuses_to_start_is_reported_in_its_own_words(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o755)
    with pytest.raises(ProcessFailed, match="open to other users"), processes.service(tmp_path, NOWHERE):
        pass


def test_the_bot_creates_its_wallet_once_and_trades(signing: Service, sandbox: str) -> None:
    first, second = (run_bot(signing.url, signing.key, "once", sandbox) for _ in range(2))
    assert (first.returncode, first.stderr) == (0, "")
    assert (second.returncode, second.stderr) == (0, "")
    address = signing.get("/wallets/once/public-key").json["address"]
    assert f"wallet once, address {address}" in first.stdout
    assert f"wallet once, address {address}" in second.stdout
    assert second.stdout.count("resting, oid") == len(bot.ORDERS)


def test_the_bot_makes_no_wallet_while_the_service_is_down() -> None:
    ended = run_bot(NOWHERE, "hk_any", "w")
    assert ended.returncode == 1
    assert ended.stderr == f"bot: the signing service at {NOWHERE} cannot be reached: Connection refused\n"


def test_the_bot_makes_no_wallet_with_a_wrong_key(signing: Service) -> None:
    before = signing.get("/wallets").json["total"]
    ended = run_bot(signing.url, "hk_wrong", "unwanted")
    assert ended.returncode == 1
    assert ended.stderr.startswith("bot: the signing service answered 401: Unauthorized: Invalid API key")
    assert signing.get("/wallets").json["total"] == before


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (503, b'{"error": "the database is away", "code": "x"}', "answered 503: the database is away"),
        (500, b"", "answered 500 gave no reason"),
        (502, b"<html>", "answered 502 gave no reason"),
        (404, b'{"error": "no route"}', "answered 404: no route"),
        (307, b"", "answered 307 gave no reason"),
        (200, b"<html>", "does not answer as the signing service does"),
        (0, b"", "before the answer"),
    ],
    ids=["unavailable", "error", "gateway", "404 of something else", "redirect", "web page", "hangs up"],
)
def test_the_bot_makes_no_wallet_unless_the_service_says_there_is_none(status: int, body: bytes, words: str) -> None:
    with Stub(status, body) as stub:
        ended = run_bot(stub.url, "hk_any", "w")
    assert ended.returncode == 1
    assert words in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert set(stub.asked) == {"GET /wallets/w/public-key"}


def test_the_bot_makes_no_wallet_when_the_service_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(10)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        options = Options(read_s=0.2, retries=NO_RETRIES)
        with SigningClient(url, "hk_any", options=options) as client, pytest.raises(NoAnswer, match="not answer"):
            bot.find_or_create_wallet(client, "w")
        asked, _ = silent.accept()
        with asked:
            assert asked.recv(100).startswith(b"GET /wallets/w/public-key")
        silent.settimeout(0)
        with pytest.raises(BlockingIOError):
            silent.accept()


def test_the_bot_does_not_trade_with_an_ed25519_wallet(signing: Service) -> None:
    signing.generate("old", keyType="ed25519")
    with client_of(signing) as client, pytest.raises(NotForTrading, match="no secp256k1 key"):
        bot.find_or_create_wallet(client, "old")


def test_an_order_with_too_many_digits_is_reported_in_the_services_words(signing: Service, sandbox: str) -> None:
    orders = (bot.BotOrder(coin="BTC", is_buy=True, size="0.01", price="58000.5"), bot.ORDERS[1])
    with client_of(signing) as client:
        wallet = bot.find_or_create_wallet(client, "digits")
        refused, placed = bot.trade(client, wallet, sandbox, orders)
    assert not refused.accepted
    assert "the nearest the exchange accepts is 58000" in refused.answer
    assert placed.accepted
    with remote_exchange(signing, sandbox, "digits") as exchange, pytest.raises(Malformed, match="nearest") as told:
        exchange.order("BTC", is_buy=True, sz=0.01, limit_px=58000.5, order_type=GTC)
    assert told.value.code == "invalid-price"


def test_exchanges_with_different_wallets_at_once_do_not_mix(signing: Service, sandbox: str) -> None:
    own = Account.create()
    seen = len(read_log(sandbox))
    with remote_exchange(signing, sandbox, "left") as left, remote_exchange(signing, sandbox, "right") as right:
        traders = {"BTC": left, "ETH": right, "SOL": Exchange(own, sandbox, timeout=START_S)}

        def place(coin: str, exchange: Exchange) -> None:
            for _ in range(ORDERS_EACH):
                exchange.order(coin, is_buy=True, sz=1, limit_px=100, order_type=GTC)

        threads = [threading.Thread(target=place, args=trader) for trader in traders.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        expected = {(0, left.wallet.address), (1, right.wallet.address), (2, own.address.lower())}
    posts = [(entry["posted"]["action"]["orders"][0]["a"], entry["signer"]) for entry in read_log(sandbox)[seen:]]
    assert {post: posts.count(post) for post in posts} == dict.fromkeys(expected, ORDERS_EACH)


def test_vault_and_expiry_of_the_sdk_are_signed_and_posted(signing: Service, sandbox: str) -> None:
    vault = "0x" + "5a" * 20
    expiry = time.time_ns() // 1_000_000 + 60_000
    with remote_exchange(signing, sandbox, "vaults", vault_address=vault) as exchange:
        exchange.set_expires_after(expiry)
        assert exchange.schedule_cancel(None)["status"] == "ok"
        entry = read_log(sandbox)[-1]
        assert (entry["posted"]["vaultAddress"], entry["posted"]["expiresAfter"]) == (vault, expiry)
        assert entry["signer"] == exchange.wallet.address


def test_what_is_no_trading_action_is_refused_by_the_policy_and_not_posted(signing: Service, sandbox: str) -> None:
    seen = len(read_log(sandbox))
    with remote_exchange(signing, sandbox, "transfers") as exchange:
        with pytest.raises(Refused, match="trade-only, rule 'allow': usdSend is not allowed") as refused:
            exchange.usd_transfer(1, exchange.wallet.address)
        assert refused.value.code == "action-not-allowed"
        with pytest.raises(Refused, match="trade-only, rule 'allow': approveAgent is not allowed"):
            exchange.approve_agent("x")
        with pytest.raises(Refused, match="trade-only, rule 'allow': createSubAccount is not allowed"):
            exchange.create_sub_account("x")
        with pytest.raises(NotSignable, match="a hash, which says nothing"):
            exchange.wallet.sign_message(b"")
    with pytest.raises(NotSignable, match="use a RemoteWallet"):
        RemoteExchange(Account.create(), sandbox, timeout=START_S).schedule_cancel(None)
    assert len(read_log(sandbox)) == seen


def test_a_report_that_differs_from_the_log_of_the_exchange_is_found(signing: Service, sandbox: str) -> None:
    seen = len(read_log(sandbox))
    with client_of(signing) as client:
        wallet = bot.find_or_create_wallet(client, "reports")
        lines = list(bot.trade(client, wallet, sandbox, bot.ORDERS))
    entries = read_log(sandbox)[seen:]
    assert confirm(entries, lines, wallet.address) == len(bot.ORDERS)
    with pytest.raises(LogDisagrees, match="recovered"):
        confirm(entries, lines, "0x" + "00" * 20)
    with pytest.raises(LogDisagrees, match="not the same"):
        confirm(entries, lines[1:], wallet.address)


def test_a_report_of_two_wallets_is_held_against_the_log_of_each(signing: Service, sandbox: str) -> None:
    seen = len(read_log(sandbox))
    with client_of(signing) as client:
        one, other = (bot.find_or_create_wallet(client, name) for name in ("one", "other"))
        lines = [line for wallet in (one, other) for line in bot.trade(client, wallet, sandbox, bot.ORDERS)]
    entries = read_log(sandbox)[seen:]
    assert confirm_each(entries, lines, (one.address, other.address)) == 2 * len(bot.ORDERS)
    with pytest.raises(LogDisagrees, match="no wallet of the demo"):
        confirm_each(entries, lines, (one.address,))
    with pytest.raises(LogDisagrees, match="not the same"):
        confirm_each(entries, lines[:-1], (one.address, other.address))
