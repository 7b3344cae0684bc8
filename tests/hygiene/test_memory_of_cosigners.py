"""No key in shares is put together in any memory, and no share is in memory but sealed; nor in what four processes say.

A service with three cosigners makes a wallet of each key type in shares, signs, makes new shares of both keys, and
signs again. An independent reader opens the shares of both epochs from the directories of the cosigners, and the test
alone puts the keys together. Then every page that the kernel hands out of the four processes, while they sign and after
it, is searched for the keys, shares, data keys, root keys and identity keys, and so is all that was said and written.

`make hygiene` signs 1,000 times (HYPERKMS_TEST_MPC_SIGNATURES).
"""

import http.client
import itertools
import json
import os
import secrets
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from support.memory_scan import Hit, Memory, Scanner, files_below, secrets_in
from support.mpc import cosigner_pids, generate, service_in_shares
from support.sealed_key_reader import Secret, open_sealed_key, read_root_key
from support.service import START_S, Service
from support.share_reader import OpenShare, open_shares, private_key_of

SIGNATURES = int(os.environ.get("HYPERKMS_TEST_MPC_SIGNATURES", "200"))
CONNECTIONS = 4
MEMBERS = (1, 2, 3)
QUORUM = 2
KEY_TYPES = ("ed25519", "secp256k1")
ORDER = {
    "type": "order",
    "orders": [{"a": 0, "b": True, "p": "2000", "s": "0.01", "r": False, "t": {"limit": {"tif": "Gtc"}}}],
    "grouping": "na",
}

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read through /proc, which is Linux"),
    pytest.mark.timeout(180 + SIGNATURES),
]


@dataclass(frozen=True)
class Worked:
    """A service and its cosigners that have worked and were stopped, and everything that they gave away."""

    data: Path
    planted: Mapping[str, Secret]
    """Controls: what must be found."""
    secrets: Mapping[str, Secret]
    said: list[tuple[str, bytes]]
    at_work: Mapping[str, Memory]
    """By process, read while they sign; empty where the kernel does not let us."""
    at_rest: Mapping[str, Memory]
    """The same, after the last answer."""
    lines: list[dict[str, Any]]

    def scan(self) -> Mapping[str, Memory]:
        if not self.at_rest:
            pytest.skip("the memory of a process that is not dumpable is for CAP_SYS_PTRACE only")
        return self.at_rest


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worked]:
    folder = tmp_path_factory.mktemp("mpc")
    planted = {"environment": Secret(secrets.token_bytes(32)), "wallet": Secret(b"\x5a" + secrets.token_bytes(31))}
    wallets = {"ed25519": planted["wallet"].reveal().hex(), "secp256k1": "traded"}
    settings = {"HYPERKMS_MEMORY_LOCK": "mlock", "LOG_LEVEL": "debug"}
    settings["PLANTED"] = planted["environment"].reveal().hex()
    with service_in_shares(folder, **settings) as service:
        for key_type, wallet in wallets.items():
            generate(service, wallet, keyType=key_type)
        named = _secrets_of_all(service.data)
        said = _sign(service, wallets, SIGNATURES // 2)
        for wallet in wallets.values():
            said += _ask(service, [(f"/mpc/wallets/{wallet}/refresh", {})], {200})
        named |= _secrets_of_all(service.data)
        with ThreadPoolExecutor(1) as pool:
            signing = pool.submit(_sign, service, wallets, SIGNATURES - SIGNATURES // 2)
            at_work = _scan_all(service, {**named, **planted})
            said += signing.result()
        said += _fail(service, wallets)
        said.append(("the page of metrics", service.get("/metrics").body))
        at_rest = _scan_all(service, {**named, **planted})
        service.process.terminate()
        service.process.wait(timeout=START_S)
        assert service.process.stderr is not None
        said.append(("standard error", service.process.stderr.read().encode()))
        service.stop()
        said.append(("the log", "".join(service.lines).encode()))
        lines = [json.loads(line) for line in service.lines]
        yield Worked(service.data, planted, named, said, at_work, at_rest, lines)


def _secrets_of_all(data: Path) -> dict[str, Secret]:
    """Every secret of the four directories, and the keys that the shares in force make."""
    named = {f"{name} of the service": secret for name, secret in secrets_in(data).items()}
    held = {member: open_shares(_directory(data, member)) for member in MEMBERS}
    for member in MEMBERS:
        directory = _directory(data, member)
        for name, secret in _own_secrets(directory).items():
            named[f"{name} of cosigner {member}"] = secret
        for share in held[member]:
            named |= _secrets_of(share)
    for same in zip(*held.values(), strict=True):
        quorums = [list(each) for each in itertools.combinations(same, QUORUM)]
        keys = [private_key_of(quorum) for quorum in quorums]
        assert all(key == keys[0] for key in keys)
        named[f"the key of a wallet of {same[0].key_type}"] = keys[0]
    return named


def _directory(data: Path, member: int) -> Path:
    return data / "cosigners" / str(member)


def _own_secrets(directory: Path) -> dict[str, Secret]:
    """Its root key, the key of its record, and the identity key by which others know it."""
    identity = open_sealed_key((directory / "identity").read_bytes(), read_root_key(directory / "root.key"))
    return {
        **secrets_in(directory),
        "identity key": identity.private_key,
        "data key of the identity key": identity.data_key,
        **{f"{name} of the identity key": secret for name, secret in identity.derived().items()},
    }


def _secrets_of(share: OpenShare) -> dict[str, Secret]:
    key = f"{share.key_type}, epoch {share.epoch}"
    of = f"{key}, cosigner {share.index}"
    pairs = {other: sorted((other, share.index)) for other in share.seeds}
    return {
        f"share: {of}": share.scalar,
        f"data key: {of}": share.data_key,
        f"encryption key: {of}": share.encryption_key,
        **{
            f"seed: {key}, cosigner {pairs[other][0]} and cosigner {pairs[other][1]}": seed
            for other, seed in share.seeds.items()
        },
    }


def _sign(service: Service, wallets: Mapping[str, str], count: int) -> list[tuple[str, bytes]]:
    """So many signatures, of each key type and route in turn, over a few connections that stay open."""
    of_bytes, traded = wallets["ed25519"], wallets["secp256k1"]
    requests: list[tuple[str, Any]] = [
        ("/mpc/wallets/sign", {"walletId": of_bytes, "message": "hello"}),
        ("/mpc/wallets/sign", {"walletId": traded, "message": "hello"}),
        ("/mpc/wallets/sign-order", {"walletId": of_bytes, "orderPayload": {"coin": "BTC", "sz": 0.1}}),
        ("/hyperliquid/sign", {"walletId": traded, "action": ORDER}),
        ("/wallets/sign", {"walletId": of_bytes, "message": "hello"}),
        ("/hyperliquid/sign", {"walletId": traded, "action": {"type": "noop"}}),
    ]

    def work(connection_number: int) -> list[tuple[str, bytes]]:
        numbers = range(connection_number, count, CONNECTIONS)
        return _ask(service, [requests[number // CONNECTIONS % len(requests)] for number in numbers], {200})

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        answers = [answer for part in pool.map(work, range(CONNECTIONS)) for answer in part]
    assert len(answers) == count
    return answers


def _fail(service: Service, wallets: Mapping[str, str]) -> list[tuple[str, bytes]]:
    """What the coordinator or the cosigners refuse."""
    of_bytes, traded = wallets["ed25519"], wallets["secp256k1"]
    transfer = {"type": "vaultTransfer", "vaultAddress": "0x" + "11" * 20, "isDeposit": True, "usd": 1}
    requests: list[tuple[str, Any]] = [
        ("/mpc/wallets/sign", {"walletId": "nobody", "message": "hello"}),
        ("/mpc/wallets/generate", {"walletId": of_bytes}),
        ("/mpc/wallets/generate", {"walletId": "../k"}),
        ("/hyperliquid/sign", {"walletId": of_bytes, "action": ORDER}),
        ("/hyperliquid/sign", {"walletId": traded, "action": transfer}),
        ("/hyperliquid/sign", {"walletId": traded, "action": {**ORDER, "grouping": 1}}),
        ("/hyperliquid/sign", {"walletId": traded, "action": ORDER, "nonce": 1}),
        ("/hyperliquid/sign", {"walletId": traded, "action": ORDER, "expiresAfter": 1}),
        ("/hyperliquid/sign", {"walletId": traded, "action": ORDER, "network": "mainnet"}),
        ("/mpc/wallets/nobody/refresh", {}),
    ]
    return _ask(service, requests * 2, {400, 403, 404, 409})


def _ask(service: Service, requests: list[tuple[str, Any]], expected: set[int]) -> list[tuple[str, bytes]]:
    """Post over one connection that stays open; answers the whole of what came back, headers included."""
    address, answers = urlsplit(service.url), []
    with closing(http.client.HTTPConnection(str(address.hostname), address.port, timeout=START_S)) as connection:
        for path, body in requests:
            connection.request("POST", path, json.dumps(body), {"X-API-Key": service.key})
            answer = connection.getresponse()
            content = str(answer.getheaders()).encode() + answer.read()
            assert answer.status in expected, (path, answer.status, content)
            answers.append((f"answer {answer.status} of a POST", content))
    return answers


def _scan_all(service: Service, named: Mapping[str, Secret]) -> Mapping[str, Memory]:
    pids = {"service": service.process.pid}
    pids |= {f"cosigner {member}": pid for member, pid in cosigner_pids(service).items()}
    assert len(pids) == 1 + len(MEMBERS)
    scanner = Scanner(named)
    try:
        return {name: scanner.look_into(pid) for name, pid in pids.items()}
    except PermissionError:
        return {}


def _found(memory: Memory, worked: Worked) -> list[Hit]:
    return [hit for hit in memory.hits if hit.name not in worked.planted]


def test_no_key_share_or_data_key_is_in_the_memory_of_any_process(
    worked: Worked, request: pytest.FixtureRequest
) -> None:
    for process, memory in worked.scan().items():
        request.node.user_properties.append((f"scan of the {process}", str(memory)))  # the figures, for reports
        assert memory.size > 2**20
    found = {process: hits for process, memory in worked.scan().items() if (hits := _found(memory, worked))}
    assert found == {}


def test_while_they_sign_a_share_is_in_no_process_but_its_own(worked: Worked, request: pytest.FixtureRequest) -> None:
    worked.scan()
    for process, memory in worked.at_work.items():
        found = _found(memory, worked)
        own = {hit for hit in found if _is_own(hit, process)}
        request.node.user_properties.append((f"own shares open in the {process}", len(own)))
        assert [hit for hit in found if hit not in own] == [], process


def _is_own(hit: Hit, process: str) -> bool:
    """Part of the share of this very cosigner, which it opens for a signature and wipes after it."""
    return hit.name.startswith(("share: ", "seed: ")) and process in hit.name


def test_what_was_planted_is_found_in_the_memory_of_each_process(worked: Worked) -> None:
    for process, memory in worked.scan().items():
        assert {(hit.name, hit.form) for hit in memory.hits} >= {("environment", "hex"), ("wallet", "hex")}, process


def test_every_arena_was_there_to_be_searched(worked: Worked) -> None:
    for process, memory in worked.scan().items():
        assert memory.unreadable == [], process
    cosigners = [line["line"] for line in worked.lines if line["event"] == "cosigner-log"]
    listening = [line for line in [*worked.lines, *cosigners] if line["event"] == "listening"]
    assert [line["memory"] for line in listening] == ["mlock"] * (1 + len(MEMBERS))


def test_the_secrets_are_those_of_both_epochs_and_of_all_members(worked: Worked) -> None:
    expected = {
        f"{what}: {key_type}, epoch {epoch}, cosigner {member}"
        for what in ("share", "data key", "encryption key")
        for key_type in KEY_TYPES
        for epoch in (0, 1)
        for member in MEMBERS
    }
    assert expected <= set(worked.secrets)
    assert {f"the key of a wallet of {key_type}" for key_type in KEY_TYPES} <= set(worked.secrets)


def test_no_secret_is_in_an_answer_a_log_line_or_an_error(worked: Worked) -> None:
    assert Scanner(worked.secrets).look_at_all(worked.said) == []
    said = {hit.where for hit in Scanner(worked.planted).look_at_all(worked.said)}
    assert {"answer 200 of a POST", "the log"} <= said, "the control: the wallet's name stands there"


def test_no_secret_is_in_a_file_but_a_root_key_in_its_own(worked: Worked) -> None:
    files = list(files_below(worked.data))
    hits = Scanner(worked.secrets).look_at_all(files)
    own = {"root.key": "root key of the service"}
    own |= {f"cosigners/{member}/root.key": f"root key of cosigner {member}" for member in MEMBERS}
    assert {(hit.where, hit.name) for hit in hits} == set(own.items()), "the control: each stands in its file"
    logs = {name for name, content in files if "records/" in name and b'"wallet":' in content}
    named = {hit.where for hit in Scanner(worked.planted).look_at_all(files)}
    assert len(logs) == 1 + len(MEMBERS)
    assert logs <= named, "the control: the wallet's name stands there"
