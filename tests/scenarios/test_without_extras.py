"""An installation without extras (pyproject.toml): a service on this machine needs none of them."""

import json
import subprocess
import sys
from pathlib import Path

from support.service import START_S, environment

EXTRAS = ("psycopg", "boto3", "botocore", "cryptography", "coincurve", "msgpack", "Crypto", "hyperliquid", "ccxt")
COMMAND = f"""
import sys

for name in {EXTRAS}:
    sys.modules[name] = None  # as if it were not installed
from hyperkms.cli.main import main

sys.argv[0] = "hyperkms"
main()
"""


def test_a_wallet_is_made_served_and_listed(tmp_path: Path) -> None:
    made = _run(tmp_path, "wallet", "generate", "w", "--network", "testnet", "--json")
    assert json.loads(made)["walletId"] == "w"
    words = [sys.executable, "-c", COMMAND, "serve", "--data", "data", "--port", "0"]
    with subprocess.Popen(words, env=environment(), cwd=tmp_path, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        url = next(said["url"] for said in map(json.loads, service.stdout) if said["event"] == "listening")
        key = (tmp_path / "data" / "admin.key").read_text().strip()
        listed = _run(tmp_path, "wallet", "list", "--json", "--url", url, HYPERKMS_API_KEY=key)
        service.terminate()
        service.communicate(timeout=START_S)
    assert [wallet["walletId"] for wallet in json.loads(listed)["wallets"]] == ["w"]
    assert service.returncode == 0


def _run(folder: Path, *words: str, **settings: str) -> str:
    data = () if "--url" in words else ("--data", "data")
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, *words, *data],
        env=environment(**settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
