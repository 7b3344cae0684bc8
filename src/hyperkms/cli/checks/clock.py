"""The clock: a nonce is a time, and the exchange refuses one that is not near its own."""

import ctypes
import http.client
import sys
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from hyperkms.cli.checks.finding import Finding, bad, good, note
from hyperkms.config import Config
from hyperkms.wallet import Network

TIMEOUT_S = 3.0
NOTABLE_S = 2.0
TOO_FAR_S = 5.0
"""Beyond it nonces stop being allocated, and beyond a minute orders are refused."""
_UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
_TIMEX_BYTES = 512  # struct timex has 208; with modes = 0 it is only written to
_DO = "set the clock by NTP: timedatectl set-ntp true, or chrony"


def against_the_exchange(config: Config) -> Iterator[Finding]:
    """How far it is from the Date that the exchange answers with; a note if it does not answer."""
    url = config.mainnet_url if config.default_network is Network.MAINNET else config.testnet_url
    try:
        there, before, after = _date_of(url)
    except (OSError, http.client.HTTPException, ValueError, TypeError) as error:
        words = f"not compared: {url} did not say its time ({type(error).__name__})"
        yield note("clock", words, "look whether this machine may reach the exchange")
        return
    # The header has whole seconds: its second began at `there` and the answer was made between the two.
    off = max(before - (there + 1), there - after, 0.0)
    words = f"{off:.1f} s from {url}" if off else f"agrees with {url}"
    if off > TOO_FAR_S:
        yield bad("clock", words, _DO)
    elif off > NOTABLE_S:
        yield note("clock", words, _DO)
    else:
        yield good("clock", words)


def synchronised() -> Iterator[Finding]:
    """Whether the kernel says that something keeps its clock."""
    if not sys.platform.startswith("linux"):
        return
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        state = -1
    if state < 0:
        yield note("clock", "the kernel does not say whether something keeps the clock")
    elif state == _UNSYNCHRONISED:
        yield note("clock", "nothing that the kernel knows of keeps it (a container's host may)", _DO)
    else:
        yield good("clock", "is kept by NTP, as the kernel says")


def _date_of(url: str) -> tuple[float, float, float]:
    """The Date header, and when the request was sent and answered; seconds since 1970."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(str(parts.hostname), parts.port, timeout=TIMEOUT_S)
    try:
        before = time.time()
        connection.request("HEAD", parts.path or "/")
        date = connection.getresponse().getheader("Date")
        return parsedate_to_datetime(date or "").timestamp(), before, time.time()
    finally:
        connection.close()
