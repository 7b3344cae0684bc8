"""Nothing public of the core gives a secret away, and nothing signs a digest that a caller brings.

Every public name is called with keys that are known beforehand; everything that comes back is searched
for them, in every form. A name that this test does not know how to call fails it.
"""

import base64
import copy
import hashlib
import inspect
import json
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from eth_account import Account
from eth_account.messages import encode_defunct

from hyperkms import _core
from hyperkms._core import Context
from hyperkms.errors import HyperkmsError, Refused, Tampered
from support.given_away import Seen, attempt, private_file
from support.known_kms import DATA_KEY, authorities, one_answer
from support.memory_scan import Hit, Scanner, secrets_of
from support.sealed_key_reader import Opened, Secret, open_sealed_key

ROOT_KEY = Secret(hashlib.sha256(b"a known root key").digest())
PRIVATE_KEYS = {
    kind: Secret(hashlib.sha256(b"a known key: " + kind.encode()).digest()) for kind in ("ed25519", "secp256k1")
}
REQUEST_KEY = Secret(hashlib.sha256(b"a known request key").digest())
SERVICE = "5e" * 16
ASKED = {"method": b"POST", "target": b"/wallets/sign", "body": b"{}", "idempotency_key": b""}
NOOP = b"\x81\xa4type\xa4noop"


@dataclass(frozen=True)
class Bench:
    """The core with keys that are known beforehand."""

    folder: Path
    root_key: _core.LocalRootKey
    contexts: dict[str, Context]
    fresh: dict[str, tuple[_core.DataKey, bytes]]
    sealed: dict[str, bytes]
    handles: dict[str, _core.KeyHandle]
    log_key: _core.KeyHandle
    store_key: _core.KeyHandle
    request_key: _core.RequestKey

    @classmethod
    def make(cls, folder: Path) -> "Bench":
        private_file(folder / "root.key", ROOT_KEY.reveal())
        root_key = _core.LocalRootKey.open(folder / "root.key")
        contexts = {
            "ed25519": Context(wallet="e", version=1, key_type="ed25519", network="none", origin="imported"),
            "secp256k1": Context(wallet="k", version=1, key_type="secp256k1", network="testnet", origin="imported"),
        }
        fresh, sealed, handles = {}, {}, {}
        for kind, context in contexts.items():
            file = private_file(folder / kind, PRIVATE_KEYS[kind].reveal().hex().encode())
            fresh[kind] = root_key.new_data_key(context)
            sealed[kind] = _core.import_key(file, context, *fresh[kind], root_key.id)
            handles[kind] = _core.open_sealed_key(sealed[kind], context, fresh[kind][0])
        own: dict[str, _core.KeyHandle] = {}
        for kind, context in (("log key", Context.of_log_key()), ("store key", _core.store_key_context())):
            data_key, wrapped = root_key.new_data_key(context)
            sealed[kind] = _core.generate_key(context, data_key, wrapped, root_key.id)
            own[kind] = _core.open_sealed_key(sealed[kind], context, data_key)
        text = f"hyperkms-request-key-v1 {REQUEST_KEY.reveal().hex()}\n".encode()
        request_key = _core.RequestKey.open(private_file(folder / "bot.key", text))
        return cls(folder, root_key, contexts, fresh, sealed, handles, own["log key"], own["store key"], request_key)

    def opened(self) -> dict[str, Opened]:
        return {kind: open_sealed_key(sealed, ROOT_KEY) for kind, sealed in self.sealed.items()}

    def secrets(self) -> dict[str, Secret]:
        """The known keys, and the data keys as the independent reader opens them."""
        known = {f"known {kind}": key for kind, key in PRIVATE_KEYS.items()}
        return {**secrets_of(ROOT_KEY, self.opened()), **known, "request key": REQUEST_KEY, "data key": DATA_KEY}

    def every_handle(self) -> list[_core.KeyHandle]:
        return [*self.handles.values(), self.log_key, self.store_key]

    def each_kind(self, ask: Callable[[str], object]) -> Iterator[object]:
        for kind in self.contexts:
            yield attempt(ask, kind)


def unhex(text: str) -> bytes:
    assert text.startswith("0x")
    return bytes.fromhex(text[2:])


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench.make(tmp_path_factory.mktemp("core"))


# ---- every public name and how to call it --------------------------------------------------------------


def kms_client(_bench: Bench | None = None) -> _core.KmsClient:
    return _core.KmsClient(trusted=authorities(), proxy=None, connect_ms=1000)


def ask_kms(path: str = "/") -> _core.KmsAnswer:
    with one_answer() as url:
        return kms_client().send(f"{url}{path}", [], b"{}", within_ms=5000)


class _FirstSystemKms(BaseHTTPRequestHandler):
    """Answers as AWS KMS does to a Decrypt of a key of the first system; `/cut` and `/other` spoil it."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        seed = PRIVATE_KEYS["ed25519"].reveal()
        public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
        digits = (seed + (bytes(32) if self.path == "/other" else public)).hex()[: 127 if self.path == "/cut" else 128]
        told = {"KeyId": "arn:aws:kms:k", "Plaintext": base64.b64encode(digits.encode()).decode()}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(told).encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def ask_first_system(path: str = "/") -> _core.FirstSystemAnswer:
    server = HTTPServer(("127.0.0.1", 0), _FirstSystemKms)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}{path}"
    try:
        return _core.ask_first_system(kms_client(), url, [], b"{}", within_ms=5000)
    finally:
        thread.join()
        server.server_close()


def ask_first_system_key(bench: Bench) -> Iterator[object]:
    public = bench.handles["ed25519"].public_key
    assert ask_first_system().public_key(public) == public
    for path in ("/", "/cut", "/other"):
        for recorded in (public, None, bytes(32), b""):
            yield attempt(ask_first_system(path).public_key, recorded)


def ask_seal_first_system(bench: Bench) -> Iterator[object]:
    public = bench.handles["ed25519"].public_key
    for kind, context in bench.contexts.items():
        for path in ("/", "/cut", "/other"):
            for recorded in (public, None, bytes(32)):
                seal = partial(ask_first_system(path).seal, recorded=recorded)
                yield attempt(seal, context, *bench.fresh[kind], bench.root_key.id)
    sealed = ask_first_system().seal(
        bench.contexts["ed25519"], *bench.fresh["ed25519"], bench.root_key.id, recorded=public
    )
    assert open_sealed_key(sealed, ROOT_KEY).private_key == PRIVATE_KEYS["ed25519"]
    generated = Context(wallet="e", version=1, key_type="ed25519", network="none", origin="generated")
    yield attempt(
        partial(ask_first_system().seal, recorded=None), generated, *bench.fresh["ed25519"], bench.root_key.id
    )


def ask_share(recipient: str) -> _core.FirstSystemShare:
    """What KMS gives back here is a key; for this call it is a text as any share is."""
    server = HTTPServer(("127.0.0.1", 0), _FirstSystemKms)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    asked = f"http://127.0.0.1:{server.server_port}/", [("X", "y")], b"{}"
    try:
        return _core.copy_first_system_share(kms_client(), asked, within_ms=5000, wallet="w", recipient=recipient)
    finally:
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=1) as nobody:
            nobody.close()  # a call that was refused before it was made leaves the server waiting
        thread.join()
        server.server_close()


def ask_allocate(bench: Bench) -> Iterator[object]:
    with (bench.folder / "ahead").open("wb") as file:
        yield attempt(_core.allocate_ahead, file.fileno(), 4096)


def ask_import_key(bench: Bench) -> Iterator[object]:
    for kind, context in bench.contexts.items():
        yield _core.import_key(bench.folder / kind, context, *bench.fresh[kind], bench.root_key.id)
        text = PRIVATE_KEYS[kind].reveal().hex()
        for number, wrong in enumerate((text + "00", text[:-1], text[:-1] + "g", f"{text}\n{text}", f"'{text}'")):
            file = private_file(bench.folder / f"{kind}-{number}", wrong.encode())
            yield attempt(_core.import_key, file, context, *bench.fresh[kind], bench.root_key.id)
        readable = private_file(bench.folder / f"{kind}-readable", text.encode())
        readable.chmod(0o644)
        yield attempt(_core.import_key, readable, context, *bench.fresh[kind], bench.root_key.id)


def ask_open_sealed_key(bench: Bench) -> Iterator[object]:
    for kind, context in bench.contexts.items():
        data_key, _ = bench.fresh[kind]
        sealed = bench.sealed[kind]
        yield _core.open_sealed_key(sealed, context, data_key)
        for wrong in (sealed[:-1], sealed[:-1] + b"\0", b"HKSK", b""):
            yield attempt(_core.open_sealed_key, wrong, context, data_key)
        for other in bench.contexts.values():
            yield attempt(_core.open_sealed_key, bench.sealed["ed25519"], other, data_key)


def ask_reseal_key(bench: Bench) -> Iterator[object]:
    for kind, context in bench.contexts.items():
        new_data_key, wrapped = bench.root_key.new_data_key(context)
        anew: Any = {"new_data_key": new_data_key, "wrapped": wrapped, "root_key_id": bench.root_key.id}
        data_key, sealed = bench.fresh[kind][0], bench.sealed[kind]
        resealed = _core.reseal_key(sealed, context, data_key, **anew)
        assert open_sealed_key(resealed, ROOT_KEY).private_key == open_sealed_key(sealed, ROOT_KEY).private_key
        yield resealed
        for wrong, key in ((sealed[:-1], data_key), (b"", data_key), (sealed, new_data_key), (resealed, data_key)):
            yield attempt(partial(_core.reseal_key, **anew), wrong, context, key)


RECIPIENT = "hkr1-09090909-09090909-09090909-09090909-09090909-09090909-09090909-09090909-1bedb4ef"
"""Of the point 0909...: nobody's."""


def ask_copy_key(bench: Bench) -> Iterator[object]:
    for kind, context in bench.contexts.items():
        data_key, sealed = bench.fresh[kind][0], bench.sealed[kind]
        yield _core.copy_key(sealed, context, data_key, RECIPIENT)
        for wrong, recipient in ((sealed[:-1], RECIPIENT), (sealed, RECIPIENT[:-1]), (sealed, ""), (b"", RECIPIENT)):
            yield attempt(_core.copy_key, wrong, context, data_key, recipient)


def ask_sign_user_action(bench: Bench, network: Any, values: list[Any]) -> Callable[[str], tuple[str, str]]:
    return lambda kind: _core.sign_user_action(
        bench.handles[kind], primary_type="CDeposit", values=values, signature_chain_id=1, network=network
    )


def ask_sign_l1(bench: Bench, network: Any, msgpack: bytes = NOOP) -> Callable[[str], tuple[str, str]]:
    return lambda kind: _core.sign_l1(
        bench.handles[kind], msgpack, nonce=1, vault=None, expires_after=None, network=network
    )


def ask_kms_forms(bench: Bench) -> list[_core.KmsForm]:
    form, wallet = _core.KmsForm, bench.handles["secp256k1"].public_key
    return [
        form.l1(wallet, NOOP, nonce=1, vault=None, expires_after=None, network="testnet"),
        form.user_action(wallet, primary_type="CDeposit", values=[1, 2], signature_chain_id=1, network="testnet"),
        form.eip191(wallet, b"hello"),
        form.ed25519(bench.handles["ed25519"].public_key, b"hello"),
    ]


def ask_accept(bench: Bench) -> Iterator[object]:
    made = unhex(_core.sign_ed25519_message(bench.handles["ed25519"], b"hello")[0])
    for form in ask_kms_forms(bench):
        for answered in (made, made[:-1], PRIVATE_KEYS["ed25519"].reveal(), b""):
            yield attempt(form.accept, answered)


def ask_verify_ed25519(bench: Bench) -> Iterator[object]:
    public = bench.handles["ed25519"].public_key
    signature = unhex(_core.sign_ed25519_message(bench.handles["ed25519"], b"hello")[0])
    for message, wrong in ((b"hello", signature), (b"hello", signature[:-1]), (b"goodbye", signature)):
        yield attempt(_core.verify_ed25519, public, message, wrong)


def ask_open_request_key(bench: Bench) -> Iterator[object]:
    text = (bench.folder / "bot.key").read_bytes()
    yield _core.RequestKey.open(bench.folder / "bot.key")
    for number, wrong in enumerate((text[:-2], text[:-2] + b"g\n", text + text, text[24:], text.upper(), b"")):
        yield attempt(_core.RequestKey.open, private_file(bench.folder / f"bot-{number}.key", wrong))
    readable = private_file(bench.folder / "bot-readable.key", text)
    readable.chmod(0o644)
    for path in (readable, bench.folder, bench.folder / "missing", bench.folder / "ed25519"):
        yield attempt(_core.RequestKey.open, path)
    kind = bench.contexts["ed25519"]
    yield attempt(_core.import_key, bench.folder / "bot.key", kind, *bench.fresh["ed25519"], bench.root_key.id)


def ask_create_request_key(bench: Bench) -> Iterator[object]:
    for name in ("another-bot.key", "bot.key", "missing/bot.key"):
        yield attempt(_core.RequestKey.create, bench.folder / name)


def ask_sign_request(bench: Bench) -> Iterator[object]:
    for service in (SERVICE, SERVICE[:-1], SERVICE.upper(), ""):
        yield attempt(lambda named: bench.request_key.sign(named, time=1_780_000_000_000, **ASKED), service)
    yield attempt(lambda target: bench.request_key.sign(SERVICE, time=-1, **{**ASKED, "target": target}), b"x" * 70_000)


def ask_signature(bench: Bench) -> _core.RequestSignature:
    header = bench.request_key.sign(SERVICE, time=1_780_000_000_000, **ASKED)
    found = _core.RequestSignature.read(header.encode())
    assert found is not None
    return found


def ask_verify_request(bench: Bench) -> Iterator[object]:
    signature = ask_signature(bench)
    for public_key in (bench.request_key.public_key, bench.handles["ed25519"].public_key, b""):
        yield attempt(lambda key: signature.verify(key, **ASKED), public_key)


MATTER: dict[str, Any] = {"wallet": "w", "network": "testnet", "vault": bytes(20), "action": b"x" * 70_000}


def ask_approve(bench: Bench) -> Iterator[object]:
    for vault in (bytes(20), None, b"short"):
        yield attempt(lambda to: bench.request_key.approve(**{**MATTER, "vault": to}, time=5, until=6), vault)
    yield attempt(lambda wallet: bench.request_key.approve(**{**MATTER, "wallet": wallet}, time=-1, until=6), "w")


def ask_approval(bench: Bench) -> _core.Approval:
    found = _core.Approval.read(bench.request_key.approve(**MATTER, time=5, until=6).encode())
    assert found is not None
    return found


def ask_verify_approval(bench: Bench) -> Iterator[object]:
    approval = ask_approval(bench)
    for public_key in (bench.request_key.public_key, bench.handles["ed25519"].public_key, b""):
        yield attempt(lambda key: approval.verify(key, **MATTER), public_key)


def ask_replays(bench: Bench) -> _core.SharedReplays:
    _core.SharedReplays.create(bench.folder / "replays", bytes(16), now=5, floor=4)
    opened = _core.SharedReplays.open(bench.folder / "replays", bytes(16))
    assert opened is not None
    return opened


def ask_create(bench: Bench) -> Iterator[object]:
    for name in ("another.key", "root.key", "missing/root.key"):
        yield attempt(_core.LocalRootKey.create, bench.folder / name)


def ask_open(bench: Bench) -> Iterator[object]:
    yield _core.LocalRootKey.open(bench.folder / "root.key")
    damaged = private_file(bench.folder / "damaged.key", ROOT_KEY.reveal() + b"\n")
    for path in (damaged, bench.folder, bench.folder / "missing"):
        yield attempt(_core.LocalRootKey.open, path)


def ask_unwrap(bench: Bench) -> Iterator[object]:
    for kind, context in bench.contexts.items():
        _, wrapped = bench.fresh[kind]
        yield bench.root_key.unwrap(wrapped, context)
        yield attempt(bench.root_key.unwrap, wrapped[:-1], context)
        for other in bench.contexts.values():
            yield attempt(bench.root_key.unwrap, wrapped, other)


def ask_header(bench: Bench) -> _core.SealedHeader:
    return _core.inspect_sealed_key(bench.sealed["ed25519"])


DEMAND = (1, 60_000, None, 1, 10)


def ask_meters(bench: Bench) -> _core.Meters:
    return _core.Meters.open(bench.folder / "meters")


def ask_counters(bench: Bench) -> _core.SharedCounters:
    return _core.SharedCounters.open(bench.folder / "nonces")


def of(make: Callable[[Bench], Any], name: str) -> Callable[[Bench], object]:
    """A property of what `make` makes."""
    return lambda bench: getattr(make(bench), name)


def in_a_process_of_its_own(name: str) -> object:
    """What becomes of a call without arguments."""
    program = f"from hyperkms import _core; print(_core.{name}())"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)


CALLS: dict[str, Callable[[Bench], object]] = {
    "Context": lambda bench: [*bench.contexts.values()],
    **{
        f"Context.{name}": of(lambda bench: bench.contexts["secp256k1"], name)
        for name in ("purpose", "wallet", "version", "key_type", "network", "origin")
    },
    "Context.of_log_key": lambda _: Context.of_log_key(),
    "store_key_context": lambda _: _core.store_key_context(),
    "DataKey": lambda bench: [data_key for data_key, _ in bench.fresh.values()],
    "KeyHandle": lambda bench: bench.every_handle(),
    "KeyHandle.context": lambda bench: [handle.context for handle in bench.every_handle()],
    "KeyHandle.public_key": lambda bench: [handle.public_key for handle in bench.every_handle()],
    "KmsAnswer": lambda _: ask_kms(),
    **{f"KmsAnswer.{name}": of(lambda _: ask_kms(), name) for name in ("status", "refusal", "key_id", "wrapped")},
    "KmsAnswer.take_data_key": lambda _: ask_kms().take_data_key(),
    "KmsClient": kms_client,
    "KmsClient.send": lambda _: [attempt(ask_kms, path) for path in ("/", "/cut", "/long")],
    "KmsForm": ask_kms_forms,
    "KmsForm.l1": lambda bench: ask_kms_forms(bench)[0],
    "KmsForm.user_action": lambda bench: ask_kms_forms(bench)[1],
    "KmsForm.eip191": lambda bench: ask_kms_forms(bench)[2],
    "KmsForm.ed25519": lambda bench: [
        *bench.each_kind(lambda kind: _core.KmsForm.ed25519(bench.handles[kind].public_key, b"m" * 4097))
    ],
    "KmsForm.asked": lambda bench: [form.asked for form in ask_kms_forms(bench)],
    "KmsForm.accept": lambda bench: [*ask_accept(bench)],
    "LocalRootKey": lambda bench: bench.root_key,
    "LocalRootKey.create": lambda bench: [*ask_create(bench)],
    "LocalRootKey.open": lambda bench: [*ask_open(bench)],
    "LocalRootKey.id": lambda bench: bench.root_key.id,
    "LocalRootKey.new_data_key": lambda bench: [
        *bench.each_kind(lambda kind: bench.root_key.new_data_key(bench.contexts[kind]))
    ],
    "LocalRootKey.unwrap": lambda bench: [*ask_unwrap(bench)],
    "Meters": ask_meters,
    "Meters.open": ask_meters,
    "Meters.file": lambda bench: ask_meters(bench).file,
    "Meters.require_in_place": lambda bench: ask_meters(bench).require_in_place(),
    "Meters.reserve": lambda bench: ask_meters(bench).reserve([DEMAND], now=5),
    "Meters.lacks": lambda bench: ask_meters(bench).lacks([DEMAND], now=5),
    "Meters.count": lambda bench: ask_meters(bench).count([DEMAND], now=5),
    "Meters.give_back": lambda bench: ask_meters(bench).give_back([DEMAND], then=5),
    "Meters.used": lambda bench: ask_meters(bench).used(DEMAND, now=5),
    "Meters.clear": lambda bench: ask_meters(bench).clear(),
    "RequestKey": lambda bench: bench.request_key,
    "RequestKey.create": lambda bench: [*ask_create_request_key(bench)],
    "RequestKey.open": lambda bench: [*ask_open_request_key(bench)],
    "RequestKey.public_key": lambda bench: bench.request_key.public_key,
    "RequestKey.sign": lambda bench: [*ask_sign_request(bench)],
    "RequestKey.approve": lambda bench: [*ask_approve(bench)],
    "Approval": ask_approval,
    "Approval.read": lambda _: [_core.Approval.read(wrong) for wrong in (b"", b"v1 key=", b"v2 ")],
    **{f"Approval.{name}": of(ask_approval, name) for name in ("key", "time", "until", "id")},
    "Approval.verify": lambda bench: [*ask_verify_approval(bench)],
    "RequestSignature": ask_signature,
    "RequestSignature.read": lambda _: [_core.RequestSignature.read(wrong) for wrong in (b"", b"v1 key=", b"v2 ")],
    **{f"RequestSignature.{name}": of(ask_signature, name) for name in ("key", "service", "time", "id")},
    "RequestSignature.verify": lambda bench: [*ask_verify_request(bench)],
    "SharedReplays": ask_replays,
    "SharedReplays.create": lambda bench: _core.SharedReplays.create(bench.folder / "r", bytes(16), now=5, floor=4),
    "SharedReplays.open": lambda bench: [
        attempt(_core.SharedReplays.open, bench.folder / "missing", boot) for boot in (bytes(16), b"")
    ],
    "SharedReplays.floor": of(ask_replays, "floor"),
    "SharedReplays.take": lambda bench: ask_replays(bench).take(ask_signature(bench)),
    "SharedReplays.require_in_place": lambda bench: ask_replays(bench).require_in_place(),
    "SharedCounters": ask_counters,
    "SharedCounters.open": ask_counters,
    "SharedCounters.file": lambda bench: ask_counters(bench).file,
    "SharedCounters.draw": lambda bench: ask_counters(bench).draw(1, now=5, limit=10),
    "SharedCounters.read": lambda bench: ask_counters(bench).read(1),
    "SharedCounters.settled": lambda bench: ask_counters(bench).settled(1, 2),
    "SharedCounters.observe": lambda bench: ask_counters(bench).observe(4, total=5, amount=2),
    "SharedCounters.observe_spans": lambda bench: ask_counters(bench).observe_spans(4, bounds=[5], stamps=[1, 2, 9]),
    "SharedCounters.add": lambda bench: ask_counters(bench).add(1, amount=2),
    "SharedCounters.take_window": lambda bench: ask_counters(bench).take_window(2, amount=1, now=5, limit=2, period=9),
    "SharedCounters.take_bucket": lambda bench: ask_counters(bench).take_bucket(
        3, amount=1, now=5, interval=9, burst=2
    ),
    "SharedCounters.raise_to": lambda bench: ask_counters(bench).raise_to(1, floor=6),
    "SharedCounters.require_in_place": lambda bench: ask_counters(bench).require_in_place(),
    "Protection": lambda _: _core.memory_protection(),
    **{f"Protection.{name}": of(lambda _: _core.memory_protection(), name) for name in ("lock", "private", "size")},
    "SealedHeader": ask_header,
    **{f"SealedHeader.{name}": of(ask_header, name) for name in ("context", "public_key", "root_key_id", "wrapped")},
    "FirstSystemAnswer": lambda _: ask_first_system(),
    **{f"FirstSystemAnswer.{name}": of(lambda _: ask_first_system(), name) for name in ("status", "refusal", "key_id")},
    "FirstSystemAnswer.public_key": lambda bench: [*ask_first_system_key(bench)],
    "FirstSystemAnswer.seal": lambda bench: [*ask_seal_first_system(bench)],
    "FirstSystemShare": lambda _: ask_share(RECIPIENT),
    **{
        f"FirstSystemShare.{name}": of(lambda _: ask_share(RECIPIENT), name)
        for name in ("status", "refusal", "key_id", "copy")
    },
    "copy_first_system_share": lambda _: [ask_share(RECIPIENT), attempt(ask_share, RECIPIENT[:-1])],
    "ask_first_system": lambda _: [ask_first_system(), attempt(ask_first_system, "/cut")],
    "allocate_ahead": lambda bench: [*ask_allocate(bench)],
    "address": lambda bench: [*bench.each_kind(lambda kind: _core.address(bench.handles[kind].public_key))],
    "generate_key": lambda bench: [
        *bench.each_kind(lambda kind: _core.generate_key(bench.contexts[kind], *bench.fresh[kind], bench.root_key.id))
    ],
    # These are for the life of a process, so each gets one of its own.
    "harden_process": lambda _: in_a_process_of_its_own("harden_process"),
    "use_one_heap": lambda _: in_a_process_of_its_own("use_one_heap"),
    "import_key": lambda bench: [*ask_import_key(bench)],
    "inspect_sealed_key": lambda bench: [*bench.each_kind(lambda kind: _core.inspect_sealed_key(bench.sealed[kind]))],
    "is_in_memory": lambda bench: [_core.is_in_memory(path) for path in (bench.folder, "/proc", "/missing")],
    "keccak256": lambda _: _core.keccak256(b"hello"),
    "memory_protection": lambda _: _core.memory_protection(),
    "open_sealed_key": lambda bench: [*ask_open_sealed_key(bench)],
    "reseal_key": lambda bench: [*ask_reseal_key(bench)],
    "copy_key": lambda bench: [*ask_copy_key(bench)],
    "read_kms_public_key": lambda bench: [
        *bench.each_kind(lambda kind: _core.read_kms_public_key(kind, PRIVATE_KEYS[kind].reveal()))  # type: ignore[arg-type]  # a wrong one too
    ],
    "recipient_fingerprint": lambda _: [
        _core.recipient_fingerprint(RECIPIENT),
        attempt(_core.recipient_fingerprint, ""),
    ],
    "sign_ed25519_message": lambda bench: [
        *bench.each_kind(lambda kind: _core.sign_ed25519_message(bench.handles[kind], b"hello"))
    ],
    "sign_eip191": lambda bench: [*bench.each_kind(lambda kind: _core.sign_eip191(bench.handles[kind], b"hello"))],
    "sign_l1": lambda bench: [
        *bench.each_kind(ask_sign_l1(bench, "testnet")),
        *bench.each_kind(ask_sign_l1(bench, "mainnet")),
        *bench.each_kind(ask_sign_l1(bench, "elsewhere")),
        *bench.each_kind(ask_sign_l1(bench, "testnet", b"\x93\x01\x02\x03")),
    ],
    "sign_user_action": lambda bench: [
        *bench.each_kind(ask_sign_user_action(bench, "testnet", [1, 2])),
        *bench.each_kind(ask_sign_user_action(bench, "mainnet", [1, 2])),
        *bench.each_kind(ask_sign_user_action(bench, "elsewhere", [1, 2])),
        *bench.each_kind(ask_sign_user_action(bench, "testnet", [1, PRIVATE_KEYS["secp256k1"].reveal().hex()])),
    ],
    "sign_manifest_entry": lambda bench: [
        attempt(_core.sign_manifest_entry, handle, 7, prev, b"{}")
        for handle in bench.every_handle()
        for prev in (bytes(32), bytes(31))
    ],
    "sign_tree_head": lambda bench: [
        attempt(_core.sign_tree_head, handle, log, 7, bytes(32), 1)
        for handle in bench.every_handle()
        for log in (bytes(16), bytes(17))
    ],
    "sign_rows": lambda bench: [
        attempt(_core.sign_rows, handle, kind, "w", 1, b"rows")
        for handle in bench.every_handle()
        for kind in ("wallet", "")
    ],
    "verify_rows": lambda bench: [
        attempt(_core.verify_rows, bench.store_key.public_key, "wallet", "w", 1, b"rows", bytes(64))
    ],
    "request_key_fingerprint": lambda bench: [
        attempt(_core.request_key_fingerprint, key) for key in (bench.request_key.public_key, bytes(32), b"")
    ],
    "verify_ed25519": lambda bench: [*ask_verify_ed25519(bench)],
    "start_memory": lambda _: [attempt(_core.start_memory, lock) for lock in ("auto", "mlock", "elsewhere")],
}


def public_names() -> Iterator[str]:
    """Functions, classes, and their methods and properties."""
    for name, value in vars(_core).items():
        if name.startswith("_"):
            continue
        yield name
        if isinstance(value, type):
            yield from (f"{name}.{member}" for member in vars(value) if not member.startswith("_"))


def test_this_test_knows_every_public_name_of_the_core() -> None:
    assert set(public_names()) == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_nothing_that_comes_back_holds_a_secret(bench: Bench, name: str) -> None:
    seen = Seen()
    seen.add(name, CALLS[name](bench))
    assert seen.contents
    assert Scanner(bench.secrets()).look_at_all(seen.contents) == []


@pytest.mark.parametrize("name", [name for name in CALLS if callable(getattr(_core, name, None))])
def test_the_errors_of_wrong_arguments_hold_no_secret(bench: Bench, name: str) -> None:
    seen, function = Seen(), getattr(_core, name)
    holders = [
        bench.root_key,
        bench.request_key,
        *bench.every_handle(),
        *(data_key for data_key, _ in bench.fresh.values()),
    ]
    for holder in holders:
        for count in range(1, 6):
            seen.add(name, attempt(function, *[holder] * count))
    assert Scanner(bench.secrets()).look_at_all(seen.contents) == []


class Leaking:
    """What an object of the core must never be."""

    def __init__(self, secret: Secret) -> None:
        self.content = secret.reveal()


class Talking:
    """The same in its text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def planted_copies(bench: Bench) -> dict[str, object]:
    raw = bench.opened()["ed25519"].data_key.reveal()
    return {
        "bytes": raw,
        "an attribute": Leaking(Secret(raw)).content,
        "reversed": b"--" + raw[::-1],
        "text": Talking(raw.hex()),
        "upper case": Talking(raw.hex().upper()),
        "decimal": Talking(str(int.from_bytes(raw, "big"))),
        "in a list": [1, ("a", raw)],
        "an error": HyperkmsError("leak", raw.hex()),
        "half": raw[:16],
    }


def test_a_planted_copy_is_found(bench: Bench) -> None:
    scanner = Scanner(bench.secrets())
    for name, value in planted_copies(bench).items():
        seen = Seen()
        seen.add(name, value)
        assert {hit.name for hit in scanner.look_at_all(seen.contents)} == {"data key of ed25519"}, name


def test_handles_can_neither_be_made_nor_copied_nor_pickled(bench: Bench) -> None:
    holders = [bench.root_key, bench.request_key, *bench.every_handle()]
    for holder in (*holders, *(data_key for data_key, _ in bench.fresh.values())):
        with pytest.raises(TypeError):
            type(holder)()
        with pytest.raises(TypeError):
            pickle.dumps(holder)
        with pytest.raises(TypeError):
            copy.deepcopy(holder)
        with pytest.raises(AttributeError):
            setattr(holder, "note", 1)  # noqa: B010 (mypy knows that there is no such attribute)


# ---- no signature of a digest from outside -------------------------------------------------------------


def test_no_function_takes_a_digest() -> None:
    names = {name for name in public_names() if "." not in name and not isinstance(getattr(_core, name), type)}
    parameters = {name: set(inspect.signature(getattr(_core, name)).parameters) for name in names}
    assert {name for name in names if "digest" in name or "hash" in name} == set()
    assert {name for name, given in parameters.items() if given & {"digest", "hash", "prehash", "prehashed"}} == set()
    assert {name for name in names if name.startswith("sign")} == {*OF_WALLETS, *OF_THE_RECORD, "sign_rows"}


OF_WALLETS: dict[str, Callable[[_core.KeyHandle], object]] = {
    "sign_l1": lambda handle: _core.sign_l1(handle, NOOP, nonce=1, vault=None, expires_after=None, network="testnet"),
    "sign_user_action": lambda handle: _core.sign_user_action(
        handle, primary_type="CDeposit", values=[1, 2], signature_chain_id=1, network="testnet"
    ),
    "sign_eip191": lambda handle: _core.sign_eip191(handle, b"hello"),
    "sign_ed25519_message": lambda handle: _core.sign_ed25519_message(handle, b"hello"),
}
OF_THE_RECORD: dict[str, Callable[[_core.KeyHandle], str]] = {
    "sign_tree_head": lambda handle: _core.sign_tree_head(handle, b"L" * 16, 7, b"R" * 32, 8),
    "sign_manifest_entry": lambda handle: _core.sign_manifest_entry(handle, 9, b"P" * 32, b'{"event":"close"}'),
}


@pytest.mark.parametrize("name", OF_WALLETS)
def test_no_function_of_wallets_takes_the_log_key(bench: Bench, name: str) -> None:
    with pytest.raises(Refused) as refused:
        OF_WALLETS[name](bench.log_key)
    assert refused.value.code == "wrong-key-purpose"


def test_no_key_signs_for_another_purpose_than_its_own(bench: Bench) -> None:
    for ask in (*OF_WALLETS.values(), *OF_THE_RECORD.values()):
        with pytest.raises(Refused) as refused:
            ask(bench.store_key)
        assert refused.value.code == "wrong-key-purpose"
    for handle in (*bench.handles.values(), bench.log_key):
        with pytest.raises(Refused) as refused:
            _core.sign_rows(handle, "wallet", "w", 1, b"rows")
        assert refused.value.code == "wrong-key-purpose"


def test_what_the_store_key_signs_is_what_the_document_says(bench: Bench) -> None:
    public_key = Ed25519PublicKey.from_public_bytes(bench.store_key.public_key)
    signature = _core.sign_rows(bench.store_key, "wallet", "w1", 7, b"rows")
    digest = hashlib.sha256(b"rows").digest()
    public_key.verify(signature, b"hyperkms rows v1\n\x06wallet\x02w1" + (7).to_bytes(8) + digest)
    _core.verify_rows(bench.store_key.public_key, "wallet", "w1", 7, b"rows", signature)
    others = [("client", "w1", 7, b"rows"), ("wallet", "w2", 7, b"rows"), ("wallet", "w1", 8, b"rows")]
    for other in (*others, ("wallet", "w1", 7, b"row")):
        with pytest.raises(Tampered):
            _core.verify_rows(bench.store_key.public_key, *other, signature)


@pytest.mark.parametrize("name", OF_THE_RECORD)
def test_no_function_of_the_record_takes_a_key_of_a_wallet(bench: Bench, name: str) -> None:
    for handle in bench.handles.values():
        with pytest.raises(Refused) as refused:
            OF_THE_RECORD[name](handle)
        assert refused.value.code == "wrong-key-purpose"


def test_what_the_log_key_signs_is_what_the_document_says(bench: Bench) -> None:
    public_key = Ed25519PublicKey.from_public_bytes(bench.log_key.public_key)
    head = b"hyperkms tree head v1\n" + b"L" * 16 + (7).to_bytes(8) + b"R" * 32 + (8).to_bytes(8)
    entry = hashlib.sha256(b'{"event":"close"}').digest()
    line = b"hyperkms manifest entry v1\n" + (9).to_bytes(8) + b"P" * 32 + entry
    public_key.verify(unhex(OF_THE_RECORD["sign_tree_head"](bench.log_key)), head)
    public_key.verify(unhex(OF_THE_RECORD["sign_manifest_entry"](bench.log_key)), line)


def test_the_log_key_is_never_imported(bench: Bench) -> None:
    log = Context.of_log_key()
    data_key, wrapped = bench.root_key.new_data_key(log)
    made = attempt(_core.import_key, bench.folder / "ed25519", log, data_key, wrapped, bench.root_key.id)
    assert isinstance(made, Refused)


def test_no_wallet_signs_what_a_request_key_signs(bench: Bench) -> None:
    for message in (b"hyperkms request v1\n", b"hyperkms request v1\n and more"):
        refused = attempt(_core.sign_ed25519_message, bench.handles["ed25519"], message)
        assert isinstance(refused, HyperkmsError)
        assert refused.code == "message-of-a-request"
    assert isinstance(_core.sign_ed25519_message(bench.handles["ed25519"], b"hyperkms request v1"), tuple)


def test_thirty_two_bytes_are_signed_in_their_eip_191_form(bench: Bench) -> None:
    brought = hashlib.sha256(b"a digest of an action, say").digest()
    signature, digest = _core.sign_eip191(bench.handles["secp256k1"], brought)
    assert unhex(digest) == _core.keccak256(b"\x19Ethereum Signed Message:\n32" + brought) != brought
    text = unhex(signature)
    signer = "0x" + _core.address(bench.handles["secp256k1"].public_key).hex()
    assert Account.recover_message(encode_defunct(brought), signature=text).lower() == signer
    assert Account._recover_hash(brought, signature=text).lower() != signer  # noqa: SLF001 (the only way to ask)


def test_thirty_two_bytes_are_no_action(bench: Bench) -> None:
    for first in (0x00, 0x19, 0x80, 0x90, 0xC0, 0xDC, 0xFF):
        brought = bytes([first]) + bytes(31)
        assert isinstance(attempt(ask_sign_l1(bench, "testnet", brought), "secp256k1"), HyperkmsError)


def test_thirty_two_bytes_that_look_like_a_map_are_hashed(bench: Bench) -> None:
    brought = b"\x81" + bytes(31)
    _, digest = ask_sign_l1(bench, "testnet", brought)("secp256k1")
    assert unhex(digest) != brought


def test_thirty_two_bytes_are_signed_as_a_message_by_ed25519(bench: Bench) -> None:
    """Pure Ed25519 hashes what it signs; a signature of the bytes is not one of a message with that digest."""
    message = b"a message"
    brought = hashlib.sha512(message).digest()[:32]
    handle = bench.handles["ed25519"]
    public_key = Ed25519PublicKey.from_public_bytes(handle.public_key)
    text, digest = _core.sign_ed25519_message(handle, brought)
    assert unhex(digest) == hashlib.sha256(brought).digest()
    signature = unhex(text)
    public_key.verify(signature, brought)
    with pytest.raises(InvalidSignature):
        public_key.verify(signature, message)


def test_hits_are_told_without_their_content(bench: Bench) -> None:
    (hit,) = {
        hit
        for hit in Scanner({"planted": PRIVATE_KEYS["ed25519"]}).look_at(PRIVATE_KEYS["ed25519"].reveal(), "x")
        if hit.form == "raw"
    }
    assert hit == Hit("x", "planted", "raw")
    assert "planted" in repr(hit)
    assert bench.secrets()["root key"] == ROOT_KEY
    assert repr(ROOT_KEY) == "Secret(...)"
