"""Made the sealed keys of format v1 that every later release must open.

Run once, by the release that brought the format, never again: the files are what that release wrote.

    .venv/bin/python tests/golden/make_sealed_key_v1.py

The root key stands in the files. It and every key under it are published test keys.
"""

import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hyperkms import _core
from hyperkms._core import Context, LocalRootKey
from support.sealed_key_reader import open_sealed_key, read_root_key

FOLDER = Path(__file__).resolve().parent
ROOT_KEY = bytes(range(0xA0, 0xC0))
IMPORTED = {
    # RFC 8032 section 7.1, test 1
    "ed25519": "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
    # the wallet of the official SDK's published signatures
    "secp256k1": "0123456789012345678901234567890123456789012345678901234567890123",
}
CONTEXTS = (
    Context(wallet="e", version=1, key_type="ed25519", network="none", origin="generated"),
    Context(wallet="ed25519.imported", version=7, key_type="ed25519", network="none", origin="imported"),
    Context(wallet="btc-1", version=1, key_type="secp256k1", network="testnet", origin="generated"),
    Context(
        wallet="A" + "._-9" * 15 + "xyz", version=2**32 - 1, key_type="secp256k1", network="mainnet", origin="generated"
    ),
    Context(wallet="secp_imported", version=1, key_type="secp256k1", network="any", origin="imported"),
)


def main() -> None:
    """Write one file a context; refuses to overwrite any."""
    with tempfile.TemporaryDirectory() as folder:
        root_file = Path(folder) / "root.key"
        root_file.touch(mode=0o600)
        root_file.write_bytes(ROOT_KEY)
        for context in CONTEXTS:
            target = FOLDER / f"sealed_key_v1_{context.key_type}_{context.network}_{context.origin}.json"
            with target.open("x") as file:
                file.write(json.dumps(_case(context, root_file), indent=2) + "\n")


def _case(context: Context, root_file: Path) -> dict[str, str | int]:
    root_key = LocalRootKey.open(root_file)
    data_key, wrapped = root_key.new_data_key(context)
    if context.origin == "generated":
        sealed = _core.generate_key(context, data_key, wrapped, root_key.id)
    else:
        key_file = root_file.with_name("imported")
        key_file.touch(mode=0o600)
        key_file.write_text(IMPORTED[context.key_type])
        sealed = _core.import_key(key_file, context, data_key, wrapped, root_key.id)
    opened = open_sealed_key(sealed, read_root_key(root_file))
    return {
        "note": "published test keys: never use them for anything else",
        "format": "sealed key v1",
        "root_key": ROOT_KEY.hex(),
        "root_key_id": root_key.id,
        "wallet": context.wallet,
        "version": context.version,
        "key_type": context.key_type,
        "network": context.network,
        "origin": context.origin,
        "public_key": opened.sealed.public_key.hex(),
        "data_key": opened.data_key.reveal().hex(),
        "private_key": opened.private_key.reveal().hex(),
        "sealed": sealed.hex(),
    }


if __name__ == "__main__":
    main()
