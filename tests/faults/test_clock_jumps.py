"""The clock of a running service jumps, stands still or is older after a restart: no nonce is repeated or falls."""

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from support.keyed import NOOP
from support.service import Answer, Service

LIBRARY = "libfaketimeMT.so.1"
REQUIRED = "HYPERKMS_REQUIRE_FAKETIME"
EACH = 5
JUMPS = {
    "a second ahead": "+1",
    "a second back": "-1",
    "an hour ahead": "+3600",
    "an hour back": "-3600",
    "two days ahead": "+172800",
    "two days back": "-172800",
    "frozen": "",
}
"""As libfaketime reads them; one that is frozen stands still a little ahead of now."""
BEHIND = "nonce-ahead-of-clock"


def _library() -> Path:
    program = shutil.which("faketime")
    found = [] if program is None else sorted(Path("/usr/lib").glob(f"*/faketime/{LIBRARY}"))
    if not found:
        words = "libfaketime is not installed (Debian: apt-get install faketime)"
        if os.environ.get(REQUIRED):
            pytest.fail(f"{REQUIRED} is set, and {words}")
        pytest.skip(words)
    return found[0]


@dataclass
class Clock:
    """The wall clock of the processes that are started with `settings`; what counts from their boot goes on."""

    file: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.jump("+0")
        self.settings = {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def jump(self, to: str) -> None:
        """From now on it says this."""
        if not to:
            to = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time.time() + 2))
        draft = self.file.with_suffix(".new")
        draft.write_text(f"{to}\n")
        draft.replace(self.file)


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Clock:
    return Clock(tmp_path_factory.mktemp("clock") / "says")


@pytest.fixture(scope="module")
def service(clock: Clock, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with Service.start(tmp_path_factory.mktemp("jumps") / "data", **clock.settings) as running:
        yield running


def told(service: Service, wallet: str) -> list[int]:
    """The nonces that were given; what is refused is refused because the clock is behind them.

    A limit that was counted by a later clock is empty at first, and fills as ever.
    """
    nonces = []
    for number in range(EACH):
        key = {"Idempotency-Key": secrets.token_hex(8)} if number % 2 else {}
        answer = _asked(service, {"walletId": wallet, "action": NOOP}, {"X-API-Key": service.key, **key})
        if answer.status == 200:
            nonces.append(answer.json["nonce"])
        else:
            assert (answer.status, answer.json["code"]) == (503, BEHIND), answer.body
    return nonces


def _asked(service: Service, body: object, headers: Mapping[str, str]) -> Answer:
    for _ in range(100):
        answer = service.post("/hyperliquid/sign", body, headers=headers)
        if answer.status != 429:
            break
        time.sleep(0.01)
    return answer


@pytest.mark.parametrize("jump", JUMPS)
def test_no_nonce_is_repeated_or_falls_when_the_clock_jumps(service: Service, clock: Clock, jump: str) -> None:
    wallet = re.sub(r"\W", "-", jump)
    service.generate(wallet, keyType="secp256k1")
    before = told(service, wallet)
    try:
        clock.jump(JUMPS[jump])
        during = told(service, wallet)
    finally:
        clock.jump("+0")
    after = told(service, wallet)
    nonces = [*before, *during, *after]
    assert nonces == sorted(set(nonces)), "each above the one before"
    assert len(before) == EACH
    is_far_back, is_far_ahead = (JUMPS[jump] in signed for signed in (("-3600", "-172800"), ("+3600", "+172800")))
    assert len(during) == (0 if is_far_back else EACH)
    assert len(after) == (0 if is_far_ahead else EACH), "it waits until the clock is there again"


def test_no_nonce_is_repeated_after_a_restart_with_an_older_clock(clock: Clock, tmp_path: Path) -> None:
    nonces: list[int] = []
    for says in ("+0", "-1", "-3600", "+0"):
        clock.jump(says)
        try:
            with Service.start(tmp_path / "data", **clock.settings) as service:
                if not nonces:
                    service.generate("bot", keyType="secp256k1")
                given = told(service, "bot")
        finally:
            clock.jump("+0")
        assert (given == []) is (says == "-3600")
        nonces += given
    assert nonces == sorted(set(nonces))
