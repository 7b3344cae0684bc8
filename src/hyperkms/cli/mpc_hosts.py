"""`hyperkms mpc` on the hosts of a group: card, join, export-share."""

import os
import re
import socket
from functools import partial
from pathlib import Path

import click

from hyperkms.audit.record import LifeRecord, VersionRecord
from hyperkms.cli.desk import opened
from hyperkms.cli.layout import SOCKET
from hyperkms.cli.mpc import show_group
from hyperkms.cli.operator import actor
from hyperkms.cli.printing import FORM, Form, show, show_json
from hyperkms.cli.settings import settings, with_settings
from hyperkms.cli.telling import tell_operator
from hyperkms.config import Config
from hyperkms.errors import Conflict, Malformed, NotFound, Unavailable
from hyperkms.mode import Kind
from hyperkms.operations.parts import Parts
from hyperkms.state.kind import kind_of
from hyperkms.state.share_rows import ShareRow, ShareRows, ShareState
from hyperkms.threshold.addresses import UNIX, parse_address
from hyperkms.threshold.cards import Card, CoordinatorCard, CosignerCard, write_card
from hyperkms.threshold.certificates import CERTIFICATE, make_certificate, read_certificate
from hyperkms.threshold.cosigner.promises import REQUEST_KEPT_MS, WINDOW_FUTURE_MS
from hyperkms.threshold.group import read_group
from hyperkms.wallet import WalletId, parse_wallet_id

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)


@click.command("card")
@with_settings
@click.option("--name", help="What the others call this cosigner: a-z, 0-9 and '-'; else the name of the host.")
@click.option(
    "--address",
    metavar="HOST:PORT",
    help="Where the services reach this cosigner; else the Unix socket in --data, for services on this machine.",
)
def card_command(data: Path | None, env_file: Path | None, name: str | None, address: str | None) -> None:
    """Print the card of a cosigner or of a service, for `hyperkms mpc init`; makes its TLS certificate the first time.

    Nothing on it is secret. What must not happen is that another card comes in its place: compare fingerprints.
    """
    config = settings(data, env_file)
    with opened(config, create=False) as parts:
        kind = kind_of(parts.database)
        if kind is not Kind.COSIGNER and (name or address):
            words = "is for the card of a cosigner, and this is the directory of a service, which is not connected to"
            raise Malformed.at("--name" if name else "--address", words)
        made = _of_service(config, parts) if kind is not Kind.COSIGNER else _of_cosigner(config, name, address)
    click.echo(write_card(made))


@click.command("join")
@with_settings
@click.option(
    "--group", "file", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Its description."
)
@click.option("--fingerprint", required=True, metavar="'XXXX ...'", help="As the others read it out, all 32 digits.")
@click.option("--replace", is_flag=True, help="It is this cosigner's group, with one other member replaced.")
@FORM
def join_command(
    data: Path | None,
    env_file: Path | None,
    file: Path,
    fingerprint: str,
    replace: bool,  # noqa: FBT001 (click passes a flag)
    form: Form,
) -> None:
    """Let the cosigner of --data trust a group, whose fingerprint its operator has compared with the others.

    With --replace every share here is bound to the group in which one other member has a new identity key. Whoever
    stands there gets a share of each key in the end: be sure of the fingerprint, and of who is replaced.
    """
    from hyperkms.cli.joining import Manner, join  # noqa: PLC0415 (the module of shares)

    group = read_group(file)
    joined = join(settings(data, env_file), group, fingerprint, Manner.REPLACE if replace else Manner.JOIN)
    replaced = joined.replaced
    if form is Form.JSON:
        member = None if replaced is None else replaced.index
        view = {"group": group.name, "fingerprint": group.fingerprint, "member": joined.index}
        show_json({**view, "changed": joined.changed, "replaced": member, "sharesBound": joined.bound})
        return
    if replaced is not None:
        before, after = replaced.before, replaced.after
        tell_operator(f"hyperkms: member {replaced.index} was {before.name}  {before.address}  {before.identity.hex()}")
        tell_operator(f"hyperkms: member {replaced.index} is  {after.name}  {after.address}  {after.identity.hex()}")
        tell_operator(f"hyperkms: {joined.bound} shares were bound to the new group")
    if not joined.changed:
        tell_operator("hyperkms: this cosigner has joined it already; nothing was changed")
    tell_operator(f"hyperkms: this is cosigner {joined.index} of the group, {group.by_index[joined.index].name}")
    show_group(group, form)


@click.command("fence")
@with_settings
@FORM
def fence_command(data: Path | None, env_file: Path | None, form: Form) -> None:
    """Let a cosigner whose record misses lines (`record-behind`) sign again; it must not run meanwhile.

    It signs nothing for five minutes, and for a day no action whose nonce it could have signed for before. To replace
    it is better: what it has forgotten of limits over time stays forgotten.
    """
    from hyperkms.cli.fencing import fence  # noqa: PLC0415 (the module of shares)

    made = fence(settings(data, env_file))
    day, minutes = made.at + WINDOW_FUTURE_MS, made.at + REQUEST_KEPT_MS
    show({"fencedAt": made.at, "signsFrom": minutes, "noncesAbove": day}, form)


@click.command("export-share")
@click.argument("wallet_id", metavar="WALLET")
@with_settings
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="A new file, mode 0600.")
@click.option("--version", type=int, metavar="N", help="That key version; else the newest.")
@FORM
def export_share_command(
    wallet_id: str, data: Path | None, env_file: Path | None, out: Path, version: int | None, form: Form
) -> None:
    """Write a cosigner's sealed share of a wallet to a file, for `hyperkms-recover hand-over` (docs/recovery.md).

    It opens under this cosigner's root key alone. Whoever has t of them and their root keys has the key.
    """
    from hyperkms.cli.sealed_shares import public_identity, sealed_shares  # noqa: PLC0415 (the module of shares)

    wallet, config = parse_wallet_id(wallet_id), settings(data, env_file)
    with opened(config, create=False, kind=Kind.COSIGNER) as parts:
        row = _in_force(parts, wallet, version)
        sealed = sealed_shares(config, parts, public_identity(config)).read(row)
        _write_down(parts, row)
        _write_new(out, sealed)
    show(
        {
            "walletId": wallet,
            "version": row.version,
            "epoch": row.epoch,
            "publicKey": "0x" + row.public_key.hex(),
            "out": str(out),
        },
        form,
    )


def _of_service(config: Config, parts: Parts) -> Card:
    service = parts.signed_requests.service
    return CoordinatorCard(service=service, certificate=_certificate(config, f"hyperkms service {service[:8]}"))


def _of_cosigner(config: Config, name: str | None, address: str | None) -> Card:
    from hyperkms.cli.assemble_cosigner import opened_directory  # noqa: PLC0415 (the module of shares)

    called = name or socket.gethostname().partition(".")[0].lower()
    if not _NAME.fullmatch(called):
        raise Malformed.at("--name", "must be 1 to 32 of a-z, 0-9 and '-', and not begin with '-'")
    where = address or f"{UNIX}{(config.data / SOCKET).absolute()}"
    place = parse_address(where)
    with opened_directory(config, create=False) as directory:
        identity = directory.identity.public_key.hex()
    certificate = None if isinstance(place, Path) else _certificate(config, f"hyperkms cosigner {called}")
    return CosignerCard(name=called, identity=identity, address=where, certificate=certificate)


def _certificate(config: Config, name: str) -> str:
    """That of the directory, made the first time."""
    if (config.data / CERTIFICATE).exists():
        return read_certificate(config.data)
    made = make_certificate(config.data, name)
    tell_operator(f"hyperkms: made tls.key and {CERTIFICATE} in {config.data}: by them the others know this process")
    return made


def _in_force(parts: Parts, wallet: WalletId, version: int | None) -> ShareRow:
    rows = ShareRows(parts.database).all(wallet)
    found = [row for row in rows if row.state is ShareState.IN_FORCE and version in (None, row.version)]
    if not found:
        which = "" if version is None else f", version {version}"
        raise NotFound("share-not-found", f"this cosigner has no share in force of wallet {wallet}{which}")
    return found[-1]


def _write_down(parts: Parts, row: ShareRow) -> None:
    """In the record, durable, before the share leaves the directory."""
    who = actor()
    line = LifeRecord(
        time=parts.clock(),
        request_id=who.request_id,
        client=who.client,
        wallet=row.wallet,
        operation="export-share",
        versions=[VersionRecord(version=row.version, state=row.state.value, public_key="0x" + row.public_key.hex())],
        reason=f"epoch {row.epoch}",
    )
    parts.record.append(line).wait()


def _write_new(out: Path, sealed: bytes) -> None:
    try:
        with open(out, "xb", opener=partial(os.open, mode=0o600)) as file:
            file.write(sealed)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise Conflict("file-exists", f"{out} is there already, and is not overwritten") from error
    except OSError as error:
        raise Unavailable("key-file-unavailable", f"{out}: {error.strerror}") from error


COMMANDS = (card_command, join_command, fence_command, export_share_command)
