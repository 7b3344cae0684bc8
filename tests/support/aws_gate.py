"""A gate in front of the emulator that judges every call by the policies of deploy/aws, as AWS would."""

import http.client
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from support.iam import ACCOUNT, ENDPOINT, REGION, Call, Policy, context_keys, is_allowed

_SERVICES = {"TrentService": "kms", "secretsmanager": "secretsmanager"}


@dataclass
class Gate:
    """Lets through what the policies of the service allow, and keeps the actions of both kinds."""

    url: str
    upstream: str
    policies: Mapping[str, Sequence[Policy]]
    """By service."""
    passed: set[str] = field(default_factory=set)
    stopped: set[str] = field(default_factory=set)

    def lets(self, target: str, asked: Mapping[str, Any]) -> bool:
        """Whether this call passes."""
        service = _SERVICES[target.partition(".")[0]]
        call = _call(f"{service}:{target.rpartition('.')[2]}", asked)
        passes = is_allowed(call, *self.policies[service])
        (self.passed if passes else self.stopped).add(call.action)
        return passes


def _call(action: str, asked: Mapping[str, Any]) -> Call:
    if action.startswith("kms:"):
        keys = {**context_keys(asked.get("EncryptionContext", {})), "aws:SourceVpce": ENDPOINT}
        key = str(asked["KeyId"])
        arn = key if key.startswith("arn:") else f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{key}"
        return Call(action, arn, keys=keys)
    name = asked.get("Name") or asked["SecretId"]
    return Call(action, f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf")


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        gate = self.server.gate
        status, answer = 400, b'{"__type":"AccessDeniedException","message":"not authorised"}'
        if gate.lets(self.headers.get("X-Amz-Target", ""), json.loads(body)):
            status, answer = self._forward(body)
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _forward(self, body: bytes) -> tuple[int, bytes]:
        parts = urlsplit(self.server.gate.upstream)
        connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)
        try:
            connection.request("POST", self.path, body, dict(self.headers))
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, gate: Gate) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.gate = gate


@contextmanager
def guarded(upstream: str, policies: Mapping[str, Sequence[Policy]]) -> Iterator[Gate]:
    """The gate in front of the emulator at `upstream`."""
    gate = Gate("", upstream, policies)
    server = _Server(gate)
    gate.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield gate
    finally:
        server.shutdown()
        server.server_close()
