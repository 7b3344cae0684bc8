"""`make demo`: sandbox and signing service on free ports, the bot, the official SDK, a table, and all is gone again.

`make demo ARGS=--mpc` runs the MPC half: a wallet in shares for large orders, an agent wallet for small ones.

Exit status 0 if everything was accepted and the exchange saw the wallet as the signer of all of it; 1 if not;
130 after Ctrl-C.
"""

import argparse
import os
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import NoReturn

import requests
from hyperliquid.utils.error import Error as SdkError

from demo import bot, mpc_half, processes, sdk_steps
from demo.errors import DemoFailed
from demo.exchange_log import confirm, read_log
from demo.processes import START_S
from demo.replies import Line
from demo.table import header
from demo.telling import say, say_running, shown
from hyperkms.client import SigningClient, SigningClientError
from hyperkms.client.hyperliquid_sdk import RemoteExchange, RemoteWallet

WALLET = "demo-bot"
# Short: below it lie the sockets of cosigners, whose whole path has at most 100 bytes.
PREFIX = "hyperkms-"
_INTERRUPTED = 130


def main() -> int:
    """Run the demo; whatever ends it, what it started is stopped and its folder is removed."""
    parser = argparse.ArgumentParser(prog="python -m demo", description="A service, an exchange, a bot; then gone.")
    parser.add_argument("--mpc", action="store_true", help="large orders signed by a wallet in shares")
    in_shares = parser.parse_args().mpc
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    # A proxy that the environment names has no business between processes of one machine.
    os.environ["no_proxy"] = "127.0.0.1"
    try:
        with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
            closing_line = _run(Path(folder), in_shares=in_shares)
    except KeyboardInterrupt:
        return _failed("interrupted; what it started is stopped", _INTERRUPTED)
    except (DemoFailed, SigningClientError) as failure:
        return _failed(str(failure))
    except SdkError as failure:
        return _failed(f"the exchange answered the SDK with {failure.args[0]}")
    except requests.RequestException:
        return _failed("the exchange did not answer the SDK")
    say(closing_line)
    return 0


def _run(folder: Path, *, in_shares: bool) -> str:
    """The sandbox, and one half of the demo beside it; the closing line."""
    say(f"starting the sandbox, a stand-in for the exchange (at most {START_S} s)")
    with processes.sandbox(folder) as exchange:
        say_running(exchange)
        run = mpc_half.run if in_shares else _run_with_one_key
        return run(folder, exchange.url)


def _run_with_one_key(folder: Path, exchange_url: str) -> str:
    """Everything between start and stop of the service, which asks the sandbox for coin names; the closing line.

    1. The wallet.  2. The bot, then the SDK.  3. The exchange's own log.
    """
    say(f"starting the signing service on an empty data directory, until it is ready (at most {START_S} s)")
    with (
        processes.service(folder, exchange_url) as signing,
        SigningClient(signing.url, bot.key_in(folder / "data"), options=bot.OPTIONS) as client,
    ):
        say_running(signing)
        wallet = bot.find_or_create_wallet(client, WALLET)  # (1)
        say(f"wallet {wallet.id} has the address {wallet.address}")
        lines = _trade(client, wallet, exchange_url)  # (2)
        posts = confirm(read_log(exchange_url), lines, wallet.address)  # (3)
        say("stopping both")
    return f"all {posts} actions were accepted, and the exchange recovered the wallet's address as signer of each"


def _trade(client: SigningClient, wallet: bot.Wallet, exchange_url: str) -> list[Line]:
    print(header())
    lines = shown(bot.trade(client, wallet, exchange_url, bot.ORDERS))
    remote = RemoteWallet(client, wallet.id, wallet.address)
    lines += shown(sdk_steps.trade(RemoteExchange(remote, exchange_url, timeout=bot.TIMEOUT_S)))
    refused = sum(not line.accepted for line in lines)
    if refused:
        raise DemoFailed(f"{refused} of {len(lines)} lines were not accepted")
    return lines


def _failed(words: str, status: int = 1) -> int:
    print(f"demo: {words}", file=sys.stderr)
    return status


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    # Unwinds like any other end, so that nothing is left running.
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
