"""`hyperkms mpc`: the group of cosigners, described once and compared by its fingerprint."""

import os
from functools import partial
from pathlib import Path

import click

from hyperkms.cli.printing import FORM, Form, show_json
from hyperkms.cli.telling import tell_operator
from hyperkms.errors import Conflict, Unavailable
from hyperkms.threshold.cards import group_of, read_card
from hyperkms.threshold.group import Group, read_group


@click.group()
def mpc() -> None:
    """Threshold signing: groups of cosigners, and what is done with the keys that they share."""


@mpc.command("init")
@click.argument("cards", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="CARD...")
@click.option("--group", "name", required=True, metavar="NAME", help="A name for the group: a-z, 0-9 and '-'.")
@click.option("--threshold", type=int, default=2, show_default=True, help="How many cosigners sign together.")
@click.option("--out", type=click.Path(path_type=Path), required=True, metavar="FILE", help="The description to make.")
@FORM
def init_command(cards: tuple[Path, ...], name: str, threshold: int, out: Path, form: Form) -> None:
    """Write the description of a group, out of the CARDs of its cosigners, in their order, and of its services."""
    group = group_of(name, threshold, [read_card(card) for card in cards])
    try:
        with open(out, "xb", opener=partial(os.open, mode=0o644)) as file:
            file.write(group.describe())
    except FileExistsError as error:
        raise Conflict("group-exists", f"{out} is there already, and is not overwritten") from error
    except OSError as error:
        raise Unavailable("group-unreadable", f"{out}: {error.strerror}") from error
    tell_operator("hyperkms: every operator compares this fingerprint with the one on the host of their cosigner")
    show_group(group, form)


@mpc.command("fingerprint")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@FORM
def fingerprint_command(file: Path, form: Form) -> None:
    """Print the fingerprint of a group description, to be read out to the operators of the other hosts."""
    show_group(read_group(file), form)


def show_group(group: Group, form: Form) -> None:
    """The fingerprint first, then what stands behind it."""
    if form is Form.JSON:
        show_json(
            {
                "group": group.name,
                "fingerprint": group.fingerprint,
                "threshold": group.threshold,
                "members": [member.name for member in group.members],
                "coordinators": list(group.coordinators),
            }
        )
        return
    click.echo(group.fingerprint)
    click.echo(f"{group.name}: {group.threshold} of {len(group.members)} cosigners sign together")
    for member in group.members:
        click.echo(f"{member.index}  {member.name:16} {member.address}  {member.identity.hex()}")
