"""The client library with a key that signs its requests, in place of an API key."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from hyperkms import _core
from hyperkms.client import (
    ActionToSign,
    AsyncSigningClient,
    MessageToSign,
    Misconfigured,
    Refused,
    SigningClient,
    create_request_key,
)
from hyperkms.client.calls import Calls, Idempotency
from hyperkms.client.endpoint import parse_endpoint
from hyperkms.client.hyperliquid_sdk import RemoteWallet
from hyperkms.client.request_key import RequestSigner
from hyperkms.client.wire import Wire
from support.service import Service
from support.signed import Request
from support.signing_clients import KINDS, asking

NOOP = {"type": "noop"}
ID = "5e" * 16


@dataclass(frozen=True)
class Bot:
    """A client of the service, and its private key."""

    path: Path
    public_key: str
    service: str


def _registered(service: Service, folder: Path, name: str = "bot", *allow: str) -> Bot:
    path = folder / f"{name}.key"
    public_key = create_request_key(path)
    allowed = list(allow) or ["trade", "sign-bytes", "generate"]
    made = service.post("/clients", {"name": name, "allow": allowed, "publicKey": public_key})
    assert made.status == 200, made.body
    return Bot(path, public_key, made.json["service"])


@contextmanager
def _client(kind: str, url: str, bot: Bot) -> Iterator[Any]:
    made = SigningClient if kind == "synchronous" else AsyncSigningClient
    with asking(made(url, request_key=bot.path, service=bot.service)) as client:
        yield client


@pytest.mark.parametrize("kind", KINDS)
def test_everything_that_an_api_key_does_a_signature_does(service: Service, tmp_path: Path, kind: str) -> None:
    bot = _registered(service, tmp_path)
    with _client(kind, service.url, bot) as client:
        client.generate("e", key_type="ed25519")
        wallet = client.generate("k", key_type="secp256k1", network="testnet", idempotency_key="make-k")
        assert client.generate("k", key_type="secp256k1", network="testnet", idempotency_key="make-k") == wallet
        assert {one.wallet_id for one in client.wallets(page=1)} == {"e", "k"}
        assert client.sign_message("e", "hello") is not None
        assert client.sign_action("k", NOOP).address == wallet.address
        once = client.sign_action("k", NOOP, idempotency_key="once")
        assert client.sign_action("k", NOOP, idempotency_key="once") == once
        assert len(client.sign_messages([MessageToSign(wallet_id="e", message=str(n)) for n in range(100)])) == 100
        assert len(client.sign_actions([ActionToSign(wallet_id="k", action=NOOP)] * 60)) == 60
        with pytest.raises(Refused) as refused:
            client.get("/clients")
        assert refused.value.code == "scope-missing"


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_that_is_sent_again_is_signed_anew(tmp_path: Path, kind: str) -> None:
    """The second is refused with 429 at first; its repetition is no replay."""
    with Service.start(tmp_path / "data", HYPERKMS_LIMIT_SIGN="1/s:1") as service:
        service.generate("e")
        bot = _registered(service, tmp_path)
        with _client(kind, service.url, bot) as client:
            assert [client.sign_message("e", "hello").wallet_id for _ in range(3)] == ["e"] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_it_works_over_the_unix_socket(tmp_path: Path, kind: str) -> None:
    with Service.start(tmp_path / "data", "--uds", str(tmp_path / "s")) as service:
        service.generate("e")
        bot = _registered(service, tmp_path)
        with _client(kind, f"unix:{tmp_path / 's'}", bot) as client:
            assert client.sign_message("e", "hello").wallet_id == "e"


def test_the_adapter_of_the_official_sdk_takes_such_a_client(service: Service, tmp_path: Path) -> None:
    wallet = service.generate("k", keyType="secp256k1")
    bot = _registered(service, tmp_path)
    with SigningClient(service.url, request_key=bot.path, service=bot.service) as client:
        remote = RemoteWallet(client, "k")
        assert (remote.address, remote.sign_action(NOOP).address) == (wallet["address"], wallet["address"])


def test_the_environment_names_key_and_service(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = _registered(service, tmp_path)
    for name in ("HYPERKMS_API_KEY", "HYPERKMS_SERVICE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HYPERKMS_URL", service.url)
    monkeypatch.setenv("HYPERKMS_REQUEST_KEY", str(bot.path))
    with pytest.raises(Misconfigured, match="HYPERKMS_SERVICE"):
        SigningClient.from_environment()
    monkeypatch.setenv("HYPERKMS_SERVICE", bot.service)
    with SigningClient.from_environment() as client:
        assert list(client.wallets()) == []
    monkeypatch.setenv("HYPERKMS_API_KEY", "hk_x")
    with pytest.raises(Misconfigured, match="one of the two"):
        SigningClient.from_environment()


def test_a_key_for_another_service_is_told_so(service: Service, tmp_path: Path) -> None:
    bot = _registered(service, tmp_path)
    with (
        SigningClient(service.url, request_key=bot.path, service="00" * 16) as client,
        pytest.raises(Refused) as refused,
    ):
        client.wallet("k")
    assert refused.value.code == "request-for-another-service"


def test_what_no_client_can_be_made_of_is_refused(tmp_path: Path) -> None:
    create_request_key(tmp_path / "bot.key")
    (tmp_path / "wallet.key").write_text("01" * 32)
    (tmp_path / "wallet.key").chmod(0o600)
    for wrong in (
        {},
        {"request_key": tmp_path / "bot.key"},
        {"request_key": tmp_path / "bot.key", "service": "x"},
        {"request_key": tmp_path / "bot.key", "service": ID, "api_key": "hk_x"},
        {"api_key": "hk_x", "service": ID},
        {"request_key": tmp_path / "wallet.key", "service": ID},
        {"request_key": tmp_path / "missing", "service": ID},
    ):
        for kind in (SigningClient, AsyncSigningClient):
            with pytest.raises(Misconfigured):
                kind("http://127.0.0.1:1", **wrong)


def test_the_path_is_signed_as_the_service_sees_it_behind_a_prefix(tmp_path: Path) -> None:
    create_request_key(tmp_path / "bot.key")
    wire = Wire(parse_endpoint("https://desk.example/kms"), RequestSigner(tmp_path / "bot.key", ID))
    call = Calls(Idempotency.ON_REQUEST).sign_action(ActionToSign(wallet_id="k", action=NOOP), "a-key")
    head, _, body = wire.bytes_of(call).partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    assert lines[0] == "POST /kms/hyperliquid/sign HTTP/1.1"
    assert "X-API-Key" not in headers
    header = headers["Hyperkms-Signature"]
    members = dict(member.split("=") for member in header.removeprefix("v1 ").split(","))
    signed = Request(
        method="POST",
        target="/hyperliquid/sign",
        body=body,
        key=bytes.fromhex(members["key"]),
        service=bytes.fromhex(ID),
        time=int(members["ts"]),
        id=members["id"],
        idempotency_key=headers["Idempotency-Key"],
    )
    public = _core.RequestKey.open(tmp_path / "bot.key").public_key
    Ed25519PublicKey.from_public_bytes(public).verify(bytes.fromhex(members["sig"]), signed.message())
    assert wire.bytes_of(call) != wire.bytes_of(call), "no two are the same"


_FORKING = """
import os, sys
from hyperkms.client import Misconfigured
from hyperkms.client.request_key import RequestSigner

signer = RequestSigner(sys.argv[1], "5e" * 16)
if (child := os.fork()) == 0:
    try:
        signer.header("GET", b"/", b"", "")
    except Misconfigured:
        os._exit(0)
    os._exit(1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(signer.header("GET", b"/", b"", "")))
"""


def test_a_forked_child_says_that_it_has_no_key_and_its_parent_signs_on(tmp_path: Path) -> None:
    create_request_key(tmp_path / "bot.key")
    words = [sys.executable, "-c", _FORKING, str(tmp_path / "bot.key")]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "245"], done.stderr
