"""`make demo`: sandbox and signing service on free ports, the bot, the official SDK, a table, and all is gone again.

Exit status 0 if everything was accepted and the exchange saw the wallet as the signer of all of it; 1 if not;
130 after Ctrl-C.
"""

import os
import signal
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import FrameType
from typing import NoReturn

import requests
from hyperliquid.utils.error import Error as SdkError

from demo import bot, processes, sdk_steps
from demo.errors import DemoFailed
from demo.exchange_log import confirm, read_log
from demo.processes import START_S, Running
from demo.replies import Line
from demo.table import header, row
from hyperkms.client import SigningClient, SigningClientError
from hyperkms.client.hyperliquid_sdk import RemoteExchange, RemoteWallet

WALLET = "demo-bot"
_INTERRUPTED = 130


def main() -> int:
    """Run the demo; whatever ends it, what it started is stopped and its folder is removed."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    # A proxy that the environment names has no business between processes of one machine.
    os.environ["no_proxy"] = "127.0.0.1"
    try:
        with tempfile.TemporaryDirectory(prefix="hyperkms-demo-") as folder:
            closing_line = _run(Path(folder))
    except KeyboardInterrupt:
        return _failed("interrupted; what it started is stopped", _INTERRUPTED)
    except (DemoFailed, SigningClientError) as failure:
        return _failed(str(failure))
    except SdkError as failure:
        return _failed(f"the exchange answered the SDK with {failure.args[0]}")
    except requests.RequestException:
        return _failed("the exchange did not answer the SDK")
    _say(closing_line)
    return 0


def _run(folder: Path) -> str:
    """Everything between start and stop; the closing line.

    1. The sandbox, then the service that asks it for coin names.  2. The wallet.  3. The bot, then the SDK.
    4. The exchange's own log.
    """
    _say(f"starting the sandbox, a stand-in for the exchange (at most {START_S} s)")
    with processes.sandbox(folder) as exchange:  # (1)
        _say_running(exchange)
        _say(f"starting the signing service on an empty data directory, until it is ready (at most {START_S} s)")
        with (
            processes.service(folder, exchange.url) as signing,
            SigningClient(signing.url, _key_in(folder / "data"), options=bot.OPTIONS) as client,
        ):
            _say_running(signing)
            wallet = bot.find_or_create_wallet(client, WALLET)  # (2)
            _say(f"wallet {wallet.id} has the address {wallet.address}")
            lines = _trade(client, wallet, exchange.url)  # (3)
            posts = confirm(read_log(exchange.url), lines, wallet.address)  # (4)
            _say("stopping both")
    return f"all {posts} actions were accepted, and the exchange recovered the wallet's address as signer of each"


def _trade(client: SigningClient, wallet: bot.Wallet, exchange_url: str) -> list[Line]:
    print(header())
    lines = _shown(bot.trade(client, wallet, exchange_url, bot.ORDERS))
    remote = RemoteWallet(client, wallet.id, wallet.address)
    lines += _shown(sdk_steps.trade(RemoteExchange(remote, exchange_url, timeout=bot.TIMEOUT_S)))
    refused = sum(not line.accepted for line in lines)
    if refused:
        raise DemoFailed(f"{refused} of {len(lines)} lines were not accepted")
    return lines


def _key_in(data: Path) -> str:
    return (data / "admin.key").read_text().strip()


def _shown(lines: Iterable[Line]) -> list[Line]:
    kept = []
    for line in lines:
        print(row(line), flush=True)
        kept.append(line)
    return kept


def _say_running(process: Running) -> None:
    _say(f"{process.name} listens on {process.url} (pid {process.pid})")


def _say(words: str) -> None:
    print(f"demo: {words}", flush=True)


def _failed(words: str, status: int = 1) -> int:
    print(f"demo: {words}", file=sys.stderr)
    return status


def _leave(number: int, _frame: FrameType | None) -> NoReturn:
    # Unwinds like any other end, so that nothing is left running.
    sys.exit(128 + number)


if __name__ == "__main__":
    sys.exit(main())
