"""A process forked from one that holds keys has none of them."""

import subprocess
import sys
from pathlib import Path

_PARENT = """
import os, sys
from pathlib import Path
from hyperkms import _core
from hyperkms.errors import Refused

context = _core.Context(wallet="w", version=1, key_type="ed25519", network="none", origin="generated")
root = _core.LocalRootKey.create(Path(sys.argv[1]) / "root.key")
data_key, wrapped = root.new_data_key(context)
handle = _core.open_sealed_key(_core.generate_key(context, data_key, wrapped, root.id), context, data_key)
child = os.fork()
if child == 0:
    try:
        _core.sign_ed25519_message(handle, b"hello")
    except Refused as refused:
        os._exit(0 if refused.code == "arena-forked" else 2)
    os._exit(1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), len(_core.sign_ed25519_message(handle, b"hello")[0]) - 2)
"""


def test_a_forked_child_is_refused_and_its_parent_signs_on(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PARENT, str(tmp_path)], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["0", "128"], done.stderr
