"""`hyperkms wallet`: generate, import, list, show; the group that the other wallet commands join."""

import json
import re
import select
import sys
from dataclasses import replace
from pathlib import Path
from typing import get_args

import click

from hyperkms.cli.layout import COPIES
from hyperkms.cli.names import complete_wallets
from hyperkms.cli.printing import FORM, Form, show, show_json
from hyperkms.cli.target import Target, with_target
from hyperkms.cli.telling import tell_operator
from hyperkms.cli.wallet_desk import every_wallet, imported, wallet_desk, wallet_desk_for
from hyperkms.errors import Malformed, Refused
from hyperkms.http.schemas import CustodyName, KeyTypeName
from hyperkms.operations.new_wallet import NewWallet
from hyperkms.state.which import Which
from hyperkms.strict_json import parse
from hyperkms.wallet import Custody, KeyType, Network, parse_wallet_id

WALLET = click.argument("wallet_id", metavar="ID", shell_complete=complete_wallets)
_NEW_WALLET = click.argument("wallet_id", metavar="ID")
_PATIENCE_S = 1.0
_KEY_ITSELF = re.compile(r"(?:0[xX])?[0-9a-fA-F]{64}")
_NETWORK = click.option(
    "--network", type=click.Choice([network.value for network in Network]), help="Binding; or HYPERKMS_NETWORK."
)
_METADATA = click.option("--metadata", metavar="JSON", help="""An object to keep with it, such as '{"desk": "a"}'.""")


_MASTER = click.option(
    "--master",
    is_flag=True,
    help="Of a master account: first a second copy of its key for HYPERKMS_RECOVERY_RECIPIENT.",
)
_CUSTODY = click.option(
    "--custody",
    type=click.Choice(get_args(CustodyName)),
    default=Custody.STANDARD.value,
    help="kms-native: AWS KMS makes the key and keeps it.",
)


@click.group()
def wallet() -> None:
    """Make wallets, sign with them, rotate and retire them.

    They are those of a data directory (--data), also while a service runs on it, or of a running service (--url).
    """


@wallet.command("generate")
@_NEW_WALLET
@click.option("--key-type", type=click.Choice(get_args(KeyTypeName)), default=KeyType.SECP256K1.value)
@_NETWORK
@_METADATA
@_CUSTODY
@_MASTER
@with_target
@FORM
def generate_command(
    wallet_id: str,
    key_type: str,
    network: str | None,
    metadata: str | None,
    custody: str,
    master: bool,  # noqa: FBT001 (click passes a flag)
    target: Target,
    form: Form,
) -> None:
    """Make a wallet with a fresh key; secp256k1 unless told."""
    wanted = replace(_wanted(wallet_id, key_type, network, metadata), custody=Custody(custody))
    if master:
        wanted = _of_master(wanted, target)
    with wallet_desk_for(target, wanted) as desk:
        show(desk.generate(wanted)["wallet"], form)
    _tell_of_copy(wanted, target)


@wallet.command("import")
@_NEW_WALLET
@click.option("--key-type", type=click.Choice(get_args(KeyTypeName)), required=True)
@click.option(
    "--key-file", required=True, type=click.Path(path_type=Path), help="64 hex digits, mode 0600; - is a pipe."
)
@_NETWORK
@_METADATA
@_CUSTODY
@_MASTER
@with_target
@FORM
def import_command(
    wallet_id: str,
    key_type: str,
    key_file: Path,
    network: str | None,
    metadata: str | None,
    custody: str,
    master: bool,  # noqa: FBT001 (click passes a flag)
    target: Target,
    form: Form,
) -> None:
    """Make a wallet with the key of a file; only the core reads it, and it never goes to a service."""
    if _KEY_ITSELF.fullmatch(str(key_file)):
        words = "is the name of a file, and this looks like a key itself: it may now be in your shell's history"
        raise Malformed.at("--key-file", words, "key-on-command-line")
    if str(key_file) == "-" and sys.stdin.isatty():
        words = "- reads a pipe, and this is a terminal that would show the key"
        raise Malformed.at("--key-file", words, "key-from-terminal")
    if target.names_service():
        words = "a key is imported on the machine of the data directory and goes through no service: say --data DIR"
        raise Refused("import-needs-directory", words)
    if str(key_file) == "-":
        _await_pipe()
    wanted = replace(_wanted(wallet_id, key_type, network, metadata), custody=Custody(custody))
    if master:
        wanted = _of_master(wanted, target)
    show(imported(target, wanted, key_file), form)
    _tell_of_copy(wanted, target)


@wallet.command("list")
@click.option(
    "--state", type=click.Choice([which.value for which in Which]), default=Which.LIVE.value, show_default=True
)
@with_target
@FORM
def list_command(state: str, target: Target, form: Form) -> None:
    """Print every wallet, in order of id."""
    with wallet_desk(target) as desk:
        views = list(every_wallet(desk, state))
    if form is Form.JSON:
        show_json({"wallets": views, "count": len(views)})
        return
    for view in views:
        identity = view.get("address") or view["publicKey"]
        retired = "  retired" if "retiredAt" in view else ""
        click.echo(f"{view['walletId']:24} {view['keyType']:10} {view.get('network', '-'):8} {identity}{retired}")


@wallet.command("show")
@WALLET
@with_target
@FORM
def show_command(wallet_id: str, target: Target, form: Form) -> None:
    """Print one wallet, a retired one too."""
    with wallet_desk(target) as desk:
        show(desk.show(parse_wallet_id(wallet_id))["wallet"], form)


def _await_pipe() -> None:
    """Until there is something to read, or the end: here Ctrl-C is heard, and the core reads to the end."""
    if not select.select([sys.stdin], [], [], _PATIENCE_S)[0]:
        tell_operator("hyperkms: waiting for the key on standard input; Ctrl-C stops")
        select.select([sys.stdin], [], [])


def _wanted(wallet_id: str, key_type: str, network: str | None, metadata: str | None) -> NewWallet:
    return NewWallet(
        id=parse_wallet_id(wallet_id),
        key_type=KeyType(key_type),
        network=Network(network) if network else None,
        metadata=_object(metadata) if metadata else {},
    )


def _of_master(wanted: NewWallet, target: Target) -> NewWallet:
    """Made at the directory alone, where the copy is."""
    if target.names_service():
        words = "a master key is made on the machine of the data directory, where its second copy is: say --data DIR"
        raise Refused("master-needs-directory", words)
    return replace(wanted, master=True)


def _tell_of_copy(wanted: NewWallet, target: Target) -> None:
    if wanted.master:
        tell_operator(
            f"hyperkms: the second copy is in {target.settings().data / COPIES}: carry it away, and see with "
            "`hyperkms-recover check` that it opens, before you send funds to the address"
        )


def _object(text: str) -> dict[str, object]:
    parse(text.encode("utf-8", "surrogateescape"))
    value = json.loads(text)
    if not isinstance(value, dict):
        raise Malformed.at("--metadata", """is no JSON object, such as '{"desk": "a"}'""")
    return value
