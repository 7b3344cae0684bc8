"""`--uds`: the service at a Unix socket that its user alone can connect to."""

import asyncio
import socket
import stat
from pathlib import Path

from hyperkms.client import AsyncSigningClient, Idempotency, Options, SigningClient
from support.commands import run
from support.service import Service

OPTIONS = Options(idempotency=Idempotency.ON_REQUEST)


def test_the_client_library_signs_through_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "kms.sock"
    with Service.start(tmp_path / "data", "--uds", str(path)) as service:
        service.generate("bytes")
        with SigningClient(f"unix:{path}", service.key, options=OPTIONS) as client:
            signed = client.sign_message("bytes", "hello")
        assert service.post("/wallets/sign", {"walletId": "bytes", "message": "hello"}).json["signature"] == (
            signed.signature
        )


def test_the_asynchronous_client_signs_through_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "kms.sock"
    with Service.start(tmp_path / "data", "--uds", str(path)) as service:
        service.generate("bytes")
        assert asyncio.run(_sign(f"unix:{path}", service.key)).startswith("0x")


async def _sign(address: str, key: str) -> str:
    async with AsyncSigningClient(address, key, options=OPTIONS) as client:
        return (await client.sign_message("bytes", "hello")).signature


def test_without_a_port_it_serves_at_the_socket_alone(tmp_path: Path) -> None:
    path = tmp_path / "run" / "kms.sock"
    with Service.start_as_told(tmp_path / "data", "--uds", str(path), "--workers", "2") as service:
        assert service.url == f"unix:{path}"
        with SigningClient(service.url, service.key, options=OPTIONS) as client:
            assert client.ready()
    assert not path.exists()


def test_only_its_user_can_connect_and_the_file_goes_with_the_service(tmp_path: Path) -> None:
    path = tmp_path / "kms.sock"
    with Service.start(tmp_path / "data", "--uds", str(path)) as service:
        found = path.stat()
        assert (stat.S_ISSOCK(found.st_mode), stat.S_IMODE(found.st_mode)) == (True, 0o600)
        assert service.stop() == 0
    assert not path.exists()


def test_a_second_service_at_the_socket_is_refused_and_the_first_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "kms.sock"
    with Service.start(tmp_path / "data", "--uds", str(path)) as service:
        done = run("serve", "--data", str(tmp_path / "other"), "--uds", str(path), cwd=tmp_path)
        assert (done.returncode, b"[address-unavailable]" in done.stderr) == (1, True)
        with SigningClient(f"unix:{path}", service.key, options=OPTIONS) as client:
            assert client.ready()


def test_a_socket_of_another_program_that_listens_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kms.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as other:
        other.bind(str(path))
        other.listen()
        done = run("serve", "--data", str(tmp_path / "data"), "--uds", str(path), cwd=tmp_path)
    assert (done.returncode, b"[address-unavailable]" in done.stderr) == (1, True)
    assert path.exists()


def test_the_socket_of_a_service_that_was_killed_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "kms.sock"
    with Service.start(tmp_path / "data", "--uds", str(path)) as service:
        service.kill()
    assert path.exists()
    with (
        Service.start(tmp_path / "data", "--uds", str(path)) as service,
        SigningClient(f"unix:{path}", service.key, options=OPTIONS) as client,
    ):
        assert client.ready()


def test_a_file_that_is_no_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("precious")
    done = run("serve", "--data", str(tmp_path / "data"), "--uds", str(path), cwd=tmp_path)
    assert (done.returncode, b"[address-unavailable]" in done.stderr) == (1, True)
    assert path.read_text() == "precious"
