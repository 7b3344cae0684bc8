"""`hyperkms cosigner`: init, serve, allow-bearer, shares, reseal."""

from pathlib import Path
from typing import Any

import click

from hyperkms.cli.desk import opened
from hyperkms.cli.operator import actor
from hyperkms.cli.printing import FORM, Form, show, show_json, show_rows
from hyperkms.cli.settings import settings, with_settings
from hyperkms.cli.telling import tell_operator
from hyperkms.errors import Malformed
from hyperkms.mode import Kind
from hyperkms.operations.changing import Deed, write_down
from hyperkms.state.bearer_wallets import BearerWallets
from hyperkms.state.share_rows import ShareRow, ShareRows
from hyperkms.threshold.addresses import parse_host_port
from hyperkms.wallet import parse_wallet_id


@click.group()
def cosigner() -> None:
    """One of the processes among which a key is shared: it holds its share, and decides for itself (docs/cli.md)."""


@cosigner.command()
@with_settings
@FORM
def init(data: Path | None, env_file: Path | None, form: Form) -> None:
    """Make a cosigner's data directory and its identity key; print the public part, for the group description."""
    from hyperkms.cli.assemble_cosigner import opened_directory  # noqa: PLC0415 (the module of shares)

    config = settings(data, env_file)
    with opened_directory(config) as directory:
        show({"identity": directory.identity.public_key.hex(), "data": str(config.data)}, form)


@cosigner.command()
@with_settings
@click.option(
    "--group",
    "group",
    type=click.Path(path_type=Path),
    help="In development: the group description, kept at the first start. Else `hyperkms mpc join` gives it.",
)
@click.option("--uds", type=click.Path(path_type=Path), help="A Unix socket to listen at instead.")
@click.option(
    "--listen", metavar="HOST:PORT", help="Listen there instead, with TLS 1.3: where another address leads to it."
)
@click.option("--parent-channel", type=int, hidden=True, help="A descriptor: where its other end is closed, this ends.")
def serve(
    data: Path | None,
    env_file: Path | None,
    group: Path | None,
    uds: Path | None,
    listen: str | None,
    parent_channel: int | None,
) -> None:
    """Run the cosigner where its group description says that it listens."""
    from hyperkms.cli.serving_cosigner import run  # noqa: PLC0415 (the module of shares, and the event loop)

    config = settings(data, env_file)
    if listen and uds:
        raise Malformed.at("--listen", "and --uds exclude each other: a cosigner listens at one place")
    place = parse_host_port(listen, "--listen") if listen else uds
    run(config, group=group, place=place, parent=parent_channel)


@cosigner.command("allow-bearer")
@click.argument("wallet_id", metavar="WALLET")
@click.option("--end", is_flag=True, help="Ask for the client's signed request again.")
@with_settings
@FORM
def allow_bearer(
    wallet_id: str,
    end: bool,  # noqa: FBT001 (click passes a flag)
    data: Path | None,
    env_file: Path | None,
    form: Form,
) -> None:
    """Let this cosigner sign for a wallet on the word of a coordinator, under the wallet's policy alone.

    In production a cosigner asks for the client's signed request. Whoever holds the coordinator can ask in any
    client's name for a wallet of which it does not.
    """
    wallet = parse_wallet_id(wallet_id)
    with opened(settings(data, env_file), create=False, kind=Kind.COSIGNER) as parts:
        bearer, deed = BearerWallets(parts.database), Deed(operation="end-bearer" if end else "allow-bearer")
        who = actor()

        def before_commit(_connection: object) -> None:
            write_down(parts, who, wallet, [], deed)

        changed = bearer.unset(wallet, before_commit) if end else bearer.set(wallet, before_commit, now=parts.clock())
    show({"walletId": wallet, "bearer": "refused" if end else "allowed", "changed": changed}, form)


@cosigner.command()
@with_settings
@FORM
def shares(data: Path | None, env_file: Path | None, form: Form) -> None:
    """List the shares that this cosigner holds or held."""
    with opened(settings(data, env_file), create=False, kind=Kind.COSIGNER) as parts:
        rows = [_view(row) for row in ShareRows(parts.database).all()]
    if form is Form.JSON:
        show_json(rows)
        return
    names = ("walletId", "version", "epoch", "state", "keyType", "network", "publicKey")
    show_rows([tuple(name.upper() for name in names), *([row[name] for name in names] for row in rows)])


@cosigner.command("reseal")
@click.option(
    "--root-key", required=True, metavar="URI", help="Leave the root key for this one: aws-kms:KEY, or file:NEW."
)
@with_settings
@FORM
def reseal_command(root_key: str, data: Path | None, env_file: Path | None, form: Form) -> None:
    """Seal every share of a stopped cosigner, its identity key and its log key under another root key.

    The shares and the identity stay. Cut off anywhere, the same command goes on where it was.
    """
    from hyperkms.cli.cosigner_reseal import reseal  # noqa: PLC0415 (the module of shares)

    done = reseal(settings(data, env_file), root_key)
    tell_operator(f"hyperkms: from now on HYPERKMS_ROOT_KEY={root_key}; copies that were made before are as they were")
    show({"shares": done.shares, "rootKeyBefore": done.before, "rootKeyId": done.root_key_id}, form)


def _view(row: ShareRow) -> dict[str, Any]:
    return {
        "walletId": row.wallet,
        "version": row.version,
        "epoch": row.epoch,
        "state": row.state.value,
        "keyType": row.key_type.value,
        "network": row.network,
        "publicKey": "0x" + row.public_key.hex(),
    }
