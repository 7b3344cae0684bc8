"""`hyperkms approve`: a person's signature over one action, made where their key is and without any service."""

import sys
from pathlib import Path

import click
import msgspec

from hyperkms import _core
from hyperkms.access.approvals import LONGEST_MS, Matter
from hyperkms.access.policy.document import period_of
from hyperkms.cli.clock import clock
from hyperkms.cli.policy_file import read_file
from hyperkms.cli.printing import FORM, Form, show_json
from hyperkms.cli.telling import tell_operator
from hyperkms.errors import Malformed, Refused
from hyperkms.hyperliquid.actions import Action, parse_action
from hyperkms.hyperliquid.explain import explain
from hyperkms.hyperliquid.members import parse_address
from hyperkms.hyperliquid.signable import require_fitting
from hyperkms.hyperliquid.wire import Numbers
from hyperkms.strict_json import parse
from hyperkms.wallet import Network, iso_time, parse_wallet_id


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, allow_dash=True))
@click.option("--wallet", "wallet_id", required=True, metavar="ID", help="The wallet that is to sign it.")
@click.option("--network", required=True, type=click.Choice(["mainnet", "testnet"]), help="Where it is to be done.")
@click.option("--vault", metavar="ADDRESS", help="The vault or sub-account it is for.")
@click.option(
    "--key",
    "key_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="The approver's key, made with `hyperkms identity create`.",
)
@click.option(
    "--for", "period", default="15m", show_default=True, metavar="TIME", help="Until when it counts; 1h at most."
)
@click.option("--yes", is_flag=True, help="Do not ask; for where no terminal can.")
@FORM
def approve(
    file: Path,
    wallet_id: str,
    network: str,
    vault: str | None,
    key_file: Path,
    period: str,
    yes: bool,  # noqa: FBT001 (click passes a flag)
    form: Form,
) -> None:
    """Approve one action: say what the FILE with it as JSON does, and print a signature that permits it once.

    Whoever asks for the action sends it in `approvals`. It is for this wallet, network and account alone.
    """
    holds_ms = _holds_ms(period)
    address = None if vault is None else parse_address(vault, "--vault")
    matter = Matter(parse_wallet_id(wallet_id), Network(network), address, _read(file))
    require_fitting(matter.action, matter.network, nonce=None, vault_address=address, expires_after=None)
    key = _core.RequestKey.open(key_file)
    sentence = explain(matter.action, _nameless)
    account = "" if address is None else f" for {address}"
    tell_operator(f"hyperkms: wallet {matter.wallet} on {network}{account}: {sentence}")
    tell_operator(f"hyperkms: in full: {msgspec.json.encode(matter.action.wire).decode()}")
    _confirm(period, is_told=yes)
    now = clock()
    text, until = matter.approve(key, time=now, until=now + holds_ms), now + holds_ms
    if form is Form.JSON:
        fingerprint = _core.request_key_fingerprint(key.public_key)
        show_json({"approval": text, "explained": sentence, "approver": fingerprint, "until": iso_time(until)})
    else:
        click.echo(text)


def _read(file: Path) -> Action:
    return parse_action(parse(read_file(file).encode(), "The action"), Numbers.CANONICAL)


def _holds_ms(period: str) -> int:
    holds_ms = period_of(period, "--for")
    if holds_ms > LONGEST_MS:
        raise Malformed.at("--for", "an approval counts for an hour at most")
    return holds_ms


def _confirm(period: str, *, is_told: bool) -> None:
    """Refused unless whoever holds the key has said that this is to be signed."""
    if is_told:
        return
    if not sys.stdin.isatty():
        raise Refused("not-confirmed", "nothing was approved: say --yes where no terminal can ask")
    if not click.confirm(f"hyperkms: may this be signed once, within {period}?", err=True):
        raise Refused("not-confirmed", "nothing was approved")


def _nameless(_asset: int) -> None:
    """Assets are called by their numbers: their names are the exchange's, which is not asked."""
