"""The example settings load, the placeholder does not; what the container file says is so."""

import fnmatch
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from hyperkms.config import SETTINGS, load
from hyperkms.errors import Refused
from hyperkms.mode import Mode
from hyperkms.wallet import Network
from support.commands import run
from support.service import Service

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / ".env.example"
PRODUCTION = ROOT / ".env.production"
FIRST_SYSTEM = {"NODE_ENV", "MPC_ENABLED"}
A_KEY = "4f1c0a77b2e65d0938c4715e9ab2630d"


def _names(path: Path) -> set[str]:
    """Every name that is set there, or shown as one that may be."""
    return set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", path.read_text(), re.MULTILINE))


@pytest.fixture(autouse=True)
def _working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_example_loads_as_it_stands_for_development() -> None:
    config = load({}, {}, EXAMPLE)
    assert (config.mode, config.host, config.default_network) == (Mode.DEVELOPMENT, "127.0.0.1", Network.TESTNET)
    assert config.notes == ()


def test_a_service_runs_on_the_example(tmp_path: Path) -> None:
    with Service.start(tmp_path / "data", "--env-file", str(EXAMPLE)) as service:
        assert service.get("/ready").status == 200


def test_the_production_file_is_refused_until_its_key_is_filled_in(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        load({}, {}, PRODUCTION)
    assert refused.value.code == "api-key-placeholder"
    done = run("serve", "--env-file", str(PRODUCTION), "--data", str(tmp_path / "data"), cwd=tmp_path)
    assert (done.returncode, b"[api-key-placeholder]" in done.stderr) == (1, True)
    assert not (tmp_path / "data").exists()


def test_the_production_file_loads_once_its_key_is_filled_in(tmp_path: Path) -> None:
    filled = tmp_path / "production.env"
    filled.write_text(re.sub(r"^API_KEY=.*$", f"API_KEY={A_KEY}", PRODUCTION.read_text(), flags=re.MULTILINE))
    config = load({}, {}, filled)
    assert (config.mode, config.host, config.default_network) == (Mode.PRODUCTION, "127.0.0.1", Network.MAINNET)
    assert config.notes == ()


@pytest.mark.parametrize("path", [EXAMPLE, PRODUCTION], ids=lambda path: path.name)
def test_every_name_in_an_example_is_a_setting_and_explained(path: Path) -> None:
    assert _names(path) <= {*SETTINGS, *FIRST_SYSTEM}
    for paragraph in path.read_text().split("\n\n"):
        assert paragraph.startswith("# "), paragraph
        assert len(paragraph.splitlines()[0]) > len("# API_KEY="), paragraph


def test_git_ignores_a_real_env_file_and_keeps_the_examples() -> None:
    ignored = [line for line in (ROOT / ".gitignore").read_text().splitlines() if line]
    assert any(fnmatch.fnmatch(".env", pattern.strip("/")) for pattern in ignored)
    for kept in (".env.example", ".env.production"):
        assert not any(fnmatch.fnmatch(kept, pattern.strip("/")) for pattern in ignored)


# ---- the container ------------------------------------------------------------------------------------


def _instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(word, re.sub(r"\s+", " ", rest)) for word, rest in (line.split(maxsplit=1) for line in lines)]


def _of_last_stage(word: str) -> list[str]:
    instructions = _instructions()
    last = max(index for index, (name, _) in enumerate(instructions) if name == "FROM")
    return [rest for name, rest in instructions[last:] if name == word]


def test_the_container_runs_as_nobody_in_particular_and_gets_signals_itself() -> None:
    assert _of_last_stage("USER") == ["10001:10001"]
    assert json.loads(_of_last_stage("ENTRYPOINT")[0]) == ["hyperkms"]
    assert json.loads(_of_last_stage("CMD")[0]) == ["serve"], "no bind beyond loopback unless asked"
    assert json.loads(_of_last_stage("VOLUME")[0]) == ["/data"]
    assert "--mode=0700 --owner=10001" in " ".join(_of_last_stage("RUN"))


def test_the_container_installs_pinned_packages_and_carries_no_secret() -> None:
    for name, rest in _instructions():
        if name == "RUN" and "pip install" in rest:
            assert "--require-hashes" in rest or "--no-index" in rest, rest
        assert name != "ADD"
        assert not re.search(r"KEY=|SECRET|TOKEN|PASSWORD", rest), rest


def test_what_the_container_copies_is_there_and_let_in() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*", "first nothing, then what is named"
    for name, rest in _instructions():
        if name != "COPY":
            continue
        for source in rest.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert source.partition("/")[0] in let_in, source


def test_the_health_check_follows_ready(tmp_path: Path) -> None:
    *_, words = _of_last_stage("HEALTHCHECK")[0].partition("CMD ")
    check = [sys.executable, *json.loads(words)[1:]]
    with Service.start(tmp_path / "data") as service:
        environment = {"PATH": os.environ["PATH"], "PORT": service.url.rpartition(":")[2]}
        healthy = subprocess.run(check, env=environment, check=False)
    stopped = subprocess.run(check, env=environment, capture_output=True, check=False)
    assert (healthy.returncode, stopped.returncode) == (0, 1)
