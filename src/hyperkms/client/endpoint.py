"""Where the service is: `http://host:port`, `https://host`, `unix:/path/to.sock`."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from hyperkms.client.errors import Misconfigured

_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A parsed address; `unix_path` is set for a Unix socket, `host` and `port` for TCP."""

    url: str
    host: str = ""
    port: int = 0
    tls: bool = False
    prefix: str = ""
    unix_path: str | None = None

    @property
    def host_header(self) -> str:
        """The value of the Host header."""
        if self.unix_path is not None:
            return "localhost"
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == _PORTS["https" if self.tls else "http"] else f"{name}:{self.port}"


def parse_endpoint(url: str) -> Endpoint:
    """Read a URL; Misconfigured says what is wrong with it."""
    if url.startswith("unix:"):
        path = url.removeprefix("unix:").removeprefix("//")
        if not path or "\0" in path:
            raise Misconfigured("a Unix socket is given as unix:/path/to.sock")
        return Endpoint(url=url, unix_path=path)
    if not url.isascii() or not url.isprintable() or " " in url:
        raise Misconfigured("the URL of the signing service has a character that no URL has")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise Misconfigured("the URL of the signing service is malformed") from error
    if parts.scheme not in _PORTS or not host:
        raise Misconfigured("the URL of the signing service starts with http://, https:// or unix:")
    if parts.username is not None or parts.query or parts.fragment:
        raise Misconfigured("the URL of the signing service has no user, query or fragment: the API key is given apart")
    return Endpoint(
        url=url.rstrip("/"),
        host=host,
        port=_PORTS[parts.scheme] if port is None else port,
        tls=parts.scheme == "https",
        prefix=parts.path.rstrip("/"),
    )
