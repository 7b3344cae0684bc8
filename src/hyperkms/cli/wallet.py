"""`hyperkms wallet`: generate, import, list, show, sign."""

import json
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import msgspec

from hyperkms.cli.assemble import assemble, defaults_of
from hyperkms.cli.operator import operator
from hyperkms.cli.settings import JSON, settings, with_settings
from hyperkms.config import Config
from hyperkms.errors import Malformed
from hyperkms.http.views import signed_view, wallet_view
from hyperkms.operations.generate import NewWallet, generate, import_key, settle
from hyperkms.operations.parts import Parts
from hyperkms.operations.sign import sign_message
from hyperkms.wallet import KeyType, Network, Wallet, parse_wallet_id

_PAGE = 500
_KEY_ITSELF = re.compile(r"(?:0[xX])?[0-9a-fA-F]{64}")
_NETWORK = click.option(
    "--network", type=click.Choice([network.value for network in Network]), help="Binding; or HYPERKMS_NETWORK."
)


@click.group()
def wallet() -> None:
    """Work on the wallets of a data directory, also while a service runs on it."""


@wallet.command("generate")
@click.argument("wallet_id", metavar="ID")
@click.option("--key-type", type=click.Choice([kind.value for kind in KeyType]), default=KeyType.SECP256K1.value)
@_NETWORK
@with_settings
@JSON
def generate_command(
    wallet_id: str,
    key_type: str,
    network: str | None,
    data: Path | None,
    env_file: Path | None,
    as_json: bool,  # noqa: FBT001 (click passes a flag)
) -> None:
    """Make a wallet with a fresh key; secp256k1 unless told."""
    wanted = _wanted(wallet_id, key_type, network)
    with _parts_for(wanted, data, env_file) as parts:
        _show(generate(parts, wanted), as_json=as_json)


@wallet.command("import")
@click.argument("wallet_id", metavar="ID")
@click.option("--key-type", type=click.Choice([kind.value for kind in KeyType]), required=True)
@click.option(
    "--key-file", required=True, type=click.Path(path_type=Path), help="64 hex digits, mode 0600; - is a pipe."
)
@_NETWORK
@with_settings
@JSON
def import_command(
    wallet_id: str,
    key_type: str,
    key_file: Path,
    network: str | None,
    data: Path | None,
    env_file: Path | None,
    as_json: bool,  # noqa: FBT001 (as above)
) -> None:
    """Make a wallet with the key of a file; only the core reads it."""
    if _KEY_ITSELF.fullmatch(str(key_file)):
        words = "is the name of a file, and this looks like a key itself: it may now be in your shell's history"
        raise Malformed.at("--key-file", words, "key-on-command-line")
    if str(key_file) == "-" and sys.stdin.isatty():
        words = "- reads a pipe, and this is a terminal that would show the key"
        raise Malformed.at("--key-file", words, "key-from-terminal")
    wanted = _wanted(wallet_id, key_type, network)
    with _parts_for(wanted, data, env_file) as parts:
        _show(import_key(parts, wanted, key_file), as_json=as_json)


@wallet.command("list")
@with_settings
@JSON
def list_command(data: Path | None, env_file: Path | None, as_json: bool) -> None:  # noqa: FBT001 (as above)
    """Print every wallet, in order of id."""
    with _parts(settings(data, env_file), create=False) as parts:
        views = [msgspec.to_builtins(wallet_view(found)) for found in _all(parts)]
    if as_json:
        click.echo(json.dumps({"wallets": views, "count": len(views)}, indent=2))
        return
    for view in views:
        identity = view.get("address") or view["publicKey"]
        click.echo(f"{view['walletId']:24} {view['keyType']:10} {view.get('network', '-'):8} {identity}")


@wallet.command("show")
@click.argument("wallet_id", metavar="ID")
@with_settings
@JSON
def show_command(
    wallet_id: str,
    data: Path | None,
    env_file: Path | None,
    as_json: bool,  # noqa: FBT001 (as above)
) -> None:
    """Print one wallet."""
    with _parts(settings(data, env_file), create=False) as parts:
        _show(parts.wallets.get(parse_wallet_id(wallet_id)), as_json=as_json)


@wallet.command("sign")
@click.argument("wallet_id", metavar="ID")
@click.option("--message", required=True, help="The text to sign; - reads standard input.")
@with_settings
@JSON
def sign_command(
    wallet_id: str,
    message: str,
    data: Path | None,
    env_file: Path | None,
    as_json: bool,  # noqa: FBT001 (as above)
) -> None:
    """Sign a message: raw bytes by an ed25519 wallet, EIP-191 by a secp256k1 one."""
    try:
        text = sys.stdin.buffer.read() if message == "-" else message.encode()
    except UnicodeEncodeError:
        raise Malformed.at("--message", "is not UTF-8; other bytes come through a pipe: --message -") from None
    with _parts(settings(data, env_file), create=False) as parts:
        signed = sign_message(parts, operator(), parse_wallet_id(wallet_id), text).wait()
        _print(msgspec.to_builtins(signed_view(signed)), as_json=as_json)


@contextmanager
def _parts(config: Config, *, create: bool) -> Iterator[Parts]:
    parts = assemble(config, create=create)
    try:
        yield parts
    finally:
        parts.close()


@contextmanager
def _parts_for(wanted: NewWallet, data: Path | None, env_file: Path | None) -> Iterator[Parts]:
    """The data directory for a new wallet; made only if the wallet can be."""
    config = settings(data, env_file)
    settle(wanted, defaults_of(config), config.mode)
    with _parts(config, create=True) as parts:
        yield parts


def _wanted(wallet_id: str, key_type: str, network: str | None) -> NewWallet:
    return NewWallet(
        id=parse_wallet_id(wallet_id), key_type=KeyType(key_type), network=Network(network) if network else None
    )


def _all(parts: Parts) -> Iterator[Wallet]:
    after = ""
    while page := parts.wallets.page(after=after, limit=_PAGE):
        yield from page
        after = page[-1].id


def _show(found: Wallet, *, as_json: bool) -> None:
    _print(msgspec.to_builtins(wallet_view(found)), as_json=as_json)


def _print(view: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(view, indent=2))
        return
    for name, value in view.items():
        text = value if isinstance(value, str | int) else json.dumps(value)
        click.echo(f"{name:12} {text}")
