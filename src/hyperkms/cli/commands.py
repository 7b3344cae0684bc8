"""Every command, and how one ends."""

import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import click

from hyperkms import _core
from hyperkms.cli.completion import PROGRAM, VARIABLE
from hyperkms.errors import HyperkmsError

FAILED = 1
_COMMANDS: Mapping[str, Sequence[str]] = {
    "serve": ["serve"],
    "cosigner": ["cosigner"],
    "mpc": ["mpc", "mpc_hosts", "mpc_service"],
    "sandbox": ["serve"],
    "wallet": [
        "wallet",
        "wallet_sign",
        "wallet_changes",
        "wallet_reseal",
        "wallet_first_system",
        "wallet_first_system_shares",
    ],
    "client": ["client"],
    "identity": ["identity"],
    "policy": ["policy"],
    "approve": ["approve"],
    "audit": ["audit", "audit_verify", "audit_fetch"],
    "backup": ["backup"],
    "restore": ["backup"],
    "recover": ["recover"],
    "status": ["status"],
    "config": ["settings"],
    "doctor": ["doctor"],
    "migrate": ["migrate"],
    "completion": ["completion"],
}
"""The module of `hyperkms.cli` that has each, and those whose COMMANDS join it."""


class _Commands(click.Group):
    """Imports a command when it is asked for: nobody waits for what another one needs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's)
        """In the order of the alphabet, as click has them."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 (click's)
        """The command of that name, with those that join it."""
        return self.commands.get(cmd_name) or self._imported(cmd_name)

    def invoke(self, ctx: click.Context) -> object:
        """Ctrl-C reaches `main` as it is: click would turn it into an exception and an empty line."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interrupted:
            raise _Interrupted from interrupted

    def _imported(self, name: str) -> click.Command | None:
        if name not in _COMMANDS:
            return None
        home, *joining = (importlib.import_module(f"hyperkms.cli.{module}") for module in _COMMANDS[name])
        command: Any = getattr(home, name)
        for module in joining:
            for one in module.COMMANDS:
                command.add_command(one)
        self.add_command(command)
        return self.commands[name]


class _Interrupted(Exception):
    pass


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="hyperkms")
def cli() -> None:
    """Key custody and signing for Hyperliquid trading bots."""


def run() -> int:
    """Run the command line of this process; the exit status. KeyboardInterrupt passes through."""
    try:
        _core.harden_process()
        _core.use_one_heap()  # ADR 11: a heap for each thread kept 8 MB more
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
