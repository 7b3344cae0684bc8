"""What the service writes to standard output: one JSON line an event, identifiers only."""

import json
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.commands import ADDRESS, KEY, key_file, run
from support.service import START_S, Service, command, environment

CANARY = "canary-4f1d9c"
API_KEY = "canary-4f1d9c-api-key-of-the-environment"


def _requests(service: Service) -> dict[str, int]:
    """Requests that carry the canary wherever a caller can put one; request ids with their status."""
    key = {"X-API-Key": service.key}
    anywhere = {**key, "X-Request-Id": CANARY, "User-Agent": CANARY, "Cookie": CANARY, "Referer": CANARY}
    order = {"action": "order", "coin": CANARY, "isBuy": True, "sz": 1, "limitPx": 1, "timestamp": 1}
    answers = [
        service.post("/wallets/generate", {"walletId": "bytes", "metadata": {CANARY: CANARY}}),
        service.post("/wallets/generate", {"walletId": "bytes", "metadata": {CANARY: CANARY}}),
        service.post("/wallets/generate", {"walletId": "bot", "keyType": "secp256k1"}),
        service.post("/wallets/generate", {"walletId": f"{CANARY} "}),
        service.post("/wallets/sign", {"walletId": "bytes", "message": CANARY}),
        service.post("/wallets/sign", {"walletId": "bot", "message": CANARY}),
        service.post("/wallets/sign", {"walletId": "bot", "message": [CANARY]}),
        service.post("/wallets/sign", {"walletId": "bot", CANARY: CANARY}),
        service.post("/wallets/sign", {"walletId": "bot", "message": "m", CANARY: CANARY}),
        service.post("/wallets/sign-order", {"walletId": "bytes", "orderPayload": {CANARY: CANARY}}),
        service.post("/wallets/sign-order", {"walletId": "bot", "orderPayload": order}),
        service.post("/hyperliquid/sign", {"walletId": "bot", "action": {"type": CANARY}}),
        service.post("/hyperliquid/sign", {"walletId": "bot", "action": {"type": "noop", CANARY: 1}}),
        service.post("/hyperliquid/sign", {"walletId": "bot", "action": {"type": "noop"}, "vaultAddress": CANARY}),
        service.request("POST", "/wallets/sign", raw=f'{{"walletId":"{CANARY}'.encode()),
        service.request("POST", "/wallets/sign", raw=f"\xff{CANARY}".encode("latin-1")),
        service.get(f"/{CANARY}"),
        service.get(f"/wallets/{CANARY}%20/public-key"),
        service.get(f"/wallets?after={CANARY}&{CANARY}={CANARY}"),
        service.get(f"/wallets?limit={CANARY}"),
        service.get("/wallets", headers=anywhere),
        service.get("/wallets", headers={"X-API-Key": CANARY}),
        service.get("/wallets", headers={"Authorization": f"Bearer {CANARY}"}),
        service.get("/wallets", headers={"Authorization": f"Bearer {API_KEY}"}),
        service.get("/health", headers={}),
    ]
    return {answer.headers["x-request-id"]: answer.status for answer in answers}


def _not_http(service: Service) -> None:
    parts = urlsplit(service.url)
    with socket.create_connection((str(parts.hostname), parts.port or 0), timeout=START_S) as connection:
        connection.sendall(f"{CANARY} {CANARY}\r\n{CANARY}\r\n\r\n".encode())
        while connection.recv(4096):
            pass


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, dict[str, int], str]:
    """What a service at the most talkative level wrote: output, errors, what was asked, the administrator's key."""
    folder = tmp_path_factory.mktemp("logs")
    words = command("serve", "--data", str(folder / "data"), "--port", "0")
    with (
        (folder / "out").open("wb") as out,
        (folder / "err").open("wb") as err,
        subprocess.Popen(
            words, stdout=out, stderr=err, cwd=folder, env=environment(LOG_LEVEL="debug", API_KEY=API_KEY)
        ) as process,
    ):
        listening = _listening(folder / "out", process)
        key = (folder / "data" / "admin.key").read_text().strip()
        service = Service(process, folder / "data", listening["url"], key)  # type: ignore[arg-type] # pipes are unused
        asked = _requests(service)
        _not_http(service)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=START_S) == 0
    return (folder / "out").read_text(), (folder / "err").read_text(), asked, key


def _listening(out: Path, process: "subprocess.Popen[bytes]") -> Any:
    """The event that says where it listens, as soon as it is written."""
    while process.poll() is None:
        for line in out.read_text().splitlines(keepends=True):
            if line.endswith("\n") and json.loads(line)["event"] == "listening":
                return json.loads(line)
    raise AssertionError("the service did not start")


Written = tuple[str, str, dict[str, int], str]


def test_every_line_is_one_json_object_of_one_shape(written: Written) -> None:
    lines = written[0].splitlines()
    assert len(lines) > 20
    for line in lines:
        event = json.loads(line)
        assert event.keys() >= {"event", "level", "time"}, line


def test_every_request_has_one_line_with_id_client_wallet_and_duration(written: Written) -> None:
    events = [event for event in map(json.loads, written[0].splitlines()) if event["event"] == "request"]
    assert {event["requestId"]: event["status"] for event in events} == written[2]
    assert len(events) == len(written[2])
    for event in events:
        assert event.keys() >= {"requestId", "client", "wallet", "durationMs", "method", "route", "status"}
        assert event["durationMs"] >= 0
    signed = [event for event in events if event["route"] == "/wallets/sign" and event["status"] == 200]
    assert {(event["client"], event["wallet"]) for event in signed} == {
        ("administrator", "bytes"),
        ("administrator", "bot"),
    }


def test_no_payload_key_or_token_is_written(written: Written) -> None:
    out, errors, _, key = written
    for secret in (CANARY, key, key[11:], API_KEY):
        assert secret not in out
        assert secret not in errors


def test_an_imported_key_is_written_nowhere(tmp_path: Path) -> None:
    file = key_file(tmp_path / "key")
    words = ("--key-type", "secp256k1", "--key-file", str(file), "--data", str(tmp_path / "data"))
    done = run("wallet", "import", "bot", *words, cwd=tmp_path)
    assert done.returncode == 0
    with Service.start(tmp_path / "data", LOG_LEVEL="debug") as running:
        signed = running.post("/hyperliquid/sign", {"walletId": "bot", "action": {"type": "noop"}})
        assert signed.json["address"] == ADDRESS
    written = b"".join((done.stdout, done.stderr, "".join(running.lines).encode(), signed.body))
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    for form in (KEY.encode(), bytes.fromhex(KEY), bytes.fromhex(KEY)[::-1]):
        assert form not in written
        assert form not in stored
