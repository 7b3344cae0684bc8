"""Makes `schema-NNNN-signs.sql`: the database of a data directory of this release, under a published root key.

Run once for each new schema, with the release that has it: `python tests/golden/make_directory.py`. Later releases
bring it to their schema and sign with its wallets; a file is never made again.
"""

import os
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from hyperkms.state.migrating import SCHEMA

ROOT_KEY = bytes(range(32))
PRIVATE_KEY = "0123456789012345678901234567890123456789012345678901234567890123"
"""Published: never of use."""
WALLETS = {"golden-ed": "ed25519", "golden-secp": "secp256k1"}


def main() -> None:
    """Import the key as both kinds, give one wallet a policy and a client a grant, write down the database."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        _private(data / "root.key", ROOT_KEY)
        key_file = _private(Path(folder) / "key", PRIVATE_KEY.encode())
        policy = Path(folder) / "policy.toml"
        policy.write_text('format = 1\nallow = ["trade-only"]\n[[rules]]\nname = "few"\nmax_orders = { "1h" = 5 }\n')
        for wallet, kind in WALLETS.items():
            _run(data, "wallet", "import", wallet, "--key-type", kind, "--key-file", str(key_file))
        _run(data, "policy", "apply", str(policy), "--wallet", "golden-secp")
        _run(data, "client", "create", "golden-bot", "--wallet", "golden-secp", "--allow", "trade")
        with closing(sqlite3.connect(data / "hyperkms.db")) as database:
            lines = list(database.iterdump())
    Path(__file__).with_name(f"schema-{SCHEMA}-signs.sql").write_text("\n".join(lines) + "\n")


def _private(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def _run(data: Path, *words: str) -> None:
    command = [str(Path(sys.executable).with_name("hyperkms")), *words, "--data", str(data)]
    settings = {"HYPERKMS_ENV": "development", "HYPERKMS_NETWORK": "testnet", "PATH": os.environ["PATH"]}
    subprocess.run(command, env=settings, cwd=data.parent, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
