"""TLS between coordinator and cosigner: each side accepts the certificates that it was told, and no other."""

import base64
import socket
import ssl
import threading
from pathlib import Path

import pytest

from hyperkms.errors import Conflict, Malformed, Refused
from hyperkms.threshold.certificates import (
    CERTIFICATE,
    KEY,
    client_context,
    make_certificate,
    read_certificate,
    require_accepted,
    server_context,
)


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {name: tmp_path_factory.mktemp(name) for name in ("cosigner", "coordinator", "stranger")}
    for name, folder in folders.items():
        make_certificate(folder, name)
    return folders


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, accepted: list[str]) -> bytes:
    """What the client reads of the server, after each has looked at the other."""
    ours, theirs = socket.socketpair()

    def serve() -> None:
        try:
            with server.wrap_socket(ours, server_side=True) as wrapped:
                require_accepted(wrapped, accepted)
                wrapped.sendall(b"hello")
        except (OSError, Refused):
            ours.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with client.wrap_socket(theirs) as wrapped:
            assert wrapped.version() == "TLSv1.3"
            return wrapped.recv(5)
    except OSError:
        return b""
    finally:
        thread.join()


def test_those_that_know_each_other_talk(parties: dict[str, Path]) -> None:
    accepted = [read_certificate(parties["coordinator"])]
    server = server_context(parties["cosigner"], accepted)
    client = client_context(parties["coordinator"], read_certificate(parties["cosigner"]))
    assert shake_hands(server, client, accepted) == b"hello"


def test_a_stranger_is_let_in_by_neither(parties: dict[str, Path]) -> None:
    accepted = [read_certificate(parties["coordinator"])]
    server = server_context(parties["cosigner"], accepted)
    stranger = client_context(parties["stranger"], read_certificate(parties["cosigner"]))
    assert shake_hands(server, stranger, accepted) == b""
    elsewhere = client_context(parties["coordinator"], read_certificate(parties["stranger"]))
    assert shake_hands(server, elsewhere, accepted) == b""


def test_who_shows_no_certificate_is_not_let_in(parties: dict[str, Path]) -> None:
    accepted = [read_certificate(parties["coordinator"])]
    server = server_context(parties["cosigner"], accepted)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.load_verify_locations(cadata=base64.b64decode(read_certificate(parties["cosigner"])))
    assert shake_hands(server, client, accepted) == b""


def test_a_certificate_that_an_accepted_one_has_signed_is_another_one(parties: dict[str, Path]) -> None:
    trusted = [read_certificate(parties["coordinator"]), read_certificate(parties["stranger"])]
    server = server_context(parties["cosigner"], trusted)
    client = client_context(parties["stranger"], read_certificate(parties["cosigner"]))
    assert shake_hands(server, client, trusted[:1]) == b""
    assert shake_hands(server, client, trusted) == b"hello"


def test_files_are_private_and_never_overwritten(parties: dict[str, Path]) -> None:
    folder = parties["cosigner"]
    assert (folder / KEY).stat().st_mode & 0o777 == 0o600
    with pytest.raises(Conflict):
        make_certificate(folder, "again")


def test_a_key_that_others_can_read_and_a_file_that_is_no_certificate_are_refused(
    parties: dict[str, Path], tmp_path: Path
) -> None:
    make_certificate(tmp_path, "open")
    (tmp_path / KEY).chmod(0o644)
    with pytest.raises(Refused, match="open to others"):
        server_context(tmp_path, [])
    (tmp_path / KEY).chmod(0o600)
    with pytest.raises(Malformed):
        client_context(parties["coordinator"], "MAAB")
    (tmp_path / CERTIFICATE).write_text("no certificate")
    with pytest.raises(Malformed):
        read_certificate(tmp_path)
