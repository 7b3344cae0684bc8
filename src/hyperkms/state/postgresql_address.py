"""Where a PostgreSQL database is, as HYPERKMS_DATABASE names it; its password is never shown."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

SCHEME: Final = "postgresql"
PORT: Final = 5432
_OPTIONS: Final = frozenset({"passfile", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "host"})
_SSL_MODES: Final = frozenset({"disable", "allow", "prefer", "require", "verify-ca", "verify-full"})
_NAME: Final = re.compile(r"[^\x00-\x1f\x7f]{1,63}")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_HIDDEN: Final = "***"


@dataclass(frozen=True, kw_only=True)
class PostgresAddress:
    """A database of a server; `str` is its address without the password."""

    user: str
    host: str
    """A name, an address, or the folder of a Unix socket."""
    port: int
    name: str
    password: str | None = field(default=None, repr=False)
    """None: PGPASSWORD or a password file says it, or the server asks for none."""
    options: tuple[tuple[str, str], ...] = ()
    """Of libpq: `passfile` and what begins with `ssl`."""

    def __str__(self) -> str:
        user = self.user if self.password is None else f"{self.user}:{_HIDDEN}"
        is_folder = self.host.startswith("/")
        host = "" if is_folder else f"[{self.host}]" if ":" in self.host else self.host
        options = [*self.options, *([("host", self.host)] if is_folder else [])]
        shown = "&".join(f"{name}={value}" for name, value in options)
        return f"{SCHEME}://{user}@{host}:{self.port}/{self.name}" + (f"?{shown}" if shown else "")

    @property
    def is_local(self) -> bool:
        """Whether nothing leaves this machine on the way to the server."""
        return self.host.startswith("/") or self.host in _LOOPBACK

    @property
    def proves_server(self) -> bool:
        """Whether the server has to show a certificate of its own name."""
        return dict(self.options).get("sslmode") == "verify-full"

    def renamed(self, name: str) -> "PostgresAddress":
        """Another database of the same server, as the same user."""
        return replace(self, name=name)


def parse_postgresql(text: str) -> PostgresAddress:
    """`postgresql://user@host:port/name?option=value`; ValueError says what is wrong, never the password."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError("its port is no number from 1 to 65535") from None
    if parts.scheme != SCHEME or parts.fragment:
        raise ValueError("postgresql://user@host:port/name is due")
    options = _options(parts.query)
    host = options.pop("host", None) or parts.hostname
    user, name = unquote(parts.username or ""), unquote(parts.path.removeprefix("/"))
    if not user or not host:
        raise ValueError(f"it names no {'host' if user else 'user'}: postgresql://user@host:port/name is due")
    if not _NAME.fullmatch(name) or "/" in name or not _NAME.fullmatch(user):
        raise ValueError("it names no database: postgresql://user@host:port/name is due")
    password = None if parts.password is None else unquote(parts.password)
    return PostgresAddress(
        user=user,
        host=host,
        port=PORT if port is None else port,
        name=name,
        password=password,
        options=tuple(sorted(options.items())),
    )


def _options(query: str) -> dict[str, str]:
    found = dict(parse_qsl(query, keep_blank_values=True))
    for name in found:
        if name not in _OPTIONS:  # `password=` among them, which would be shown
            raise ValueError(f"it has an option that is not one of {', '.join(sorted(_OPTIONS))}")
    if found.get("sslmode", "prefer") not in _SSL_MODES:
        raise ValueError(f"its sslmode is not one of {', '.join(sorted(_SSL_MODES))}")
    return found


DatabaseAddress: TypeAlias = Path | PostgresAddress
"""The file of a SQLite database, or a PostgreSQL database."""
