"""What is installed is what was pinned: a version and a hash each, and no place to get it from."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = sorted(path.name for path in (ROOT / "requirements").glob("*.txt"))

# The name cargo gives to crates.io in a lock file, whichever mirror the crates came through.
CRATES_IO = "registry+https://github.com/rust-lang/crates.io-index"

PIN = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; (?P<marker>.+?))?(?P<hashes>(?: --hash=\S+)*)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def test_both_requirements_files_are_here() -> None:
    assert REQUIREMENTS == ["dev.txt", "run.txt"]


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_requirements_name_no_address(name: str) -> None:
    assert "://" not in (ROOT / "requirements" / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("name", REQUIREMENTS)
def test_every_requirement_is_one_version_with_hashes(name: str) -> None:
    lines = requirement_lines(name)
    assert lines
    for line in lines:
        pin = PIN.fullmatch(line)
        assert pin is not None, f"not a pin: {line[:80]}"
        hashes = pin["hashes"].split()
        assert hashes, f"no hash: {line[:80]}"
        assert all(HASH.fullmatch(each) for each in hashes), f"not SHA-256: {line[:80]}"


def test_what_runs_is_what_was_tested() -> None:
    assert pins("run.txt") <= pins("dev.txt")


def test_pins_satisfy_what_the_package_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    run: list[str] = project["project"]["dependencies"]
    optional: dict[str, list[str]] = project["project"]["optional-dependencies"]
    groups: dict[str, list[str]] = project["dependency-groups"]
    everything = [*run, *(each for lists in (optional, groups) for asked in lists.values() for each in asked)]
    for name, asked in (("run.txt", run), ("dev.txt", everything)):
        unmet = [each for each in map(Requirement, asked) if not is_pinned(each, name)]
        assert not unmet, f"requirements/{name} is behind pyproject.toml; run make lock"


def test_every_crate_comes_from_crates_io_with_a_checksum() -> None:
    locked = crates()
    foreign = [crate for crate in locked if "source" in crate]
    assert foreign
    for crate in foreign:
        assert crate["source"] == CRATES_IO, crate["name"]
        assert re.fullmatch(r"[0-9a-f]{64}", crate.get("checksum", "")), crate["name"]


def test_only_our_own_crates_have_no_source() -> None:
    workspace = tomllib.loads((ROOT / "Cargo.toml").read_text(encoding="utf-8"))["workspace"]
    manifests = [ROOT / member / "Cargo.toml" for member in workspace["members"]]
    ours = {tomllib.loads(path.read_text(encoding="utf-8"))["package"]["name"] for path in manifests}
    assert {crate["name"] for crate in crates() if "source" not in crate} == ours


def requirement_lines(name: str) -> list[str]:
    """The requirements of a file, one a line: comments dropped, continued lines joined."""
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return re.sub(r"\s*\\\n\s*", " ", kept).splitlines()


def pins(name: str) -> set[tuple[str, str]]:
    found = (PIN.match(line) for line in requirement_lines(name))
    return {(pin["name"], pin["version"]) for pin in found if pin is not None}


def is_pinned(asked: Requirement, name: str) -> bool:
    key = re.sub(r"[-_.]+", "-", asked.name).lower()
    return any(pinned == key and asked.specifier.contains(version) for pinned, version in pins(name))


def crates() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads((ROOT / "Cargo.lock").read_text(encoding="utf-8"))["package"]
    return found
