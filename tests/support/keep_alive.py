"""Many requests over one connection."""

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from support.service import START_S, Answer, Service


@dataclass
class Line:
    """A connection that is kept open, with the administrator's key."""

    connection: http.client.HTTPConnection
    key: str

    def request(
        self, method: str, path: str, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request; `headers` replace the key."""
        sent = {"X-API-Key": self.key} if headers is None else dict(headers)
        self.connection.request(method, path, content, sent)
        answer = self.connection.getresponse()
        return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())

    def post(self, path: str, body: object, **more: str) -> Answer:
        """A body as JSON; `more` are headers beside the key, with _ for -."""
        named = {name.replace("_", "-"): value for name, value in more.items()}
        return self.request("POST", path, json.dumps(body).encode(), {"X-API-Key": self.key, **named})

    def post_raw(self, path: str, content: bytes) -> Answer:
        return self.request("POST", path, content)

    def get(self, path: str) -> Answer:
        return self.request("GET", path)


@contextmanager
def line_to(service: Service) -> Iterator[Line]:
    """Open a line to a service."""
    parts = urlsplit(service.url)
    with closing(http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=START_S)) as connection:
        yield Line(connection, service.key)


def assert_malformed(answer: Answer) -> str:
    """A 400 problem document; its code."""
    assert answer.status == 400, answer.body
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json
    assert body["error"]
    return str(body["code"])
