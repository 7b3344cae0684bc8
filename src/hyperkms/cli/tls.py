"""TLS towards the clients: a certificate and its key, TLS 1.2 or later."""

import ssl
from pathlib import Path

from hyperkms.config import Config
from hyperkms.errors import Malformed, Refused, Unavailable

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; those of 1.3 are all sound."""


def tls_context(config: Config) -> ssl.SSLContext | None:
    """The context of the service, None if it speaks plain HTTP.

    The private key is an ordinary value of OpenSSL, outside what is promised for signing keys.
    """
    if config.tls_cert is None or config.tls_key is None:
        return None
    _check(config.tls_key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(config.tls_cert, config.tls_key, password=_no_password)
    except ssl.SSLError as error:
        words = f"{config.tls_cert} and {config.tls_key} are no certificate and its unencrypted key, both PEM"
        raise Malformed("malformed-tls", f"{words} ({error.reason})") from error
    except OSError as error:
        raise Unavailable("key-file-unavailable", f"{config.tls_cert}: {error.strerror}") from error
    return context


def _check(key: Path) -> None:
    try:
        mode = key.stat().st_mode
    except FileNotFoundError as error:
        raise Malformed("key-file-missing", f"there is no TLS key file {key}") from error
    except OSError as error:
        raise Unavailable("key-file-unavailable", f"{key}: {error.strerror}") from error
    if mode & 0o077:
        raise Refused("key-file-permissions", f"the TLS key file {key} is open to others: chmod 600 {key}")


def _no_password() -> bytes:
    """OpenSSL would ask for one at the terminal."""
    return b""
