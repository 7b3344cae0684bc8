"""The life of a wallet by command: rotate, activate, retire, migrate; its versions and history."""

import sys
from typing import Any

import click

from hyperkms.cli.printing import FORM, Form, show, show_json, show_rows
from hyperkms.cli.target import Target, with_target
from hyperkms.cli.telling import tell_operator
from hyperkms.cli.wallet import WALLET
from hyperkms.cli.wallet_desk import WalletDesk, wallet_desk
from hyperkms.errors import Refused
from hyperkms.wallet import WalletId, parse_wallet_id

_REASON = click.option("--reason", help="For the record and the history.")


@click.command("rotate")
@WALLET
@_REASON
@click.option(
    "--activate/--pending",
    default=None,
    help="Current at once, or after `activate`; unless told, at once for ed25519 and pending for secp256k1.",
)
@with_target
@FORM
def rotate_command(wallet_id: str, reason: str | None, activate: bool | None, target: Target, form: Form) -> None:  # noqa: FBT001 (click passes a flag)
    """Give a wallet a new key version; the one before it still signs, for who names it, until its grace ends."""
    wallet_id = parse_wallet_id(wallet_id)
    with wallet_desk(target) as desk:
        rotation = desk.rotate(_set(walletId=wallet_id, reason=reason, activate=activate))["rotation"]
    show(rotation, form)
    if rotation["state"] == "pending":
        number, address = rotation["newVersion"], rotation.get("newAddress", rotation["newPublicKey"])
        tell_operator(
            f"hyperkms: version {number} is pending: approve {address} at the exchange, "
            f"then: hyperkms wallet activate {wallet_id} {number}"
        )


@click.command("activate")
@WALLET
@click.argument("version", type=click.IntRange(1))
@_REASON
@with_target
@FORM
def activate_command(wallet_id: str, version: int, reason: str | None, target: Target, form: Form) -> None:
    """Make the pending version the current one, once the exchange knows its address."""
    with wallet_desk(target) as desk:
        answer = desk.activate(parse_wallet_id(wallet_id), _set(version=version, reason=reason))
    show(answer["rotation"], form)


@click.command("retire")
@WALLET
@click.option("--version", type=click.IntRange(1), help="Only this key version; it is destroyed at once.")
@_REASON
@click.option("--destroy", is_flag=True, help="Destroy the keys at once, not at the end of a last grace.")
@click.option("--yes", is_flag=True, help="Do not ask; needed where no terminal can.")
@with_target
@FORM
def retire_command(
    wallet_id: str,
    version: int | None,
    reason: str | None,
    destroy: bool,  # noqa: FBT001 (click passes a flag)
    yes: bool,  # noqa: FBT001 (as above)
    target: Target,
    form: Form,
) -> None:
    """End a wallet or one of its key versions, for ever; asks first."""
    wallet = parse_wallet_id(wallet_id)
    with wallet_desk(target) as desk:
        if not yes:
            _confirm(_at_stake(desk, wallet, version, at_once=destroy or version is not None))
        answer = desk.retire(wallet, _set(version=version, reason=reason, destroy=destroy or None))
    if note := answer.get("note"):
        tell_operator(f"hyperkms: {note}")
    if form is Form.JSON:
        show_json({"wallet": answer["wallet"], "versions": answer["versions"]})
        return
    show(answer["wallet"], form)
    _show_versions(answer["versions"])


@click.command("versions")
@WALLET
@with_target
@FORM
def versions_command(wallet_id: str, target: Target, form: Form) -> None:
    """Print the key versions of a wallet and their states."""
    with wallet_desk(target) as desk:
        answer = desk.versions(parse_wallet_id(wallet_id))
    if form is Form.JSON:
        show_json({name: answer[name] for name in ("walletId", "currentVersion", "versions")})
        return
    _show_versions(answer["versions"])


@click.command("history")
@WALLET
@with_target
@FORM
def history_command(wallet_id: str, target: Target, form: Form) -> None:
    """Print which version followed which, when and why."""
    with wallet_desk(target) as desk:
        history = desk.history(parse_wallet_id(wallet_id))["history"]
    if form is Form.JSON:
        show_json(history)
        return
    rows = [
        (one["fromVersion"], one["toVersion"], one["rotatedAt"], one["reason"]) for one in history["rotationHistory"]
    ]
    show_rows([("FROM", "TO", "WHEN", "REASON"), *rows])


@click.command("migrate")
@WALLET
@with_target
@FORM
def migrate_command(wallet_id: str, target: Target, form: Form) -> None:
    """Import one wallet of the first system from AWS; of one that is here say so, and change nothing."""
    with wallet_desk(target) as desk:
        answer = desk.migrate(parse_wallet_id(wallet_id))
    show({"walletId": answer["walletId"], "message": answer["message"]}, form)


def _at_stake(desk: WalletDesk, wallet: WalletId, number: int | None, *, at_once: bool) -> str:
    """What retiring would end, in a sentence."""
    standing = desk.versions(wallet)["versions"]
    alive = [one for one in standing if one["state"] != "retired" and number in (None, one["version"])]
    keys = ", ".join(
        f"version {one['version']} ({one.get('address', one['publicKey'])}, {one['state']})" for one in alive
    )
    what = f"wallet {wallet}" if number is None else f"version {number} of wallet {wallet}"
    when = "are destroyed at once" if at_once else "are destroyed when a last grace ends"
    return f"{what} never signs again, and its sealed keys {when}: {keys or 'none is left'}; there is no way back"


def _confirm(stake: str) -> None:
    if not sys.stdin.isatty():
        words = f"{stake}. Nothing was done: say --yes where no terminal can ask"
        raise Refused("not-confirmed", words)
    if not click.confirm(f"hyperkms: {stake}. Go on?", err=True):
        raise Refused("not-confirmed", "nothing was done")


def _show_versions(versions: list[dict[str, Any]]) -> None:
    rows = [
        (one["version"], one["state"], one.get("address") or one["publicKey"], one["createdAt"], one.get("expiresAt"))
        for one in versions
    ]
    show_rows([("VERSION", "STATE", "ADDRESS OR KEY", "CREATED", "EXPIRES"), *rows])


def _set(**members: object) -> dict[str, Any]:
    """The members that were given."""
    return {name: value for name, value in members.items() if value is not None}


COMMANDS = (rotate_command, activate_command, retire_command, versions_command, history_command, migrate_command)
