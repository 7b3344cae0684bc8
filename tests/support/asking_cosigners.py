"""Clients that sign their requests, known at cosigners, and the requests as a coordinator hands them on."""

import json
from typing import Any

from hyperkms.threshold.wire import Asker, SignedRequest
from support.commands import run
from support.cosigners import COORDINATOR, Cosigners
from support.signed import Signer


def known(cosigners: Cosigners, name: str, *allow: str, at: list[int] | None = None, to: str = COORDINATOR) -> Signer:
    """A client with these grants at these cosigners."""
    signer = Signer(to)
    grants = [word for each in allow for word in ("--allow", each)]
    for index in at or cosigners.everyone:
        command(cosigners, index, "client", "create", name, "--public-key", signer.text, *grants)
    return signer


def command(cosigners: Cosigners, index: int, *words: str) -> Any:
    """What a command on the directory of a cosigner prints."""
    process = cosigners.processes[index]
    done = run(*words, "--data", str(process.data), "--json", cwd=process.data.parent, **process.settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def asker(signer: Signer, path: str, body: object, *, client: str = "somebody", **changes: Any) -> Asker:
    """A request as its client has signed it; whose it is the coordinator may say as it likes."""
    request = signer.request("POST", path, body, **changes)
    signed = SignedRequest(
        authorization=signer.sign(request).encode(),
        method=request.method.encode(),
        target=request.target.encode(),
        body=request.body,
        idempotency_key=request.idempotency_key.encode(),
    )
    return Asker(client=client, request_id="r-7", signed=signed)


def refusals(cosigners: Cosigners, index: int, wallet: str) -> list[dict[str, Any]]:
    """The refusals for a wallet in a cosigner's own record."""
    found = command(cosigners, index, "audit", "show", "--wallet", wallet, "--refused")
    return [one["record"] for one in found["records"]]
