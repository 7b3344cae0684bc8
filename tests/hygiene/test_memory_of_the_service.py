"""No key is in the memory of the running service, in what it says, in what it writes, or in a core file.

The service works in each of its memory modes first: it makes keys of both types, opens an imported one,
signs 1,000 times and refuses. Then every page that the kernel hands out is searched for every private
key, data key and the root key, which an independent reader opens from the data directory.
"""

import http.client
import json
import os
import resource
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.memory_scan import Memory, Scanner, files_below, forms, secrets_in, secrets_of
from support.sealed_key_reader import Secret, open_sealed_key, read_root_key
from support.service import START_S, Service, command, environment
from support.stored_keys import change_stored

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is read through /proc, which is Linux")

SIGNATURES = 1000
CONNECTIONS = 4
ORDER = {
    "type": "order",
    "orders": [{"a": 0, "b": True, "p": "2000", "s": "0.01", "r": False, "t": {"limit": {"tif": "Gtc"}}}],
    "grouping": "na",
}


@dataclass(frozen=True)
class Worked:
    """A service that has worked and was stopped, and everything that it gave away."""

    service: Service
    lock: str
    secrets: dict[str, Secret]
    planted: Secret
    said: list[tuple[str, bytes]]
    memory: Memory | None
    """None where the kernel does not let us read it."""
    arenas: list[set[str]]
    """The flags of each mapping that is 256 KiB long, not dumped and not copied on fork."""

    def scan(self) -> Memory:
        if self.memory is None:
            pytest.skip("the memory of a process that is not dumpable is for CAP_SYS_PTRACE only")
        return self.memory


@pytest.fixture(scope="module", params=["auto", "mlock"])
def worked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worked]:
    folder = tmp_path_factory.mktemp("memory")
    data, planted = folder / "data", Secret(secrets.token_bytes(32))
    canaries = {kind: _import_canary(data, folder / f"{kind}.key", kind) for kind in ("secp256k1", "ed25519")}
    settings = {
        "HYPERKMS_MEMORY_LOCK": request.param,
        "LOG_LEVEL": "debug",
        "API_KEY": planted.reveal().hex(),
    }
    with Service.start(data, **settings) as service:
        service.generate("e", keyType="ed25519")
        service.generate("k", keyType="secp256k1")
        service.generate("tampered", keyType="secp256k1")
        named = secrets_in(data) | {f"canary ({kind})": canary for kind, canary in canaries.items()}
        _change_a_sealed_bit(data, "tampered")
        said = [*_sign(service), *_fail(service)]
        said.append(("the page of metrics", service.get("/metrics").body))
        memory, arenas = _scan(service, {**named, "planted": planted})
        service.process.terminate()
        service.process.wait(timeout=START_S)
        assert service.process.stderr is not None
        said.append(("standard error", service.process.stderr.read().encode()))
        yield Worked(service, request.param, named, planted, said, memory, arenas)


def _import_canary(data: Path, file: Path, kind: str) -> Secret:
    """A wallet with a key that is known beforehand, brought in through the command line."""
    canary = Secret(b"\x5a" + secrets.token_bytes(31))
    file.touch(mode=0o600)
    file.write_text("0x" + canary.reveal().hex() + "\n")
    words = ("wallet", "import", f"imported-{kind}", "--key-type", kind, "--key-file", str(file), "--data", str(data))
    settings = {"HYPERKMS_NETWORK": "testnet"} if kind == "secp256k1" else {}
    imported = subprocess.run(command(*words), env=environment(**settings), capture_output=True, check=True)
    assert Scanner({"canary": canary}).look_at(imported.stdout + imported.stderr, "import") == []
    return canary


def _change_a_sealed_bit(data: Path, wallet: str) -> None:
    change_stored(data, wallet, lambda sealed: sealed[:-20] + bytes([sealed[-20] ^ 1]) + sealed[-19:])


def _sign(service: Service) -> list[tuple[str, bytes]]:
    """1,000 signatures, of each kind and wallet in turn, over a few connections that stay open."""
    requests = [
        ("/wallets/sign", {"walletId": "e", "message": "hello"}),
        ("/wallets/sign", {"walletId": "imported-ed25519", "message": "hello"}),
        ("/wallets/sign", {"walletId": "k", "message": "hello"}),
        ("/wallets/sign", {"walletId": "imported-secp256k1", "message": "hello"}),
        ("/wallets/sign-order", {"walletId": "e", "orderPayload": {"coin": "BTC", "sz": 0.1}}),
        ("/hyperliquid/sign", {"walletId": "k", "action": ORDER}),
        ("/hyperliquid/sign", {"walletId": "imported-secp256k1", "action": ORDER}),
        ("/hyperliquid/sign", {"walletId": "k", "action": {"type": "noop"}}),
    ]

    def work(connection_number: int) -> list[tuple[str, bytes]]:
        share = range(connection_number, SIGNATURES, CONNECTIONS)
        return _ask(service, [requests[number // CONNECTIONS % len(requests)] for number in share], {200})

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = [answer for part in pool.map(work, range(CONNECTIONS)) for answer in part]
    assert len(answers) == SIGNATURES
    return answers


def _fail(service: Service) -> list[tuple[str, bytes]]:
    """What is refused, at every stage from parsing to opening the key."""
    requests: list[tuple[str, Any]] = [
        ("/wallets/sign", {"walletId": "nobody", "message": "hello"}),
        ("/wallets/sign", {"walletId": "tampered", "message": "hello"}),
        ("/hyperliquid/sign", {"walletId": "tampered", "action": ORDER}),
        ("/hyperliquid/sign", {"walletId": "k", "action": {"type": "claimRewards"}}),
        ("/hyperliquid/sign", {"walletId": "k", "action": {**ORDER, "grouping": 1}}),
        ("/hyperliquid/sign", {"walletId": "k", "action": ORDER, "network": "mainnet"}),
        ("/hyperliquid/sign", {"walletId": "imported-secp256k1", "action": ORDER, "network": "mainnet"}),
        ("/hyperliquid/sign", {"walletId": "k", "action": ORDER, "nonce": 1}),
        ("/hyperliquid/sign", {"walletId": "k", "action": ORDER, "vaultAddress": "0x12"}),
        ("/hyperliquid/sign", {"walletId": "e", "action": ORDER}),
        ("/wallets/generate", {"walletId": "k", "keyType": "secp256k1"}),
        ("/wallets/generate", {"walletId": "../k"}),
    ]
    return _ask(service, requests * 4, {400, 403, 404, 409, 500})


def _ask(service: Service, requests: list[tuple[str, Any]], expected: set[int]) -> list[tuple[str, bytes]]:
    """Post over one connection that stays open; answers the whole of what came back, headers included."""
    address, answers = urlsplit(service.url), []
    connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=START_S)
    with closing(connection):
        for path, body in requests:
            connection.request("POST", path, json.dumps(body), {"X-API-Key": service.key})
            answer = connection.getresponse()
            content = str(answer.getheaders()).encode() + answer.read()
            assert answer.status in expected, (path, answer.status)
            answers.append((f"answer {answer.status} of {path}", content))
    return answers


def _scan(service: Service, named: dict[str, Secret]) -> tuple[Memory | None, list[set[str]]]:
    try:
        memory = Scanner(named).look_into(service.process.pid)
        return memory, [
            flags for size, flags in _mappings(service.process.pid) if size == 256 and {"dd", "dc"} <= flags
        ]
    except PermissionError:
        return None, []


def test_no_key_is_in_the_memory_of_the_service(worked: Worked, request: pytest.FixtureRequest) -> None:
    memory = worked.scan()
    request.node.user_properties.append((f"scan with {worked.lock}", str(memory)))  # the figures, for reports
    assert [hit for hit in memory.hits if hit.name != "planted"] == []
    assert memory.size > 2**20


def test_a_copy_that_is_known_to_be_in_the_memory_of_the_service_is_found(worked: Worked) -> None:
    # The API_KEY setting stands in the process's environment, in hex.
    found = {(hit.name, hit.form) for hit in worked.scan().hits}
    assert ("planted", "hex") in found


def test_only_the_arena_cannot_be_read(worked: Worked) -> None:
    listening = next(event for event in map(json.loads, worked.service.lines) if event["event"] == "listening")
    assert listening["memory"] in ({"mlock"} if worked.lock == "mlock" else {"memfd_secret", "mlock"})
    hidden = ["/secretmem (deleted)"] if listening["memory"] == "memfd_secret" else []
    assert worked.scan().unreadable == hidden


def test_no_key_is_in_an_answer_a_log_line_or_a_record(worked: Worked) -> None:
    scanner = Scanner(worked.secrets)
    logged = "".join(worked.service.lines).encode()
    assert logged.count(b'"event":"request"') + logged.count(b'"event": "request"') >= SIGNATURES
    assert scanner.look_at_all([*worked.said, ("the log", logged)]) == []
    records = [entry for entry in files_below(worked.service.data) if entry[0].startswith("records/")]
    assert sum(content.count(b"\n") for _, content in records) >= SIGNATURES
    assert scanner.look_at_all(records) == []


def test_no_key_is_in_a_file_of_the_data_directory(worked: Worked) -> None:
    hits = Scanner(worked.secrets).look_at_all(files_below(worked.service.data))
    assert {hit.name for hit in hits if hit.where == "root.key"} == {"root key"}, "the control: it stands in its file"
    assert [hit for hit in hits if hit.where != "root.key"] == []


def test_the_arena_is_locked_and_out_of_dumps_and_forks(worked: Worked) -> None:
    """The flags are those of proc(5): lo locked, dd not dumped, dc not copied on fork."""
    worked.scan()
    (flags,) = worked.arenas
    assert "lo" in flags


def test_a_copy_in_any_form_is_found_in_the_memory_of_a_process() -> None:
    planted = Secret(secrets.token_bytes(32))
    with _child("import sys; held = sys.stdin.buffer.read1()", send=b"|".join(forms(planted).values())) as pid:
        found = {hit.form for hit in Scanner({"planted": planted}).look_into(pid).hits}
    assert found == set(forms(planted))


def test_no_key_is_in_the_memory_of_a_process_that_imported_one(tmp_path: Path) -> None:
    canary = Secret(b"\x5a" + secrets.token_bytes(31))
    (tmp_path / "key").touch(mode=0o600)
    (tmp_path / "key").write_text(canary.reveal().hex())
    with _child(IMPORTING, str(tmp_path)) as pid:
        root_key = read_root_key(tmp_path / "root.key")
        opened = open_sealed_key((tmp_path / "sealed").read_bytes(), root_key)
        memory = Scanner(secrets_of(root_key, {"w": opened})).look_into(pid)
    assert opened.private_key == canary
    assert memory.hits == []
    assert memory.unreadable == [], "this process keeps its arena in mlock mode, where it can be searched"


IMPORTING = """
import sys
from pathlib import Path
from hyperkms import _core
folder = Path(sys.argv[1])
_core.start_memory("mlock")
root_key = _core.LocalRootKey.create(folder / "root.key")
context = _core.Context(wallet="w", version=1, key_type="secp256k1", network="testnet", origin="imported")
data_key, wrapped = root_key.new_data_key(context)
sealed = _core.import_key(folder / "key", context, data_key, wrapped, root_key.id)
(folder / "sealed").write_bytes(sealed)
handle = _core.open_sealed_key(sealed, context, data_key)
_core.sign_eip191(handle, b"hello")
"""


@contextmanager
def _child(program: str, *words: str, send: bytes = b"") -> Iterator[int]:
    """A process that has run a program, keeps its variables, and is there until the block ends."""
    waiting = f"{program}\nprint('ready', flush=True)\nimport sys; sys.stdin.read()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", waiting, *words], stdin=pipe, stdout=pipe) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(send)
        child.stdin.flush()
        assert child.stdout.readline() == b"ready\n"
        yield child.pid


def _mappings(pid: int) -> Iterator[tuple[int, set[str]]]:
    """The size in KiB and the flags of each mapping."""
    size = 0
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "Size":
            size = int(value.split()[0])
        elif name == "VmFlags":
            yield size, set(value.split())


def test_the_service_sets_its_core_limit_to_nothing(tmp_path: Path, unlimited_cores: None) -> None:
    assert unlimited_cores is None
    with Service.start(tmp_path / "data") as service:
        assert resource.prlimit(service.process.pid, resource.RLIMIT_CORE) == (0, 0)
        _abort(service)
    assert _core_files(tmp_path) == []


def test_a_hardened_process_is_not_dumpable() -> None:
    """PR_GET_DUMPABLE is 3: 1 means that core files and ptrace by the same user are allowed."""
    program = """
import ctypes
from hyperkms import _core
dumpable = lambda: ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)
before = dumpable()
_core.harden_process()
print(before, dumpable())
"""
    asked = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert asked.stdout.split() == [b"1", b"0"]


def test_the_files_of_the_service_in_proc_belong_to_root(service: Service) -> None:
    """As those of every process that is not dumpable (proc(5)); nothing to be seen where root itself runs it."""
    if os.geteuid() == 0:
        pytest.skip("run by root, whose processes' files belong to root anyhow")
    assert Path(f"/proc/{service.process.pid}/environ").stat().st_uid == 0


UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def unlimited_cores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Children may leave core files, and one that is not protected does: else the tests prove nothing."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, UNLIMITED)
    except (ValueError, PermissionError):
        pytest.skip("the core limit cannot be raised here")
    try:
        control = tmp_path_factory.mktemp("control")
        subprocess.run(["sh", "-c", "kill -ABRT $$"], cwd=control, check=False)
        if not _core_files(control):
            pytest.skip("an aborted process leaves no core file in its working directory here (kernel.core_pattern)")
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


def _abort(service: Service) -> None:
    service.process.send_signal(signal.SIGABRT)
    assert service.process.wait(timeout=START_S) == -signal.SIGABRT


def _core_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and path.read_bytes()[:4] == b"\x7fELF"]
