"""The `hyperkms` command: 0 done, 1 refused or failed, 2 not understood, 130 interrupted."""

import os
import sys

INTERRUPTED = 130


def main() -> None:
    """Run the command. A refusal is one line on standard error, an interruption too; neither is a traceback."""
    os.umask(0o077)
    try:
        from hyperkms.cli.commands import run  # noqa: PLC0415 (half a second, in which Ctrl-C may come)

        status = run()
    except KeyboardInterrupt:
        print("hyperkms: interrupted", file=sys.stderr)
        status = INTERRUPTED
    sys.exit(status)
