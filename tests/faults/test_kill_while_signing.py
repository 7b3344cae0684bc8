"""A service that is killed while it signs for many bots has lost no signature that it handed out."""

import http.client
import json
import os
import random
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_account import Account
from eth_account.messages import encode_defunct

from hyperkms.cli.layout import RECORDS
from support.keep_alive import Line, line_to
from support.keyed import NOOP, REPLAYED
from support.record import files_in
from support.service import Service

KILLS = int(os.environ.get("HYPERKMS_TEST_KILLS", "20"))
"""200 outside CI."""
CONNECTIONS = 2
"""For each kind of request, with a key and without."""
LONGEST_S = 0.6
ORDER = {"a": 0, "b": True, "p": "60000", "s": "0.001", "r": False, "t": {"limit": {"tif": "Gtc"}}}
MESSAGE = {"walletId": "bytes", "message": "m"}
ACTION = {"walletId": "bot", "action": {"type": "order", "orders": [ORDER], "grouping": "na"}}
KINDS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "message": ("/wallets/sign", MESSAGE),
    "text": ("/wallets/sign", {"walletId": "bot", "message": "m"}),
    "order": ("/hyperliquid/sign", ACTION),
    "batch": ("/hyperliquid/sign-batch", {"requests": [ACTION, {"walletId": "bot", "action": NOOP}]}),
}


@dataclass
class Bot:
    """One connection, and what it was told over all the lives of the service."""

    name: str
    path: str
    body: Mapping[str, Any]
    keyed: bool
    answers: list[Any] = field(default_factory=list)
    kept: dict[str, bytes] = field(default_factory=dict)
    """Bodies of answers by their key."""
    unanswered: str | None = None
    """The key of the request that the kill cut off."""

    def sign_until_killed(self, service: Service, begun: threading.Event) -> None:
        try:
            with line_to(service) as line:
                while True:
                    self.sign(line)
                    begun.set()
        except (OSError, http.client.HTTPException):
            begun.set()

    def sign(self, line: Line) -> None:
        if not self.keyed:
            self.told(line.post(self.path, self.body).body)
            return
        self.unanswered = f"{self.name}-{len(self.kept)}"
        body = line.post(self.path, self.body, Idempotency_Key=self.unanswered).body
        self.told(body)
        self.kept[self.unanswered] = body
        self.unanswered = None

    def told(self, body: bytes) -> None:
        answer = json.loads(body)
        assert answer["success"], body
        self.answers += answer.get("results", [answer])

    def ask_again(self, line: Line, chosen: Sequence[str]) -> None:
        """The identical answer to what was answered; one answer, from now on the same, to what was cut off."""
        for key in chosen:
            again = line.post(self.path, self.body, Idempotency_Key=key)
            assert (again.body, again.headers[REPLAYED]) == (self.kept[key], "true")
        if self.unanswered:
            key = self.unanswered
            self.sign(line)
            assert line.post(self.path, self.body, Idempotency_Key=key).body == self.kept[key]


@pytest.fixture
def bots() -> Sequence[Bot]:
    return [
        Bot(f"{kind}-{number}-{'keyed' if keyed else 'plain'}", path, body, keyed)
        for kind, (path, body) in KINDS.items()
        for number in range(CONNECTIONS)
        for keyed in (False, True)
    ]


@pytest.mark.timeout(120 + 10 * KILLS)
def test_what_was_answered_before_a_kill_is_in_the_record_and_no_nonce_comes_twice(
    tmp_path: Path, bots: Sequence[Bot]
) -> None:
    data, chance = tmp_path / "data", random.Random()  # noqa: S311 (moments, not keys)
    with Service.start(data) as service:
        service.generate("bytes", keyType="ed25519")
        service.generate("bot", keyType="secp256k1")
    for _ in range(KILLS):
        with Service.start(data) as service:
            assert_wallets_sign(service)
            finish(service, bots, chance)
            kill_while_they_sign(service, bots, chance)
    with Service.start(data) as service:
        assert_wallets_sign(service)
        finish(service, bots, chance)
    assert_all_recorded(data, bots)
    assert min(len(bot.answers) for bot in bots) > KILLS // 4


def kill_while_they_sign(service: Service, bots: Sequence[Bot], chance: random.Random) -> None:
    begun = threading.Event()
    with ThreadPoolExecutor(len(bots)) as pool:
        signing = [pool.submit(bot.sign_until_killed, service, begun) for bot in bots]
        begun.wait()
        timer = threading.Timer(chance.uniform(0, LONGEST_S), service.process.kill)
        timer.start()
        for each in signing:
            each.result()
    timer.join()
    service.kill()


def finish(service: Service, bots: Sequence[Bot], chance: random.Random) -> None:
    """Every request that was cut off, and some that were answered in any of the lives before."""
    with line_to(service) as line:
        for bot in bots:
            bot.ask_again(line, chance.sample(sorted(bot.kept), min(3, len(bot.kept))))


def assert_wallets_sign(service: Service) -> None:
    """Every listed wallet, says another implementation."""
    wallets = service.get("/wallets").json["wallets"]
    assert {wallet["walletId"] for wallet in wallets} == {"bytes", "bot"}
    for wallet in wallets:
        made = service.post("/wallets/sign", {"walletId": wallet["walletId"], "message": "m"}).json
        signature = bytes.fromhex(made["signature"][2:])
        if wallet["keyType"] == "ed25519":
            Ed25519PublicKey.from_public_bytes(bytes.fromhex(wallet["publicKey"][2:])).verify(signature, b"m")
        else:
            signer = Account.recover_message(encode_defunct(text="m"), signature=signature)
            assert signer.lower() == wallet["address"]


def assert_all_recorded(data: Path, bots: Sequence[Bot]) -> None:
    lines = {(line["log"], line["index"]): line["record"] for line in whole_lines(data)}
    used: Counter[int] = Counter()
    for bot in bots:
        for answer in bot.answers:
            receipt, signature = answer["receipt"], answer["signature"]
            record = lines[receipt["log"], receipt["index"]]
            assert record["signature"] == (signature if isinstance(signature, str) else joined(signature))
            assert (record["digest"], record["requestId"]) == (receipt["digest"], receipt["requestId"])
            if "nonce" in answer:
                assert record["signed"]["nonce"] == answer["nonce"]
                used[answer["nonce"]] += 1
    assert used
    assert max(used.values()) == 1
    assert_one_digest_a_nonce(lines.values())


def assert_one_digest_a_nonce(records: Iterable[Any]) -> None:
    """Of the answers that nobody received as well: a nonce that was written down twice is that of one digest."""
    digests: dict[int, set[str]] = {}
    for record in records:
        if "nonce" in record.get("signed", {}):
            digests.setdefault(record["signed"]["nonce"], set()).add(record["digest"])
    assert {len(each) for each in digests.values()} == {1}


def whole_lines(data: Path) -> Iterator[Any]:
    """Of every file; the last line of one may have been cut off."""
    for path in files_in(data / RECORDS):
        *lines, _ = path.read_text().split("\n")
        for number, text in enumerate(lines):
            line = json.loads(text)
            assert line["index"] == number
            yield line


def joined(signature: Mapping[str, Any]) -> str:
    return f"{signature['r']}{signature['s'][2:]}{signature['v']:02x}"
