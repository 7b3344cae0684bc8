"""A production group as its operators make it: directories, cards, a description, and every host that joins it."""

import json
import shutil
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hyperkms.client import Options, SigningClient, create_request_key
from support.commands import run
from support.cosigners import Line, Process
from support.namespaces import Host
from support.ports import free_ports
from support.service import START_S, Service
from support.signed import Signer, registered

PRODUCTION = {"HYPERKMS_ENV": "production"}
NAMES = ("alpha", "beta", "gamma")
FIVE = (*NAMES, "delta", "epsilon")


def told(*words: str, cwd: Path, **settings: str) -> str:
    """What a command prints that must succeed."""
    done = run(*words, cwd=cwd, **{**PRODUCTION, **settings})
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def card(data: Path, *words: str) -> Path:
    """A card, in a file beside the directory."""
    path = data.parent / f"{data.name}.json"
    path.write_text(told("mpc", "card", "--data", str(data), *words, cwd=data.parent))
    return path


@dataclass(frozen=True)
class Owner:
    """A key that signs requests, in its file."""

    key: Path
    public: str
    service: str

    def client(self, at: Service) -> SigningClient:
        """The library, with this key."""
        return SigningClient(at.url, request_key=self.key, service=self.service, options=Options(read_s=60))

    def settings(self) -> dict[str, str]:
        """The same for commands."""
        return {"HYPERKMS_REQUEST_KEY": str(self.key), "HYPERKMS_SERVICE": self.service}


@dataclass
class Ceremony:
    """Cosigners and a service of one group, over TLS on this machine: two of three, unless told otherwise."""

    folder: Path
    processes: dict[str, Process]
    ports: dict[str, int]
    group: Path
    fingerprint: str
    threshold: int = 2
    running: ExitStack = field(default_factory=ExitStack)

    @classmethod
    @contextmanager
    def held(
        cls, folder: Path, hosts: Sequence[Host] = (), *, threshold: int = 2, names: Sequence[str] = NAMES
    ) -> Iterator["Ceremony"]:
        """From `init` to `join` on every host, and the cosigners run: here, or each on one of these hosts."""
        service = folder / "service"
        with Service.start(service, **PRODUCTION):
            pass
        processes = {name: Process(folder / name, PRODUCTION) for name in names}
        addresses = dict.fromkeys(names, "127.0.0.1")
        for name, host in zip(names, hosts, strict=False):
            processes[name].within, addresses[name] = host.within, host.address
        ports = dict(zip(names, free_ports(len(names)), strict=True))

        def made_card(name: str) -> Path:
            processes[name].init()
            return card(processes[name].data, "--name", name, "--address", f"{addresses[name]}:{ports[name]}")

        with ThreadPoolExecutor(len(names)) as threads:
            cards = [card(service), *threads.map(made_card, names)]
        group, fingerprint = described(folder / "group.json", cards, threshold=threshold)
        made = cls(folder, processes, ports, group, fingerprint, threshold)
        try:
            made.everywhere(made.begin)
            yield made
        finally:
            made.running.close()
            for process in made.processes.values():
                process.stop()

    def begin(self, name: str) -> None:
        """A host joins the group, and its cosigner runs."""
        self.processes[name].join(self.group, self.fingerprint)
        self.processes[name].start()

    @contextmanager
    def service(self, **more: str) -> Iterator[Service]:
        """The service, with its group."""
        group = {"MPC_ENABLED": "true", "HYPERKMS_MPC_GROUP": str(self.group)}
        settings = {**PRODUCTION, **group, "HYPERKMS_ACCEPT_UNAUDITED_ECDSA": "true", **more}
        with Service.start(self.folder / "service", **settings) as running:
            yield running

    def bot(self, service: Service) -> Signer:
        """A client that signs its requests, known at the service and at every cosigner."""
        signer = registered(service, "bot", "trade", "sign-bytes", "sign-text")
        self.everywhere(lambda name: self.know(name, signer))
        return signer

    def owner(self, service: Service) -> "Owner":
        """Who makes, rotates and refreshes keys: an administrator at the service, an operator at every cosigner."""
        key = self.folder / "owner.key"
        public = create_request_key(key)
        body = {"name": "owner", "role": "administrator", "publicKey": public}
        answer = service.post("/clients", body)
        assert answer.status == 200, answer.body
        made = Owner(key, public, answer.json["service"])
        self.everywhere(lambda name: self.know_owner(name, made))
        return made

    def everywhere(self, work: Callable[[str], None]) -> None:
        """At every cosigner at once."""
        with ThreadPoolExecutor(len(self.processes)) as threads:
            list(threads.map(work, self.processes))

    def know_owner(self, name: str, owner: "Owner") -> None:
        """Let a cosigner know the owner, who signs nothing there."""
        words = ("client", "create", "owner", "--public-key", owner.public, "--role", "operator")
        told(*words, "--data", str(self.processes[name].data), cwd=self.folder)

    def know(self, name: str, signer: Signer) -> None:
        """Let a cosigner know the bot."""
        allow = [word for each in ("trade", "sign-bytes", "sign-text") for word in ("--allow", each)]
        words = ("client", "create", "bot", "--public-key", signer.text, *allow)
        told(*words, "--data", str(self.processes[name].data), cwd=self.folder)

    def lose(self, name: str) -> Path:
        """The host is gone, with its directory; a copy is where nobody should have it."""
        process = self.processes[name]
        process.kill()
        stolen = self.folder / "stolen"
        shutil.copytree(process.data, stolen, ignore=shutil.ignore_patterns("*.lock"))
        shutil.rmtree(process.data)
        return stolen

    def successor(self, name: str) -> tuple[Path, str]:
        """A new host in the place of this one, and the description with its card; no one has joined it yet."""
        process = self.processes[name]
        process.init()
        [self.ports[name]] = free_ports(1)
        card(process.data, "--name", name, "--address", f"127.0.0.1:{self.ports[name]}")
        cards = [self.folder / f"{each}.json" for each in ("service", *self.processes)]
        return described(self.folder / "group-2.json", cards, threshold=self.threshold)

    def succeed(self, name: str) -> None:
        """A new host takes the place of a lost one: it joins, and every other one says that it is a replacement."""
        group, fingerprint = self.successor(name)

        def follow(other: str) -> None:
            process = self.processes[other]
            process.stop()
            process.join(group, fingerprint, *([] if other == name else ["--replace"]))
            process.start()

        self.everywhere(follow)
        self.group, self.fingerprint = group, fingerprint

    def connect(self, name: str, context: ssl.SSLContext) -> ssl.SSLSocket:
        """A TLS connection to a cosigner, as whoever has this context."""
        plain = socket.create_connection(("127.0.0.1", self.ports[name]), START_S)
        return context.wrap_socket(plain)

    def coordinator(self, name: str) -> Line:
        """The line of whoever holds the service's certificate and its key."""
        return Line(self.connect(name, client_with(self.folder / "service")))


def client_with(folder: Path | None) -> ssl.SSLContext:
    """A client that shows the certificate of a directory, or none, and asks nothing of the other side."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if folder is not None:
        context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return context


def described(file: Path, cards: list[Path], *, threshold: int = 2) -> tuple[Path, str]:
    """The description of a group, and its fingerprint."""
    words = ("--group", "desk", "--threshold", str(threshold), "--out", str(file), "--json")
    said = told("mpc", "init", *map(str, cards), *words, cwd=file.parent)
    view: Any = json.loads(said)
    fingerprint: str = view["fingerprint"]
    return file, fingerprint
