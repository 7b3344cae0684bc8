"""A service with cosigners that it runs itself, and its signatures as independent libraries check them."""

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_account import Account
from eth_account.messages import encode_defunct

from support.service import START_S, Service
from support.until import until


@contextmanager
def service_in_shares(folder: Path, *flags: str, **settings: str) -> Iterator[Service]:
    """It starts and watches three cosigners, of which two sign."""
    with Service.start(folder / "data", *flags, MPC_ENABLED="true", **settings) as running:
        yield running


def generate(service: Service, wallet: str, **members: object) -> Any:
    """A wallet in shares that must come into being."""
    answer = service.post("/mpc/wallets/generate", {"walletId": wallet, **members})
    assert answer.status == 200, answer.body
    return answer.json["wallet"]


def sign(service: Service, wallet: str, message: str = "hello", **members: object) -> Any:
    """A signature of a message that must come into being, and is checked."""
    answer = service.post("/mpc/wallets/sign", {"walletId": wallet, "message": message, **members})
    assert answer.status == 200, answer.body
    check_message(answer.json, message)
    return answer.json


def check_message(signed: Any, message: str) -> None:
    """The signature is one of the message by the wallet's key; an exception otherwise."""
    signature = bytes.fromhex(signed["signature"].removeprefix("0x"))
    if "address" in signed:
        signer = Account.recover_message(encode_defunct(text=message), signature=signature)
        assert signer.lower() == signed["address"]
    else:
        key = bytes.fromhex(signed["publicKey"].removeprefix("0x"))
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message.encode())


def post_to_exchange(url: str, signed: Any) -> Any:
    """What the exchange answers to an action as it was answered by a signing route."""
    signature = signed["signature"]
    if isinstance(signature, str):
        text = signature.removeprefix("0x")
        signature = {"r": "0x" + text[:64], "s": "0x" + text[64:128], "v": int(text[128:], 16)}
    body = {"action": signed["action"], "nonce": signed["nonce"], "signature": signature, "vaultAddress": None}
    body["expiresAfter"] = signed["expiresAfter"]
    request = urllib.request.Request(  # noqa: S310 (the sandbox on loopback)
        f"{url}/exchange", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=START_S) as answer:  # noqa: S310 (as above)
        return json.load(answer)


def cosigner_pids(service: Service) -> dict[int, int]:
    """The newest process of each cosigner, by its index."""
    events = (json.loads(line) for line in list(service.lines))
    return {event["cosigner"]: event["pid"] for event in events if event["event"] == "cosigner-started"}


def alive(service: Service) -> list[int]:
    """Who answers, as /mpc/status says."""
    return [one["index"] for one in service.get("/mpc/status", headers={}).json["cosigners"] if one["alive"]]


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """These processes do nothing within the block, and go on after it."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def wait_for_all(service: Service) -> None:
    """Until every cosigner answers again."""
    until(lambda: alive(service) == [1, 2, 3])
