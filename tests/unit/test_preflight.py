"""What `make setup` finds on a machine, and what it says about one that lacks something.

Each case is a real run of scripts/preflight.sh in a folder of its own, with a PATH of a few small
executables. An interpreter there is the one that runs this test, told to be older or to lack modules, so
that the script's own questions are what gets answered.
"""

import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.service import START_S

ROOT = Path(__file__).resolve().parents[2]
SHELLS = [path for name in ("sh", "dash", "bash", "busybox") if (path := shutil.which(name))]
DISTRIBUTIONS = ("Debian: ", "Fedora: ", "macOS: ")

IS_OLD = "sys.version_info = (3, 10, 14, 'final', 0)"
IS_NEWER = "sys.version_info = (3, 13, 1, 'final', 0)"
IS_NEWEST = "sys.version_info = (3, 14, 0, 'final', 0)"
HAS_NO_VENV = "sys.modules['ensurepip'] = None"
BROKEN_SHIM = "echo 'pyenv: command not found' >&2; exit 127"
ACCEPTS_ALL = "cat >/dev/null"


@dataclass(frozen=True)
class Machine:
    """A project folder with nothing built, a PATH and a home folder; all under one temporary folder."""

    project: Path
    path: Path
    home: Path

    def has(self, name: str, script: str) -> Path:
        return executable(self.path / name, script)

    def has_python(self, name: str, *traits: str) -> Path:
        """An interpreter that says it stands at this path and has these traits."""
        place = self.path / name
        setup = "; ".join(("import sys", "sys.prefix = sys.base_prefix", f"sys.executable = {str(place)!r}", *traits))
        # The last argument is the code the script wants to be run.
        program = shlex.quote(f"{setup}; exec(sys.argv[-1])")
        return self.has(name, f'exec {shlex.quote(sys.executable)} -c {program} "$@"')

    def has_cargo(self, version: str) -> Path:
        return self.has("cargo", says_version(version))

    def lacks(self, name: str) -> None:
        (self.path / name).unlink()

    def preflight(self, *, python: str | None = None, shell: str = "sh") -> subprocess.CompletedProcess[str]:
        environment = {"PATH": str(self.path), "HOME": str(self.home)}
        if python is not None:
            environment["PYTHON"] = python
        found = shutil.which(shell)
        assert found is not None
        command = [found, "sh"] if Path(found).name == "busybox" else [found]
        return subprocess.run(
            [*command, "scripts/preflight.sh"],
            cwd=self.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )

    def tools(self) -> dict[str, str]:
        """What .stamps/tools says to a shell that sources it."""
        names = ("PYTHON", "PYTHON_VERSION", "CARGO", "COMPILER", "WANTED", "CC", "RUSTFLAGS")
        show = "; ".join(f'echo "${{{name}-}}"' for name in names)
        answer = subprocess.run(
            ["/bin/sh", "-c", f". ./.stamps/tools; {show}"],
            cwd=self.project,
            env={},
            capture_output=True,
            text=True,
            timeout=START_S,
            check=True,
        )
        return dict(zip(names, answer.stdout.splitlines(), strict=True))


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """One that has everything: python3, cargo 1.99 and cc."""
    made = Machine(project=tmp_path / "a project", path=tmp_path / "bin", home=tmp_path / "home")
    for folder in (made.project / "scripts", made.path, made.home):
        folder.mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "preflight.sh", made.project / "scripts")
    (made.project / "Cargo.toml").write_text('[workspace.package]\nrust-version = "1.88"\n', encoding="utf-8")
    for name in ("cat", "mkdir", "mv", "sed"):
        real = shutil.which(name)
        assert real is not None
        (made.path / name).symlink_to(real)
    made.has_python("python3")
    made.has_cargo("1.99.0")
    made.has("cc", ACCEPTS_ALL)
    return made


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_here_records_the_same_tools(machine: Machine, shell: str) -> None:
    answer = machine.preflight(shell=shell)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert machine.tools() == {
        "PYTHON": str(machine.path / "python3"),
        "PYTHON_VERSION": "{}.{}.{}".format(*sys.version_info[:3]),
        "CARGO": str(machine.path / "cargo"),
        "COMPILER": str(machine.path / "cc"),
        "WANTED": "",
        "CC": "",
        "RUSTFLAGS": "",
    }


def test_one_line_says_what_was_chosen(machine: Machine) -> None:
    answer = machine.preflight()
    (line,) = answer.stdout.splitlines()
    for name in ("python3", "cargo", "cc"):
        assert str(machine.path / name) in line


def test_an_old_python_is_passed_over(machine: Machine) -> None:
    machine.has_python("python3.13", IS_OLD)
    assert machine.preflight().returncode == 0
    assert machine.tools()["PYTHON"] == str(machine.path / "python3")


def test_a_shim_that_does_not_run_is_passed_over(machine: Machine) -> None:
    machine.has("python3.13", BROKEN_SHIM)
    assert machine.preflight().returncode == 0
    assert machine.tools()["PYTHON"] == str(machine.path / "python3")


def test_a_python_without_venv_is_passed_over(machine: Machine) -> None:
    machine.has_python("python3.12", HAS_NO_VENV)
    assert machine.preflight().returncode == 0
    assert machine.tools()["PYTHON"] == str(machine.path / "python3")


def test_a_named_version_goes_before_plain_python3(machine: Machine) -> None:
    named = machine.has_python("python3.13", IS_NEWER)
    assert machine.preflight().returncode == 0
    assert (machine.tools()["PYTHON"], machine.tools()["PYTHON_VERSION"]) == (str(named), "3.13.1")


def test_the_python_asked_for_wins(machine: Machine) -> None:
    machine.has_python("python3.13", IS_NEWER)
    asked = machine.has_python("python3.14", IS_NEWEST)
    assert machine.preflight(python=str(asked)).returncode == 0
    assert machine.tools()["PYTHON"] == str(asked)
    assert machine.tools()["WANTED"] == str(asked)


@pytest.mark.parametrize("asked", ["python3.13", "not-here", "no interpreter; at 'all'"])
def test_a_python_asked_for_that_does_not_serve_is_passed_over_aloud(machine: Machine, asked: str) -> None:
    machine.has_python("python3.13", IS_OLD)
    answer = machine.preflight(python=asked)
    assert answer.returncode == 0
    assert f"PYTHON={asked} does not serve" in answer.stdout
    assert machine.tools()["PYTHON"] == str(machine.path / "python3")
    assert machine.tools()["WANTED"] == asked


def test_inside_a_virtual_environment_the_python_it_was_made_with_is_chosen(machine: Machine) -> None:
    base = str(machine.path / "base")
    machine.has_python("python3", "sys.prefix = '/somewhere'", f"sys._base_executable = {base!r}")
    assert machine.preflight().returncode == 0
    assert machine.tools()["PYTHON"] == base


@pytest.mark.parametrize("script", [None, BROKEN_SHIM], ids=["absent", "broken"])
def test_a_machine_without_python_is_told_how_to_install_it(machine: Machine, script: str | None) -> None:
    machine.lacks("python3")
    if script is not None:
        machine.has("python3", script)
    assert "Python 3.11 or later" in the_one_complaint(machine)


def test_a_machine_with_an_old_python_alone_is_told_how_to_install_one(machine: Machine) -> None:
    machine.has_python("python3", IS_OLD)
    assert "Python 3.11 or later" in the_one_complaint(machine)


def test_the_missing_venv_module_is_named_with_the_package_of_that_version(machine: Machine) -> None:
    machine.has_python("python3", IS_NEWER, HAS_NO_VENV)
    complaint = the_one_complaint(machine)
    assert "the modules venv and ensurepip of Python 3.13" in complaint
    assert "Debian: sudo apt-get install python3.13-venv" in complaint


def test_a_machine_without_cargo_is_told_how_to_install_it(machine: Machine) -> None:
    machine.lacks("cargo")
    assert "cargo 1.88 or later" in the_one_complaint(machine)


@pytest.mark.parametrize("version", ["1.87.0", "1.9.5", "0.99.0", "1.87.0-nightly"])
def test_a_cargo_that_is_too_old_is_named_with_both_versions(machine: Machine, version: str) -> None:
    machine.has_cargo(version)
    complaint = the_one_complaint(machine)
    assert "cargo 1.88 or later" in complaint
    assert f"{machine.path / 'cargo'} is {version}" in complaint


@pytest.mark.parametrize("version", ["1.88.0", "1.100.0", "1.88.0-nightly", "2.0.0"])
def test_a_cargo_of_that_version_or_later_serves(machine: Machine, version: str) -> None:
    machine.has_cargo(version)
    assert machine.preflight().returncode == 0


def test_a_cargo_that_does_not_run_is_named(machine: Machine) -> None:
    machine.has("cargo", "echo 'error: no default toolchain' >&2; exit 1")
    assert f"{machine.path / 'cargo'} does not run" in the_one_complaint(machine)


@pytest.mark.parametrize("on_path", [None, "1.63.0"], ids=["no cargo on the path", "an old one on the path"])
def test_cargo_in_the_home_folder_serves(machine: Machine, on_path: str | None) -> None:
    machine.lacks("cargo")
    if on_path is not None:
        machine.has_cargo(on_path)
    at_home = executable(machine.home / ".cargo" / "bin" / "cargo", says_version("1.90.0"))
    assert machine.preflight().returncode == 0
    assert machine.tools()["CARGO"] == str(at_home)


@pytest.mark.parametrize("script", [None, "exit 1"], ids=["absent", "cannot read headers"])
def test_a_machine_without_a_compiler_is_told_how_to_install_it(machine: Machine, script: str | None) -> None:
    machine.lacks("cc")
    if script is not None:
        machine.has("cc", script)
    assert "a C compiler" in the_one_complaint(machine)


def test_a_compiler_of_another_name_is_told_to_rust(machine: Machine) -> None:
    machine.lacks("cc")
    compiler = str(machine.has("clang", ACCEPTS_ALL))
    assert machine.preflight().returncode == 0
    assert (machine.tools()["COMPILER"], machine.tools()["CC"]) == (compiler, compiler)
    assert machine.tools()["RUSTFLAGS"].endswith(f"-C linker={compiler}")


def test_each_missing_thing_has_one_line(machine: Machine) -> None:
    for name in ("python3", "cargo", "cc"):
        machine.lacks(name)
    assert len(complaints(machine)) == 3


def test_nothing_is_recorded_when_something_is_missing(machine: Machine) -> None:
    machine.lacks("cc")
    complaints(machine)
    assert not (machine.project / ".stamps").exists()


def the_one_complaint(machine: Machine) -> str:
    (line,) = complaints(machine)
    return line


def complaints(machine: Machine) -> list[str]:
    """The lines of a refusal; each names a command for every system."""
    answer = machine.preflight()
    assert answer.returncode == 1
    assert answer.stdout == ""
    lines = answer.stderr.splitlines()
    for line in lines:
        assert all(name in line for name in DISTRIBUTIONS), line
    return lines


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def says_version(version: str) -> str:
    return f"echo 'cargo {version} (0123456789 2026-01-01)'"
