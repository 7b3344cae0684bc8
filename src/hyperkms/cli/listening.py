"""Where a service listens, as options: of `serve`, which does, and of `doctor`, which looks whether it could."""

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

_OPTIONS = (
    click.option("--host", help="The address to bind; 127.0.0.1 unless told."),
    click.option("--port", type=click.IntRange(0, 65535), help="The port (PORT, else 3000); 0 takes a free one."),
    click.option(
        "--metrics-port", type=click.IntRange(0, 65535), help="Serve /metrics there without a key; loopback only."
    ),
    click.option(
        "--uds", type=click.Path(path_type=Path), help="A Unix socket to serve at; without --port there alone."
    ),
    click.option("--tls-cert", type=click.Path(path_type=Path), help="PEM file: the certificate and those above it."),
    click.option("--tls-key", type=click.Path(path_type=Path), help="PEM file: its private key, mode 0600."),
    click.option("--behind-tls-proxy", is_flag=True, help="Allow a bind that is not loopback: a proxy speaks TLS."),
)
_NAMES = ("host", "port", "metrics_port", "uds", "tls_cert", "tls_key", "behind_tls_proxy")

Listening = Mapping[str, object]
"""What they said, as `load` takes flags."""


def with_listening(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command these options; it gets them as `listening`."""

    @functools.wraps(command)
    def gathered(**options: Any) -> Any:
        return command(listening={name: options.pop(name) for name in _NAMES}, **options)

    for option in reversed(_OPTIONS):
        gathered = option(gathered)
    return gathered
