"""PostgreSQL is killed under load: refusals while it is away, nothing answered is lost, and it goes on by itself."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support import databases
from support.postgres import PostgresServer, new_server
from support.service import Answer, Service
from support.until import until

BOTS = 4
KILLS = int(os.environ.get("HYPERKMS_TEST_KILLS", "2"))


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """One that this test may kill: others share the usual one."""
    made = new_server()
    yield made
    made.remove()


class Bot(threading.Thread):
    """Makes wallets and signs, one request after the other, each with an Idempotency-Key, and repeats what failed."""

    def __init__(self, service: Service, number: int) -> None:
        super().__init__()
        self._service = service
        self._number = number
        self.ending = threading.Event()
        self.made: list[str] = []
        self.signed: dict[str, bytes] = {}
        self.refused: set[int] = set()

    def run(self) -> None:
        turn = 0
        while not self.ending.is_set():
            turn += 1
            wallet = f"w-{self._number}-{turn}"
            if self._done("/wallets/generate", {"walletId": wallet}, wallet) is None:
                return
            self.made.append(wallet)
            key = f"sign-{wallet}"
            answer = self._done("/wallets/sign", {"walletId": wallet, "message": "m"}, key)
            if answer is None:
                return
            self.signed[key] = answer.body

    def _done(self, path: str, body: object, key: str) -> Answer | None:
        """The answer, however long it takes; None once the test ends."""
        while not self.ending.is_set():
            headers = {"X-API-Key": self._service.key, "Idempotency-Key": key}
            answer = self._service.request("POST", path, body, headers=headers)
            if answer.status == 200:
                return answer
            self.refused.add(answer.status)
        return None


@contextmanager
def bots(service: Service) -> Iterator[list[Bot]]:
    """Under way within this block, ended after it."""
    running = [Bot(service, number) for number in range(BOTS)]
    for bot in running:
        bot.start()
    try:
        yield running
    finally:
        for bot in running:
            bot.ending.set()
        for bot in running:
            bot.join()


def test_it_goes_on_by_itself_after_postgresql_was_killed_and_started_again(
    server: PostgresServer, tmp_path: Path
) -> None:
    address = server.migrated("killed")
    settings = {"HYPERKMS_DATABASE": str(address)}
    with (
        databases.on(databases.SQLITE),
        Service.start(tmp_path / "data", **settings) as service,
        bots(service) as running,
    ):
        for _ in range(KILLS):
            before = sum(len(bot.made) for bot in running)
            until(lambda before=before: sum(len(bot.made) for bot in running) > before + 8)  # type: ignore[misc]
            server.kill()
            until(lambda: service.get("/ready").status == 503)
            server.start()
            until(lambda: service.get("/ready").status == 200)
        before = sum(len(bot.made) for bot in running)
        until(lambda: sum(len(bot.made) for bot in running) > before + 8)
    assert set().union(*(bot.refused for bot in running)) <= {503, 409}
    assert any(503 in bot.refused for bot in running)
    made = {wallet for bot in running for wallet in bot.made}
    signed = {key: body for bot in running for key, body in bot.signed.items()}
    with databases.on(databases.SQLITE), Service.start(tmp_path / "data", **settings) as service:
        listed = {str(row[0]) for row in server.execute("killed", "SELECT wallet FROM sealed_keys")}
        assert made <= listed
        for key, body in signed.items():
            again = {"X-API-Key": service.key, "Idempotency-Key": key}
            wallet = key.removeprefix("sign-")
            answer = service.request("POST", "/wallets/sign", {"walletId": wallet, "message": "m"}, headers=again)
            assert (answer.status, answer.body) == (200, body)
