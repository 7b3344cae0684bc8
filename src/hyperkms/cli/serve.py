"""`hyperkms serve` and `hyperkms sandbox`."""

import sys
from pathlib import Path

import click

from hyperkms.cli.listening import Listening, with_listening
from hyperkms.cli.settings import settings, with_settings
from hyperkms.cli.telling import say_nothing, tell_operator
from hyperkms.config import MAX_WORKERS
from hyperkms.errors import Malformed, Unavailable


@click.command()
@with_settings
@with_listening
@click.option("--workers", type=click.IntRange(1, MAX_WORKERS), help="Processes that serve (HYPERKMS_WORKERS, else 1).")
@click.option("--as-worker", hidden=True, help="How the parent of several workers starts each of them.")
def serve(
    data: Path | None,
    env_file: Path | None,
    listening: Listening,
    workers: int | None,
    as_worker: str | None,
) -> None:
    """Run the service; makes the data directory if there is none."""
    tell = tell_operator if as_worker is None else say_nothing
    config = settings(data, env_file, tell, workers=workers, **listening)
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
def sandbox(port: int, funded: tuple[str, ...], allow_any: bool, network: str) -> None:  # noqa: FBT001 (click passes a flag)
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
