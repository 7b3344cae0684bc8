"""What a bot installs: the package without its dependencies, and msgspec (docs/migrate-a-bot.md)."""

import subprocess
import venv
from pathlib import Path

import msgspec
import pytest

import hyperkms
from hyperkms.client import create_request_key
from support.service import Service

COMMAND = "import sys; from hyperkms.cli.main import main; sys.argv[0] = 'hyperkms'; main()"
ASK = """
import sys
import hyperkms
from hyperkms.client import SigningClient

with SigningClient(sys.argv[1], sys.argv[2]) as client:
    print(client.sign_message("w", "hello").public_key)
"""

ASK_SIGNED = """
import sys
import hyperkms
from hyperkms.client import SigningClient

with SigningClient(sys.argv[1], request_key=sys.argv[2], service=sys.argv[3]) as client:
    print(client.sign_message("w", "hello").public_key)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with these two packages and no other."""
    folder = tmp_path_factory.mktemp("bot")
    venv.create(folder, with_pip=False, symlinks=True)
    [packages] = folder.glob("lib/python*/site-packages")
    for package in (hyperkms, msgspec):
        assert package.__file__ is not None
        (packages / package.__name__).symlink_to(Path(package.__file__).parent)
    return folder / "bin" / "python"


@pytest.mark.parametrize("words", [[], ["--help"], ["client", "list"]], ids=" ".join)
def test_the_command_of_a_bots_installation_ended_in_a_traceback(python: Path, words: list[str]) -> None:
    done = subprocess.run([str(python), "-c", COMMAND, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("hyperkms: the package click is not installed")
    assert done.stderr.count("\n") == 1
    assert done.stderr.endswith("pip install hyperkms, without --no-deps [service-not-installed]\n")


def test_a_bots_installation_signs_by_the_client(python: Path, service: Service) -> None:
    wallet = service.generate("w")
    words = [str(python), "-W", "error", "-c", ASK, service.url, service.key]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", f"{wallet['publicKey']}\n")


def test_a_bots_installation_signs_its_requests(python: Path, service: Service, tmp_path: Path) -> None:
    wallet = service.generate("w")
    public_key = create_request_key(tmp_path / "bot.key")
    made = service.post("/clients", {"name": "bot", "allow": ["sign-bytes"], "publicKey": public_key})
    words = [str(python), "-W", "error", "-c", ASK_SIGNED, service.url, str(tmp_path / "bot.key"), made.json["service"]]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", f"{wallet['publicKey']}\n")
