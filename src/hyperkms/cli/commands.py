"""Every command, and how one ends."""

import os
import sys

import click

from hyperkms import _core
from hyperkms.cli import audit_verify, wallet_changes, wallet_sign
from hyperkms.cli.audit import audit
from hyperkms.cli.client import client
from hyperkms.cli.completion import PROGRAM, VARIABLE, completion
from hyperkms.cli.cosigner import cosigner
from hyperkms.cli.doctor import doctor
from hyperkms.cli.identity import identity
from hyperkms.cli.policy import policy
from hyperkms.cli.serve import sandbox, serve
from hyperkms.cli.settings import config
from hyperkms.cli.status import status
from hyperkms.cli.wallet import wallet
from hyperkms.errors import HyperkmsError

FAILED = 1


class _Commands(click.Group):
    def invoke(self, ctx: click.Context) -> object:
        """Ctrl-C reaches `main` as it is: click would turn it into an exception and an empty line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupted:
            raise _Interrupted from interrupted


class _Interrupted(Exception):
    pass


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="hyperkms")
def cli() -> None:
    """Key custody and signing for Hyperliquid trading bots."""


for _command in (serve, cosigner, sandbox, wallet, client, identity, policy, audit, status, config, doctor, completion):
    cli.add_command(_command)
for _command in (*wallet_sign.COMMANDS, *wallet_changes.COMMANDS):
    wallet.add_command(_command)
for _command in audit_verify.COMMANDS:
    audit.add_command(_command)


def run() -> int:
    """Run the command line of this process; the exit status. KeyboardInterrupt passes through."""
    try:
        _core.harden_process()
        result = cli.main(prog_name=PROGRAM, complete_var=VARIABLE, standalone_mode=False)
    except HyperkmsError as error:
        print(f"hyperkms: {error}", file=sys.stderr)
        return FAILED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, _Interrupted) as error:
        raise KeyboardInterrupt from error
    except BrokenPipeError:  # `hyperkms wallet list | head`: nobody reads any more, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    return result if isinstance(result, int) else 0
