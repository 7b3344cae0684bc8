"""`hyperkms serve` and `hyperkms sandbox`."""

import sys
from pathlib import Path

import click

from hyperkms.cli.settings import settings, with_settings
from hyperkms.cli.telling import say_nothing, tell_operator
from hyperkms.config import MAX_WORKERS
from hyperkms.errors import Malformed, Unavailable


@click.command()
@with_settings
@click.option("--host", help="The address to bind; 127.0.0.1 unless told.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port (PORT, else 3000); 0 takes a free one.")
@click.option(
    "--metrics-port", type=click.IntRange(0, 65535), help="Serve /metrics there without a key; loopback only."
)
@click.option("--workers", type=click.IntRange(1, MAX_WORKERS), help="Processes that serve (HYPERKMS_WORKERS, else 1).")
@click.option("--uds", type=click.Path(path_type=Path), help="A Unix socket to serve at; without --port there alone.")
@click.option("--tls-cert", type=click.Path(path_type=Path), help="PEM file: the certificate and those above it.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="PEM file: its private key, mode 0600.")
@click.option("--behind-tls-proxy", is_flag=True, help="Allow a bind that is not loopback: a proxy speaks TLS.")
@click.option("--as-worker", hidden=True, help="How the parent of several workers starts each of them.")
def serve(
    data: Path | None,
    env_file: Path | None,
    host: str | None,
    port: int | None,
    metrics_port: int | None,
    workers: int | None,
    uds: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    behind_tls_proxy: bool,  # noqa: FBT001 (click passes a flag)
    as_worker: str | None,
) -> None:
    """Run the service; makes the data directory if there is none."""
    flags = {
        "host": host,
        "port": port,
        "metrics_port": metrics_port,
        "workers": workers,
        "uds": uds,
        "tls_cert": tls_cert,
        "tls_key": tls_key,
    }
    tell = tell_operator if as_worker is None else say_nothing
    config = settings(data, env_file, tell, behind_tls_proxy=behind_tls_proxy, **flags)
    # Each is imported where it is needed: half a second that no other command, and no parent, has to wait for.
    if as_worker is not None:
        from hyperkms.cli.worker import run_worker  # noqa: PLC0415

        run_worker(config, as_worker)
    elif config.workers > 1:
        from hyperkms.cli.supervisor import supervise  # noqa: PLC0415

        sys.exit(supervise(config))
    else:
        from hyperkms.cli.serving import run  # noqa: PLC0415

        run(config)


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), default=3100, show_default=True, help="0 takes a free one.")
@click.option("--fund", "funded", multiple=True, metavar="ADDRESS", help="An account that exists; may be repeated.")
@click.option("--allow-any", is_flag=True, help="Every signer has an account.")
@click.option("--network", type=click.Choice(["testnet", "mainnet"]), default="testnet", show_default=True)
def sandbox(port: int, funded: tuple[str, ...], allow_any: bool, network: str) -> None:  # noqa: FBT001 (as above)
    """Run a stand-in for the exchange on 127.0.0.1, for tests and demos."""
    try:
        from hyperkms.sandbox.server import run  # noqa: PLC0415 (an optional extra)
    except ModuleNotFoundError as missing:
        words = f"the sandbox needs the package {missing.name}: pip install 'hyperkms[sandbox]'"
        raise Unavailable("sandbox-not-installed", words) from missing
    try:
        run(port=port, funded=funded, allow_any=allow_any, network=network)
    except OSError as error:
        words = f"cannot listen on 127.0.0.1 port {port}: {error.strerror}; choose another with --port"
        raise Unavailable("address-unavailable", words) from error
    except ValueError as error:
        raise Malformed.at("--fund", str(error)) from error
