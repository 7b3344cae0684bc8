"""`hyperkms completion`."""

import click
from click.shell_completion import get_completion_class

PROGRAM = "hyperkms"
VARIABLE = "_HYPERKMS_COMPLETE"
_SHELLS = ("bash", "zsh", "fish")


_WHERE = """\b
bash   hyperkms completion bash >~/.local/share/bash-completion/completions/hyperkms
zsh    hyperkms completion zsh >DIR/_hyperkms (DIR in $fpath, before compinit)
fish   hyperkms completion fish >~/.config/fish/completions/hyperkms.fish
"""


@click.command(epilog=_WHERE)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the script that lets a shell complete commands, options, wallets and clients."""
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"{shell} is none of {', '.join(_SHELLS)}")
    click.echo(made(context.find_root().command, {}, PROGRAM, VARIABLE).source())
