"""`hyperkms identity`: the key by which a bot or a person signs requests, made where it will be used."""

from pathlib import Path

import click

from hyperkms import _core
from hyperkms.access.identity_key import IdentityKey
from hyperkms.cli.printing import FORM, Form, show_json
from hyperkms.cli.telling import tell_operator
from hyperkms.errors import Conflict, Malformed

_FILE = click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
_LONGEST = 256
PUBLIC_KEY = click.option(
    "--public-key", metavar="KEY|FILE", help="It signs its requests with this key, and gets no API key."
)


@click.group()
def identity() -> None:
    """Make and look at keys that sign requests: the stronger way to ask a service, instead of an API key."""


@identity.command("create")
@_FILE
@FORM
def create_command(file: Path, form: Form) -> None:
    """Make a key in a new FILE of mode 0600 and print its public key, for `hyperkms client create --public-key`."""
    try:
        key = _core.RequestKey.create(file)
    except Conflict as error:
        raise Conflict(error.code, f"{file} exists and is not overwritten") from error
    tell_operator(f"hyperkms: the private key is in {file} (mode 0600); it is for this bot alone, and of no other use")
    _show(key, form)


@identity.command("show")
@_FILE
@FORM
def show_command(file: Path, form: Form) -> None:
    """Print the public key of a FILE."""
    _show(_core.RequestKey.open(file), form)


def public_key_of(text: str) -> str:
    """What --public-key says: the key, or one that is all there is in a file. Malformed otherwise."""
    path = Path(text)
    if path.is_file():
        text = path.read_bytes()[:_LONGEST].decode("ascii", "replace").strip()
    try:
        return str(IdentityKey.parse(text, "--public-key"))
    except Malformed as refused:
        if text.startswith("hyperkms-request-key"):
            words = "is the file of a private key: give what `hyperkms identity show` prints of it"
            raise Malformed.at("--public-key", words, refused.code) from None
        raise


def _show(key: _core.RequestKey, form: Form) -> None:
    shown = IdentityKey(key.public_key, _core.request_key_fingerprint(key.public_key))
    if form is Form.JSON:
        show_json({"publicKey": str(shown), "fingerprint": shown.fingerprint})
    else:
        click.echo(str(shown))
