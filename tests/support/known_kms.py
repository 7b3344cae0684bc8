"""A KMS whose data key is known beforehand: only a test has one."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import botocore.httpsession

from support.sealed_key_reader import Secret

DATA_KEY = Secret(hashlib.sha256(b"known data key of KMS").digest())


class _Kms(BaseHTTPRequestHandler):
    """Answers as AWS KMS does, with that data key; `/cut` ends in the middle of it, `/long` has two bytes more."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        key = DATA_KEY.reveal() + bytes(2 * (self.path == "/long"))
        told = {"KeyId": "arn:aws:kms:k", "CiphertextBlob": "aGVsbG8=", "Plaintext": base64.b64encode(key).decode()}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body[: len(body) - 5 * (self.path == "/cut")])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def one_answer() -> Iterator[str]:
    """The address of one that answers one call."""
    server = HTTPServer(("127.0.0.1", 0), _Kms)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        thread.join()
        server.server_close()


def authorities() -> bytes:
    """PEM certificates, as a client of KMS is made with."""
    return Path(botocore.httpsession.get_cert_path(verify=True)).read_bytes()
