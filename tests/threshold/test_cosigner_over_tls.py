"""Over a network a cosigner speaks TLS 1.3, to the coordinators whose certificates its group names, and to no other."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hyperkms.threshold.certificates import client_context, make_certificate
from hyperkms.threshold.group import Group, Member
from hyperkms.threshold.wire import Status
from support.cosigners import COORDINATOR, Line, Process
from support.service import START_S


@dataclass
class Listening:
    """A cosigner that listens, its certificate, and the folders of two coordinators, of which it knows the first."""

    address: tuple[str, int]
    certificate: str
    known: Path
    stranger: Path

    def connect(self, folder: Path) -> Line:
        context = client_context(folder, self.certificate)
        plain = socket.create_connection(self.address, timeout=START_S)
        try:
            return Line(context.wrap_socket(plain))
        except BaseException:
            plain.close()
            raise


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    folder = tmp_path_factory.mktemp("tls")
    folders = [folder / "known", folder / "stranger"]
    for each in folders:
        each.mkdir()
    certificates = [make_certificate(each, each.name) for each in folders]
    process = Process(folder / "c", {})
    identity, certificate = process.init(), make_certificate(process.data, "cosigner")
    group = Group(
        name="tls",
        threshold=2,
        members=tuple(
            Member(index=index, name=f"c{index}", identity=key, address=f"127.0.0.1:{index}", certificate=certificate)
            for index, key in ((1, identity), (2, bytes([7] * 32)))
        ),
        coordinators=(COORDINATOR,),
        coordinator_certificates=(certificates[0],),
    )
    file = folder / "group.json"
    file.write_bytes(group.describe())
    process.start("--group", str(file), "--listen", "127.0.0.1:0")
    host, _, port = process.lines[-1]["address"].rpartition(":")
    try:
        yield Listening((host, int(port)), certificate, *folders)
    finally:
        process.stop()


def test_the_coordinator_of_the_group_is_answered_in_tls_1_3(listening: Listening) -> None:
    line = listening.connect(listening.known)
    assert isinstance(line.socket, ssl.SSLSocket)
    assert line.socket.version() == "TLSv1.3"
    assert line.ask(Status()).index == 1
    line.close()


def test_a_stranger_with_a_certificate_of_its_own_is_not(listening: Listening) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        listening.connect(listening.stranger)
    line = listening.connect(listening.known)
    assert line.ask(Status()).index == 1
    line.close()
