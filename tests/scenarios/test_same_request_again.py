"""One connection that sends the same head again and again, as a bot does: each request is judged anew."""

import json
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from support.service import START_S, Service


class _Bot:
    """Sends each request in one piece."""

    def __init__(self, service: Service, key: str) -> None:
        at = urlsplit(service.url)
        self.connection = socket.create_connection((str(at.hostname), at.port or 0), timeout=START_S)
        self._head = f"POST /wallets/sign HTTP/1.1\r\nHost: {at.netloc}\r\nX-API-Key: {key}\r\nContent-Length: "

    def send(self, *contents: bytes, cut: int = 0) -> None:
        data = b"".join(f"{self._head}{len(content)}\r\n\r\n".encode() + content for content in contents)
        for piece in (data[:cut], data[cut:]) if cut else (data,):
            self.connection.sendall(piece)

    def answers(self, count: int = 1) -> list[tuple[int, dict[str, str]]]:
        with closing(self.connection.makefile("rb")) as lines:
            return [self._answer(lines) for _ in range(count)]

    @staticmethod
    def _answer(lines: BinaryIO) -> tuple[int, dict[str, str]]:
        status, length = int(lines.readline().split()[1]), 0
        while (line := lines.readline()) != b"\r\n":
            if line.lower().startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        return status, json.loads(lines.read(length))

    def ask(self, content: bytes, cut: int = 0) -> tuple[int, dict[str, str]]:
        self.send(content, cut=cut)
        return self.answers()[0]


@contextmanager
def _bot_of(service: Service) -> Iterator[_Bot]:
    assert service.post("/wallets/generate", {"walletId": "again", "keyType": "ed25519"}).status == 200
    made = service.post("/clients", {"name": "bot", "allow": ["sign-bytes"]})
    bot = _Bot(service, made.json["apiKey"])
    with closing(bot.connection):
        yield bot


@pytest.fixture
def bot(service: Service) -> Iterator[_Bot]:
    with _bot_of(service) as bot:
        yield bot


def _body(message: str) -> bytes:
    return json.dumps({"walletId": "again", "message": message}).encode()


def test_messages_of_every_length_are_signed_as_they_are(service: Service, bot: _Bot) -> None:
    public = Ed25519PublicKey.from_public_bytes(
        bytes.fromhex(service.get("/wallets/again/public-key").json["publicKey"][2:])
    )
    for length in (1, 9, 10, 99, 100, 999, 1000, 5000, 20_000, 3):
        message = "m" * length
        status, answer = bot.ask(_body(message))
        assert status == 200, answer
        public.verify(bytes.fromhex(answer["signature"][2:]), message.encode())


def test_what_comes_in_pieces_or_together_is_read_all_the_same(bot: _Bot) -> None:
    assert bot.ask(_body("one"))[0] == 200
    for cut in (1, 20, 60, 90, 110, 140):
        assert bot.ask(_body("two"), cut=cut)[0] == 200
    bot.send(*(_body(str(number)) for number in range(5)))
    assert [status for status, _ in bot.answers(5)] == [200] * 5


def test_a_bad_body_is_refused_and_the_next_good_one_is_signed(bot: _Bot) -> None:
    assert bot.ask(_body("good"))[0] == 200
    for bad in (b"{", b"[]", b'{"walletId":"again"}', b'{"walletId":"again","walletId":"again","message":"m"}'):
        assert bot.ask(bad)[0] == 400
        assert bot.ask(_body("good"))[0] == 200


def test_a_key_that_is_revoked_in_between_signs_no_more(service: Service, bot: _Bot) -> None:
    assert bot.ask(_body("before"))[0] == 200
    assert bot.ask(_body("before"))[0] == 200
    assert service.post("/clients/bot/revoke", {}).status == 200
    status, answer = bot.ask(_body("after"))
    assert (status, answer["code"]) == (401, "invalid-api-key")


def test_a_wallet_that_is_retired_in_between_signs_no_more(service: Service, bot: _Bot) -> None:
    assert bot.ask(_body("before"))[0] == 200
    assert service.post("/wallets/again/retire", {}).status == 200
    status, answer = bot.ask(_body("after"))
    assert (status, answer["code"]) == (403, "wallet-retired")


def test_each_request_counts_once_against_the_limit(tmp_path: Path) -> None:
    """Also one that is attempted at once and then read with care."""
    with Service.start(tmp_path / "data", HYPERKMS_LIMIT_SIGN="20/h") as service, _bot_of(service) as bot:
        for number in range(20):
            is_bad = number % 4 == 3
            assert bot.ask(b"{" if is_bad else _body("m"))[0] == (400 if is_bad else 200)
        assert bot.ask(_body("m"))[0] == 429
