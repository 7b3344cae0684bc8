"""The MPC half of the demo: two wallets, three cosigners, and what becomes of orders when cosigners are killed."""

from pathlib import Path

from demo import bot, processes
from demo.cosigners import Cosigners, wait_for_all
from demo.errors import DemoFailed
from demo.exchange_log import confirm_each, read_log
from demo.processes import START_IN_SHARES_S
from demo.replies import Line
from demo.table import header
from demo.telling import say, say_running
from demo.two_wallets import IN_SHARES, LARGE, LARGE_USD, ORDERS, SMALL, Desk
from hyperkms.client import NO_RETRIES, Idempotency, Options, SigningClient

OPTIONS = Options(read_s=60, retries=NO_RETRIES, idempotency=Idempotency.ON_REQUEST)
"""A refusal is to be seen as it is, not tried again; to make a key in shares takes some seconds."""


def run(folder: Path, exchange_url: str) -> str:
    """Everything between start and stop of the service; the closing line.

    1. The service, which makes and starts its cosigners.  2. The wallets.  3. Orders, small and large.
    4. One cosigner killed, then two.  5. All back.  6. The exchange's own log.
    """
    cosigners = Cosigners()
    say(f"starting the signing service with three cosigners of its own, each a process (at most {START_IN_SHARES_S} s)")
    with (
        processes.service_in_shares(folder, exchange_url, cosigners.hear) as signing,  # (1)
        SigningClient(signing.url, bot.key_in(folder / "data"), options=OPTIONS) as client,
    ):
        say_running(signing)
        wait_for_all(client)
        _say_what_it_protects(client)
        seen = len(read_log(exchange_url))
        desk = Desk.make(client, exchange_url)  # (2)
        say(f"orders of {LARGE_USD} USD and more are signed by {IN_SHARES}, the others by {desk.agent.id}")
        print(header())
        lines = [line for order in ORDERS for line in desk.place(order)]  # (3)
        lines += _kill(desk, cosigners)  # (4)
        say("they are started again by the service; waiting until they answer")
        wait_for_all(client)
        lines += desk.place(LARGE)  # (5)
        refused = sum(not line.accepted for line in lines)
        if refused:
            raise DemoFailed(f"{refused} of {len(lines)} orders were not accepted")
        posts = confirm_each(read_log(exchange_url)[seen:], lines, desk.addresses)  # (6)
        say("stopping the service; its cosigners end with it")
    return f"all {posts} orders were accepted, and the exchange recovered the address of the wallet that was to sign"


def _kill(desk: Desk, cosigners: Cosigners) -> list[Line]:
    say(f"killing cosigner 2 (pid {cosigners.pid_of(2)}), and again whenever the service starts it: two are left")
    with cosigners.killed(desk.client, 2):
        lines = desk.place(LARGE)
    wait_for_all(desk.client)
    pids = f"{cosigners.pid_of(2)} and {cosigners.pid_of(3)}"
    say(f"killing cosigners 2 and 3 (pids {pids}) in the same way: one is left, and two are needed")
    with cosigners.killed(desk.client, 2, 3):
        say(f"refused: {desk.refusal_of(LARGE)}")
        say("an order that needs no cosigner is signed meanwhile")
        lines += desk.place(SMALL)
    return lines


def _say_what_it_protects(client: SigningClient) -> None:
    status = client.get("/mpc/status")
    say(f"{status['threshold']} of {status['totalShares']} cosigners sign together; no process ever has the whole key")
    if status["deployment"] != "embedded" or status["audited"]["secp256k1"] is not False:
        raise DemoFailed("/mpc/status does not say that the cosigners are embedded and DKLs23 is not audited")
    say(f"they are embedded, started by the service on its own machine: that {status['protects']}")
    say("production refuses that: there each runs on a host of its own, with an operator of its own (docs/mpc.md)")
    say(f"{status['protocol']['secp256k1']}, by which secp256k1 is signed in shares, had NO public audit")
