"""A data directory that cannot be written to is called so, with its path and a way out."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.commands import run


@pytest.fixture
def unwritable(tmp_path: Path) -> Iterator[Path]:
    """A data directory that holds a wallet, read-only: mounted so for a superuser, whom no mode holds up."""
    data = tmp_path / "data"
    assert run("wallet", "generate", "w", "--data", str(data), cwd=tmp_path).returncode == 0
    if os.geteuid() != 0:
        data.chmod(0o500)
        yield data
        data.chmod(0o700)
        return
    if subprocess.run(["mount", "--bind", str(data), str(data)], capture_output=True, check=False).returncode != 0:
        pytest.skip("this superuser may not mount")
    subprocess.run(["mount", "-o", "remount,ro,bind", str(data)], check=True)
    yield data
    subprocess.run(["umount", "--lazy", str(data)], check=True)


@pytest.mark.parametrize("words", ["serve --port 0", "serve --port 0 --workers 2", "wallet list", "wallet generate v"])
def test_a_read_only_data_directory_is_not_reported_as_a_counter_file(
    tmp_path: Path, unwritable: Path, words: str
) -> None:
    done = run(*words.split(), "--data", str(unwritable), cwd=tmp_path)
    said = done.stderr.decode()
    assert (done.returncode, done.stdout) == (1, b"")
    assert said.startswith(f"hyperkms: {unwritable} cannot be written to; ")
    assert said.endswith("[data-directory-not-writable]\n")
    assert "counter file" not in said
    assert len(said.splitlines()) == 1
