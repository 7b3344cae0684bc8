"""The part `core`: one signature in the core, against the libraries that others use, in one process."""

import statistics
import tempfile
import timeit
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import coincurve
import nacl.bindings
import nacl.signing
from eth_account import Account
from hyperliquid.utils.signing import sign_l1_action

from bench.machine import pinned, server_cpus
from bench.results import Report, Row, at_least
from hyperkms import _core
from hyperkms.hyperliquid.actions import parse_action
from hyperkms.hyperliquid.wire import Numbers, msgpack

PART = "core"
_MESSAGE = b"m" * 64
_NONCE = 1_700_000_000_000
_ORDER: Mapping[str, Any] = {
    "type": "order",
    "orders": [{"a": 0, "b": True, "p": "60000", "s": "0.01", "r": False, "t": {"limit": {"tif": "Gtc"}}}],
    "grouping": "na",
}
_SDK_TIMES = 5.0

Call = Callable[[], object]


def measure(report: Report, *, rounds: int) -> None:
    """Every signature of the core beside its rivals, round by round."""
    report.begin("Core: one signature of 64 bytes or of one order, one thread")
    with tempfile.TemporaryDirectory() as made, pinned(server_cpus()):
        ed25519, secp256k1 = key(Path(made), "ed25519"), key(Path(made), "secp256k1")
        _against(report, _ed25519(ed25519), rounds, least=1.0)
        _against(report, _recoverable(secp256k1), rounds, least=1.0)
        _against(report, _order(secp256k1), rounds, least=_SDK_TIMES)


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
        ed25519, secp256k1 = key(Path(made), "ed25519"), key(Path(made), "secp256k1")
        calls = {
            "ed25519": lambda: _core.sign_ed25519_message(ed25519, _MESSAGE),
            "secp256k1": lambda: _sign_l1(secp256k1, msgpack(_ORDER)),
        }
        return {name: 1e6 / statistics.median(took) for name, took in _timed(calls, rounds=7).items()}


def _ed25519(handle: _core.KeyHandle) -> dict[str, Call]:
    signing = nacl.signing.SigningKey.generate()
    expanded = bytes(signing) + bytes(signing.verify_key)
    return {
        "Ed25519: hyperkms._core": lambda: _core.sign_ed25519_message(handle, _MESSAGE),
        "Ed25519: PyNaCl, nacl.bindings": lambda: nacl.bindings.crypto_sign(_MESSAGE, expanded),
        "Ed25519: PyNaCl, SigningKey": lambda: signing.sign(_MESSAGE),
    }


def _recoverable(handle: _core.KeyHandle) -> dict[str, Call]:
    private = coincurve.PrivateKey()
    digest = _core.keccak256(_MESSAGE)
    return {
        "recoverable secp256k1: hyperkms._core, hashing too": lambda: _core.sign_eip191(handle, _MESSAGE),
        "recoverable secp256k1: coincurve, of a digest": lambda: private.sign_recoverable(digest, hasher=None),
    }


def _order(handle: _core.KeyHandle) -> dict[str, Call]:
    account = Account.create()
    plain = dict(_ORDER)

    def checked() -> object:
        return _sign_l1(handle, msgpack(parse_action(plain, Numbers.CANONICAL).wire))

    return {
        "order: hyperkms, packed, hashed, signed": lambda: _sign_l1(handle, msgpack(_ORDER)),
        "order: official SDK, sign_l1_action": lambda: sign_l1_action(account, plain, None, _NONCE, None, False),  # noqa: FBT003
        "order: hyperkms, read strictly first": checked,
    }


def _sign_l1(handle: _core.KeyHandle, packed: bytes) -> object:
    return _core.sign_l1(handle, packed, nonce=_NONCE, vault=None, expires_after=None, network="testnet")


def _against(report: Report, calls: Mapping[str, Call], rounds: int, *, least: float) -> None:
    """Rows of each, and how many times as fast the first is as the second."""
    took = _timed(calls, rounds)
    for name, each in took.items():
        median = statistics.median(each)
        report.add(
            Row(
                part=PART,
                name=name,
                shown=f"{median:10.2f} us   ({min(each):.2f}..{max(each):.2f})",
                figures={"median_us": median, "min_us": min(each)},
            )
        )
    ours, theirs = list(took)[:2]
    ratio = statistics.median(b / a for a, b in zip(took[ours], took[theirs], strict=True))
    report.add(at_least(PART, f"{ours.partition(':')[0]}: as fast as the second", ratio, least, "x"))


def _timed(calls: Mapping[str, Call], rounds: int) -> dict[str, list[float]]:
    """Microseconds a call, interleaved: each round times every one of them for some 20 ms."""
    timers = {name: timeit.Timer(call) for name, call in calls.items()}
    counts = {name: max(5, int(0.02 / (timer.timeit(50) / 50))) for name, timer in timers.items()}
    took: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(rounds):
        for name, timer in timers.items():
            took[name].append(timer.timeit(counts[name]) / counts[name] * 1e6)
    return took
