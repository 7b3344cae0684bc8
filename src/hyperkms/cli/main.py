"""The `hyperkms` command: 0 done, 1 refused or failed, 2 not understood, 130 interrupted."""

import os
import sys

from hyperkms import collector
from hyperkms.errors import Unavailable

FAILED = 1
INTERRUPTED = 130


def main() -> None:
    """Run the command. A refusal is one line on standard error, an interruption too; neither is a traceback."""
    os.umask(0o077)
    collector.begin_quietly()
    try:
        from hyperkms.cli.commands import run  # noqa: PLC0415 (what takes long, and Ctrl-C may come meanwhile)

        status = run()
    except KeyboardInterrupt:
        print("hyperkms: interrupted", file=sys.stderr)
        status = INTERRUPTED
    except ModuleNotFoundError as missing:
        if (missing.name or "hyperkms").split(".")[0] == "hyperkms":
            raise
        print(f"hyperkms: {_not_installed(missing)}", file=sys.stderr)
        status = FAILED
    sys.exit(status)


def _not_installed(missing: ModuleNotFoundError) -> Unavailable:
    """What a bot's installation says, which has `hyperkms.client` and not the packages of the service."""
    words = f"the package {missing.name} is not installed, and the command needs every one of the service"
    return Unavailable("service-not-installed", f"{words}: pip install hyperkms, without --no-deps")
