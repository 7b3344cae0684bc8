"""`hyperkms wallet sign` and `hyperkms wallet sign-action`."""

import json
import sys
from typing import Any

import click

from hyperkms.cli.printing import FORM, Form, show, show_json
from hyperkms.cli.target import Target, with_target
from hyperkms.cli.wallet import WALLET
from hyperkms.cli.wallet_desk import wallet_desk
from hyperkms.errors import Malformed
from hyperkms.strict_json import parse
from hyperkms.wallet import parse_wallet_id

_VERSION = click.option(
    "--version", type=click.IntRange(1), help="A key version in grace; the current one unless told."
)
_MAX_ACTION = 64 * 1024
_POSTED = ("action", "nonce", "signature", "vaultAddress", "expiresAfter")


@click.command("sign")
@WALLET
@click.option("--message", required=True, help="The text to sign; - reads standard input.")
@_VERSION
@with_target
@FORM
def sign_command(wallet_id: str, message: str, version: int | None, target: Target, form: Form) -> None:
    """Sign a message: raw bytes by an ed25519 wallet, EIP-191 by a secp256k1 one."""
    try:
        text = sys.stdin.buffer.read() if message == "-" else message.encode()
    except UnicodeEncodeError:
        raise Malformed.at("--message", "is not UTF-8; other bytes come through a pipe: --message -") from None
    with wallet_desk(target) as desk:
        show(desk.sign(parse_wallet_id(wallet_id), text, version), form)


@click.command("sign-action")
@WALLET
@click.option("--action", required=True, type=click.File("rb"), help="A file with the action as JSON; - is a pipe.")
@click.option("--nonce", type=click.IntRange(0), help="Milliseconds; allocated unless told.")
@click.option("--vault", metavar="ADDRESS", help="The vault or sub-account it is for.")
@click.option("--expires-after", type=click.IntRange(0), metavar="MS", help="Milliseconds since 1970.")
@click.option("--network", type=click.Choice(["mainnet", "testnet"]), help="For a wallet that is bound to none.")
@_VERSION
@click.option("--approval", "approvals", multiple=True, metavar="TEXT", help="What an approver gave; as often as due.")
@with_target
@FORM
def sign_action_command(
    wallet_id: str,
    action: Any,
    nonce: int | None,
    vault: str | None,
    expires_after: int | None,
    network: str | None,
    version: int | None,
    approvals: tuple[str, ...],
    target: Target,
    form: Form,
) -> None:
    """Sign a Hyperliquid action and print the body to post to /exchange; with --json the whole answer."""
    told = {
        "walletId": parse_wallet_id(wallet_id),
        "nonce": nonce,
        "vaultAddress": vault,
        "expiresAfter": expires_after,
        "network": network,
        "version": version,
        "approvals": list(approvals) or None,
    }
    raw = action.read(_MAX_ACTION + 1)
    if len(raw) > _MAX_ACTION or not isinstance(parse(raw), dict):
        raise Malformed.at("--action", f"holds no JSON object of at most {_MAX_ACTION} bytes")
    with wallet_desk(target) as desk:
        signed = desk.sign_action({name: value for name, value in told.items() if value is not None}, raw)
    if form is Form.JSON:
        show_json(signed)
    else:
        click.echo(json.dumps({name: signed[name] for name in _POSTED}))


COMMANDS = (sign_command, sign_action_command)
