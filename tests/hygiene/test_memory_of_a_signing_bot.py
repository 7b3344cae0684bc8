"""The key that signs a bot's requests is not in the memory of the bot, nor in anything it sends or says.

The bot makes a key, opens another that was made before, and signs with both through the library. Then every page that
the kernel hands out is searched for both.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from hyperkms.client import create_request_key
from support.memory_scan import Scanner
from support.sealed_key_reader import Secret
from support.service import START_S, Service

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read through /proc, which is Linux")

BOT = """
import sys
from hyperkms import _core
from hyperkms.client import SigningClient, SigningClientError, create_request_key

_core.start_memory("mlock")  # where it can be searched
url, service, made_before, made_here = sys.argv[1:]
create_request_key(made_here)
clients = [SigningClient(url, request_key=path, service=service) for path in (made_before, made_here)]
for _ in range(200):
    clients[0].sign_message("w", "hello")
    try:
        clients[1].sign_message("w", "hello")
    except SigningClientError as refused:
        told = repr(refused)
held = [*map(repr, clients), *clients]
planted = bytes.fromhex("PLANTED")
print("ready", told, *held, flush=True)
sys.stdin.read()
"""


def _secret_of(path: Path) -> Secret:
    return Secret(bytes.fromhex(path.read_text().split()[1]))


def test_no_request_key_is_in_the_memory_or_the_words_of_a_bot(service: Service, tmp_path: Path) -> None:
    service.generate("w")
    before, here = tmp_path / "before.key", tmp_path / "here.key"
    public_key = create_request_key(before)
    made = service.post("/clients", {"name": "bot", "allow": ["sign-bytes"], "publicKey": public_key})
    planted = Secret(bytes.fromhex(public_key.removeprefix("ed25519:")))
    program = BOT.replace("PLANTED", planted.reveal().hex())
    words = [sys.executable, "-c", program, service.url, made.json["service"], str(before), str(here)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as bot:
        assert bot.stdout is not None
        told = bot.stdout.readline()
        assert told.startswith(b"ready"), told
        secrets = {"made before": _secret_of(before), "made here": _secret_of(here)}
        try:
            memory = Scanner({**secrets, "planted": planted}).look_into(bot.pid)
        finally:
            bot.communicate(timeout=START_S)
    assert {hit.name for hit in memory.hits} == {"planted"}, "the control: its public key is there"
    assert memory.unreadable == []
    logged = "".join(service.lines).encode()
    assert Scanner(secrets).look_at_all([("its words", told), ("the log of the service", logged)]) == []
