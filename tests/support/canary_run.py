"""One life of a service with canaries in it, from import to SIGABRT, and everything that it said and wrote."""

import http.client
import itertools
import json
import os
import resource
import secrets
import signal
import sqlite3
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hyperkms.problem_table import PROBLEMS
from support.asking import Ask, Names, asks_of
from support.canaries import DAMAGED, Said, damage, secrets_of_every_version
from support.commands import key_file, run
from support.every_route import routes_of
from support.memory_scan import Memory, Scanner, files_below
from support.sealed_key_reader import Secret
from support.service import START_S, Service
from support.unlimited import UNLIMITED

LONG = os.environ.get("HYPERKMS_HYGIENE_REQUESTS")
REQUESTS = int(LONG or "4000")
CONNECTIONS = 4
SETTING = "administrator-of-the-environment-" + secrets.token_hex(16)
"""The API_KEY setting."""

ENDINGS = ("/rotate", "/retire", "/revoke")
"""Asked of one wallet and one client only, so that the others go on."""
SIGNING = ("text", "imported-secp256k1", "bytes", "imported-ed25519")


@dataclass
class Searched:
    """Everything said and written, and what must not be in it."""

    said: Said
    canaries: Mapping[str, Secret]
    """Wallets' keys, data keys and the root key."""
    api_keys: Mapping[str, Secret]
    pasted: Secret
    planted: Secret
    memory: Memory | None
    codes: set[str]


def _opened(canaries: Mapping[str, Secret]) -> Mapping[str, Secret]:
    """In the short form those of the wallets that sign: a search for all takes a minute."""
    if LONG:
        return canaries
    signing = tuple(f" of {wallet} version " for wallet in SIGNING)
    chosen = [name for name in canaries if name == "root key" or any(part in name for part in signing)]
    return {name: canaries[name] for name in chosen}


class CanaryRun:
    """One life of a service, from import to SIGABRT."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._said = Said()
        self._codes = set[str]()
        self._planted = Secret(secrets.token_bytes(32))
        self._pasted = Secret(secrets.token_bytes(32))
        (folder / "temporary").mkdir()

    def whole(self) -> Searched:
        """The steps, in order."""
        imported = {kind: self._import(kind) for kind in ("secp256k1", "ed25519")}
        settings = {"LOG_LEVEL": "debug", "API_KEY": SETTING, "TMPDIR": str(self._folder / "temporary"), **UNLIMITED}
        with Service.start(self._data, **settings) as service:
            keys = self._prepare(service)
            canaries = {**secrets_of_every_version(self._data), **imported}
            damage(self._data)
            self._ask_everything(service, keys)
            self._command_line(service, keys)
            canaries |= secrets_of_every_version(self._data)
            self._faults(service, keys)
            memory = self._look_into(service, {**_opened(canaries), **imported, "planted": self._planted})
            self._files("a file while it runs")
            service.process.send_signal(signal.SIGABRT)
            assert service.process.wait(timeout=START_S) == -signal.SIGABRT
            assert service.reader is not None
            service.reader.join(START_S)
            assert service.process.stderr is not None
            errors = service.process.stderr.read()
        self._said.add("log", "standard output", "".join(service.lines).encode())
        self._said.add("log", "standard error", errors.encode())
        self._files("a file after its end")
        events = [json.loads(line) for line in service.lines if line.startswith("{")]
        asked = [event for event in events if event["event"] == "request"]
        return Searched(
            self._said,
            canaries,
            {name: Secret(key[-43:].encode()) for name, key in keys.items()},
            self._pasted,
            self._planted,
            memory,
            self._codes | {event["code"] for event in asked},
        )

    # ---- before ---------------------------------------------------------------------------------------

    def _import(self, kind: str) -> Secret:
        canary = Secret(b"\x5a" + secrets.token_bytes(31))
        file = key_file(self._folder / f"{kind}.key", "0x" + canary.reveal().hex() + "\n")
        words = ("wallet", "import", f"imported-{kind}", "--key-type", kind, "--key-file", str(file))
        settings = {"HYPERKMS_NETWORK": "testnet"} if kind == "secp256k1" else {"HYPERKMS_NETWORK": ""}
        done = self._run(*words, "--data", str(self._data), **settings)
        assert done == 0
        for number, wrong in enumerate((canary.reveal().hex()[:-1], canary.reveal().hex() + "zz", "x" * 64)):
            bad = key_file(self._folder / f"{kind}.{number}.key", wrong)
            assert self._run(
                "wallet", "import", "bad", "--key-type", kind, "--key-file", str(bad), "--data", str(self._data)
            )
        file.chmod(0o644)
        assert self._run(*words, "--data", str(self._data)) == 1, "others can read the file"
        given = ("wallet", "import", "bad", "--key-type", kind, "--key-file", canary.reveal().hex())
        assert self._run(*given, "--data", str(self._data))
        for path in self._folder.glob("*.key"):
            path.unlink()
        return canary

    def _prepare(self, service: Service) -> dict[str, str]:
        """Wallets of every kind and state, and clients; the API keys by what they are."""
        for name, key_type in (
            ("bytes", "ed25519"),
            ("text", "secp256k1"),
            ("ended", "secp256k1"),
            ("leaver", "ed25519"),
        ):
            service.generate(name, keyType=key_type)
        for name in DAMAGED:
            service.generate(name, keyType="secp256k1")
        service.generate(self._planted.reveal().hex(), metadata={"planted": self._planted.reveal().hex()})
        service.generate("mainnet", keyType="secp256k1", network="mainnet")
        assert service.post("/wallets/rotate", {"walletId": "bytes"}).status == 200
        keys = {"good": SETTING, "administrator": service.key, "wrong": service.key[:-4] + "AAAA"}
        for name, allow in (("trader", ["trade"]), ("nothing", []), ("revoked", ["read"]), ("leaver", ["read"])):
            keys[name] = service.post("/clients", {"name": name, "allow": allow}).json["apiKey"]
        keys["replaced"] = service.post("/clients/nothing/rotate", {"overlapHours": 0}).json["apiKey"]
        once = {"X-API-Key": service.key, "Idempotency-Key": "once"}
        keys["made once"] = service.post("/clients", {"name": "once"}, headers=once).json["apiKey"]
        assert service.post("/clients", {"name": "once"}, headers=once).json["code"] == "answer-not-kept"
        assert service.post("/clients/revoked/revoke", {}).status == 200
        assert service.post("/wallets/ended/retire", {}).status == 200
        return keys

    # ---- asking ---------------------------------------------------------------------------------------

    def _ask_everything(self, service: Service, keys: Mapping[str, str]) -> None:
        wallets: tuple[str, ...] = (
            "text",
            "bytes",
            "ended",
            "mainnet",
            "imported-secp256k1",
            "imported-ed25519",
            *DAMAGED,
            "nobody",
        )
        wallets += (self._planted.reveal().hex(),)
        pasted = "0x" + self._pasted.reveal().hex()
        names = Names(wallets, ("trader", "revoked", "nobody"), keys, pasted)
        ending = Names(("leaver",), ("leaver",), keys, pasted)
        routes = routes_of(service.get("/openapi.json").json)
        asks = [ask for route in routes for ask in asks_of(route, ending if route.path.endswith(ENDINGS) else names)]
        asks += _by_hand(keys["good"])
        asks += [Ask("GET", path) for path in ("/docs", "/openapi.json", "/metrics", "/problems", f"/{pasted}")]
        asks += [
            Ask("GET", f"/problems/{code}", None, {"Accept": kind})
            for code in PROBLEMS
            for kind in ("text/html", "*/*")
        ]
        repeated = itertools.islice(itertools.cycle(asks), max(REQUESTS, len(asks)))
        shares = [
            list(share) for share in zip(*[iter(repeated)] * (max(REQUESTS, len(asks)) // CONNECTIONS), strict=False)
        ]
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(lambda share: self._over_one_line(service, share), shares))

    def _over_one_line(self, service: Service, asks: list[Ask]) -> None:
        address = urlsplit(service.url)
        with closing(http.client.HTTPConnection(str(address.hostname), address.port, timeout=START_S)) as connection:
            for ask in asks:
                connection.request(ask.method, ask.path, ask.content, dict(ask.headers))
                answer = connection.getresponse()
                content = str(answer.getheaders()).encode() + b"\n" + answer.read()
                place = "refusal" if answer.status >= 400 else "answer"
                self._said.add(place, f"{answer.status} of {ask}", content)

    # ---- the command line -----------------------------------------------------------------------------

    def _command_line(self, service: Service, keys: Mapping[str, str]) -> None:
        """Every command, on the directory and on the service; well and badly called."""
        planted = self._planted.reveal().hex()
        pasted = "0x" + self._pasted.reveal().hex()
        on_directory: tuple[tuple[str, ...], ...] = (
            ("config",),
            ("doctor",),
            ("wallet", "list", "--json"),
            ("wallet", "show", planted),
            ("wallet", "show", "damaged-cut"),
            ("wallet", "sign", "text", "--message", "hello"),
            ("wallet", "sign", "damaged-bit", "--message", "hello"),
            ("wallet", "generate", "text"),
            ("wallet", "generate", pasted),
        )
        of_clients: tuple[tuple[str, ...], ...] = (
            ("client", "list"),
            ("client", "show", "trader"),
            ("client", "create", "trader"),
            ("client", "create", pasted),
            ("client", "revoke", "nobody"),
        )
        asking = {"HYPERKMS_URL": service.url, "HYPERKMS_API_KEY": keys["administrator"]}
        wrong = {**asking, "HYPERKMS_API_KEY": keys["wrong"]}
        at_home = {"HYPERKMS_DATA": str(self._data), "API_KEY": SETTING}
        calls = [(words, at_home) for words in (*on_directory, *of_clients)]
        calls += [(words, asking) for words in of_clients]
        calls += [(of_clients[0], wrong), (("serve",), {**at_home, "PORT": str(urlsplit(service.url).port)})]
        calls += [
            (("serve",), {**at_home, "LOG_LEVEL": SETTING}),
            (("serve",), {**at_home, "HYPERKMS_ENV": "production"}),
        ]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda call: self._run(*call[0], **call[1]), calls))

    def _run(self, *words: str, **settings: str) -> int:
        done = run(*words, cwd=self._folder, **settings)
        self._said.add("command", " ".join(words), done.stdout + b"\n" + done.stderr)
        return done.returncode

    # ---- faults ---------------------------------------------------------------------------------------

    def _faults(self, service: Service, keys: Mapping[str, str]) -> None:
        """A database that another process holds, then a disk that takes nothing more."""
        good = {"X-API-Key": keys["good"]}
        sign = json.dumps({"walletId": "text", "message": "hello"}).encode()
        make = json.dumps({"walletId": "too-late"}).encode()
        asks = [Ask("POST", "/wallets/sign", sign, good), Ask("POST", "/wallets/generate", make, good)]
        asks += [
            Ask("POST", "/clients", b'{"name":"too-late"}', good),
            Ask("GET", "/ready"),
            Ask("GET", "/wallets", None, good),
        ]
        with closing(sqlite3.connect(self._data / "hyperkms.db", timeout=START_S)) as database:
            database.execute("BEGIN EXCLUSIVE")
            with ThreadPoolExecutor(len(asks)) as pool:
                list(pool.map(lambda ask: self._over_one_line(service, [ask]), asks))
        resource.prlimit(service.process.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        self._over_one_line(service, asks * 3)
        self._read_codes()

    def _read_codes(self) -> None:
        for _, content in self._said.by_place["refusal"]:
            _, _, body = content.partition(b"\n")
            if body.startswith(b"{"):
                self._codes.add(json.loads(body)["code"])

    # ---- looking --------------------------------------------------------------------------------------

    def _look_into(self, service: Service, named: Mapping[str, Secret]) -> Memory | None:
        try:
            return Scanner(named).look_into(service.process.pid)
        except PermissionError:
            return None

    def _files(self, when: str) -> None:
        for name, content in files_below(self._folder):
            place = "the file of its own" if name in ("data/root.key", "data/admin.key") else "file"
            self._said.add(place, f"{name} ({when})", content)


def _by_hand(key: str) -> list[Ask]:
    """What the examples of the document do not lead to."""
    order = {"a": 0, "b": True, "p": "60000", "s": "0.001", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    payload = {"action": "order", "coin": "BTC", "isBuy": True, "sz": 1, "limitPx": 2, "timestamp": 0}
    noop = {"walletId": "text", "action": {"type": "noop"}}
    bodies: list[tuple[str, Any]] = [
        (
            "/hyperliquid/sign",
            {"walletId": "text", "action": {"type": "order", "orders": [{**order, **wrong}], "grouping": "na"}},
        )
        for wrong in ({"p": "1.23456789"}, {"s": "1.0"})
    ]
    bodies += [
        ("/hyperliquid/sign", {**noop, "network": "mainnet"}),
        ("/hyperliquid/sign", {**noop, "nonce": 1}),
        ("/hyperliquid/sign", {**noop, "nonce": time.time_ns() // 1_000_000 + 1000}),
        ("/hyperliquid/sign", {**noop, "version": 9}),
        ("/wallets/sign-order", {"walletId": "bytes", "orderPayload": {"1": 2}}),
        ("/clients/revoked/rotate", {}),
    ]
    signing = [("/wallets/sign", {"walletId": wallet, "message": "hello"}) for wallet in SIGNING]
    bodies += [*signing, ("/hyperliquid/sign", noop), ("/hyperliquid/sign", {**noop, "walletId": SIGNING[1]})] * 10
    now = {**payload, "timestamp": time.time_ns() // 1_000_000}
    bodies += [("/wallets/sign-order", {"walletId": "text", "orderPayload": sent}) for sent in (payload, now)]
    return [Ask("POST", path, json.dumps(body).encode(), {"X-API-Key": key}) for path, body in bodies]
