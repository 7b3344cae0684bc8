"""`--tls-cert` and `--tls-key`: the port speaks TLS 1.2 or later and nothing else."""

import contextlib
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from hyperkms.client import Idempotency, Options, SigningClient
from support.certificates import Pair, self_signed
from support.commands import refusal
from support.service import START_S, Service


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return self_signed(tmp_path_factory.mktemp("pair"))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, pair: Pair) -> Iterator[Service]:
    words = ("--workers", "2", "--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))
    folder = tmp_path_factory.mktemp("secured")
    with Service.start(folder / "data", *words, HYPERKMS_REQUEST_TIMEOUT="2") as running:
        yield running


def _trusting(pair: Pair) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(pair.certificate))


def _place(service: Service) -> tuple[str, int]:
    parts = urlsplit(service.url)
    return str(parts.hostname), parts.port or 0


def _handshake(service: Service, context: ssl.SSLContext) -> str | None:
    with (
        socket.create_connection(_place(service), timeout=START_S) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as secure,
    ):
        return secure.version()


def test_the_client_library_signs_over_it(secured: Service, pair: Pair) -> None:
    assert secured.url.startswith("https://127.0.0.1:")
    options = Options(tls=_trusting(pair), idempotency=Idempotency.ON_REQUEST)
    with SigningClient(secured.url, secured.key, options=options) as client:
        client.generate("bytes", key_type="ed25519")
        assert client.sign_message("bytes", "hello").signature.startswith("0x")


def test_who_does_not_trust_the_certificate_sends_nothing(secured: Service) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        _handshake(secured, ssl.create_default_context())


@pytest.mark.parametrize(
    ("version", "expected"), [(ssl.TLSVersion.TLSv1_3, "TLSv1.3"), (ssl.TLSVersion.TLSv1_2, "TLSv1.2")]
)
def test_tls_1_3_and_1_2_are_spoken(secured: Service, pair: Pair, version: ssl.TLSVersion, expected: str) -> None:
    context = _trusting(pair)
    context.maximum_version = version
    assert _handshake(secured, context) == expected


def test_plain_http_is_not_answered(secured: Service) -> None:
    with socket.create_connection(_place(secured), timeout=START_S) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert not connection.recv(4096).startswith(b"HTTP")


def test_who_never_finishes_the_handshake_is_dropped(secured: Service) -> None:
    with socket.create_connection(_place(secured), timeout=START_S) as connection:
        connection.sendall(b"\x16\x03\x01")
        with contextlib.suppress(ConnectionError):
            assert connection.recv(4096) == b""


def test_production_may_listen_beyond_loopback_with_it(tmp_path: Path, pair: Pair) -> None:
    words = ("--host", "0.0.0.0", "--tls-cert", str(pair.certificate), "--tls-key", str(pair.key))  # noqa: S104 (a test of it)
    with Service.start(tmp_path / "data", *words, HYPERKMS_ENV="production") as service:
        assert service.url.startswith("https://0.0.0.0:")


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, pair: Pair, workers: str) -> None:
    loose = tmp_path / "key.pem"
    loose.write_bytes(pair.key.read_bytes())
    loose.chmod(0o644)
    assert "[key-file-permissions]" in _refusal(tmp_path, pair.certificate, loose, workers)


def test_files_that_do_not_fit_are_refused(tmp_path: Path, pair: Pair) -> None:
    other = self_signed(tmp_path)
    assert "[malformed-tls]" in _refusal(tmp_path, pair.certificate, other.key)
    assert "[malformed-tls]" in _refusal(tmp_path, pair.key, pair.key)
    assert "[key-file-missing]" in _refusal(tmp_path, pair.certificate, tmp_path / "nowhere")


def test_an_encrypted_key_is_refused_and_no_password_asked_for(tmp_path: Path, pair: Pair) -> None:
    sealed = tmp_path / "sealed.pem"
    words = ["openssl", "pkey", "-in", str(pair.key), "-aes256", "-passout", "pass:hunter2", "-out", str(sealed)]
    subprocess.run(words, check=True, capture_output=True, timeout=START_S)
    sealed.chmod(0o600)
    assert "[malformed-tls]" in _refusal(tmp_path, pair.certificate, sealed)


def _refusal(folder: Path, certificate: Path, key: Path, workers: str = "1") -> str:
    words = ("--tls-cert", str(certificate), "--tls-key", str(key), "--workers", workers)
    return refusal("serve", "--data", str(folder / "data"), "--port", "0", *words, cwd=folder)
