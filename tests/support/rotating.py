"""Rotates a wallet again and again, as one of several processes; writes each version that it made.

python rotating.py DATA WALLET TIMES
"""

import sys
from pathlib import Path

from hyperkms.cli.assemble import assemble
from hyperkms.config import load_from_process
from hyperkms.errors import Conflict, Unavailable
from hyperkms.operations.changing import Actor
from hyperkms.operations.rotate import RotateRequest, rotate
from hyperkms.wallet import WalletId


def main(data: Path, wallet: WalletId, times: int) -> None:
    """Rotate until it has won `times` times."""
    parts = assemble(load_from_process({"data": data}), create=False)
    won = 0
    while won < times:
        try:
            rotated = rotate(parts, Actor("desk", "0123456789abcdef"), RotateRequest(wallet=wallet, activate=True))
        except (Conflict, Unavailable):  # another process came first, or held the database for long
            continue
        won += 1
        sys.stdout.write(f"{rotated.new.number} {rotated.new.public_key_text}\n")
    parts.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), WalletId(sys.argv[2]), int(sys.argv[3]))
