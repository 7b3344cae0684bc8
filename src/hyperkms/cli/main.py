"""The `hyperkms` command."""

import os
import sys

import click

from hyperkms import _core
from hyperkms.cli.client import client
from hyperkms.cli.doctor import doctor
from hyperkms.cli.serve import sandbox, serve
from hyperkms.cli.settings import config
from hyperkms.cli.wallet import wallet
from hyperkms.errors import HyperkmsError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="hyperkms")
def cli() -> None:
    """Key custody and signing for Hyperliquid trading bots."""


for _command in (serve, sandbox, wallet, client, config, doctor):
    cli.add_command(_command)


def main() -> None:
    """Run the command; a refusal is one line on standard error and exit status 1."""
    os.umask(0o077)
    try:
        _core.harden_process()
        cli(standalone_mode=True)
    except HyperkmsError as error:
        print(f"hyperkms: {error}", file=sys.stderr)
        sys.exit(1)
