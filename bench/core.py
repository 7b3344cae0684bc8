"""The part `core`: one signature in the core, against the libraries that others use."""

import tempfile
import timeit
from pathlib import Path
from typing import Literal

from bench.machine import pinned, server_cpus
from hyperkms import _core

_MESSAGE = b"m" * 64


def key(folder: Path, kind: Literal["ed25519", "secp256k1"]) -> _core.KeyHandle:
    """A fresh key of the core, opened as the service opens it."""
    context = _core.Context(
        wallet="bench", version=1, key_type=kind, network="none" if kind == "ed25519" else "testnet", origin="generated"
    )
    root = _core.LocalRootKey.create(folder / f"{kind}.root")
    data_key, wrapped = root.new_data_key(context)
    sealed = _core.generate_key(context, data_key, wrapped, root.id)
    return _core.open_sealed_key(sealed, context, root.unwrap(wrapped, context))


def raw_rates() -> dict[str, float]:
    """Signatures a second that the core makes on the server's CPU when it does nothing else."""
    with tempfile.TemporaryDirectory() as made, pinned(server_cpus()):
        folder = Path(made)
        ed25519, secp256k1 = key(folder, "ed25519"), key(folder, "secp256k1")
        return {
            "ed25519": 1 / per_call_s(lambda: _core.sign_ed25519_message(ed25519, _MESSAGE)),
            "secp256k1": 1 / per_call_s(lambda: _core.sign_eip191(secp256k1, _MESSAGE)),
        }


def per_call_s(call: "timeit._Stmt", calls: int = 2_000, rounds: int = 7) -> float:
    """Seconds a call, the median of the rounds."""
    timer = timeit.Timer(call)
    timer.timeit(calls // 10)
    return sorted(timer.repeat(rounds, calls))[rounds // 2] / calls
