"""What every test can ask for."""

import os
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest
from hypothesis import settings

from support import databases
from support.aws import Aws, aws
from support.custody import remove_emulator
from support.postgres import remove_postgres
from support.service import Service
from support.vectors import FOLDER

# A slow machine is no failure: nothing here is timed.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files of tests/faults, which mostly wait, among those that keep a processor busy.

    Not among the unit tests: these are quick, and fill the end.
    """
    files = [(path, list(tests)) for path, tests in groupby(items, lambda item: item.path)]
    waiting = [tests for path, tests in files if path.parent.name == "faults"]
    busy = [tests for path, tests in files if path.parent.name not in ("faults", "unit")]
    if not waiting or not busy:
        return
    spread = []
    for number, tests in enumerate(busy):
        spread += waiting[-(-number * len(waiting) // len(busy)) : -(-(number + 1) * len(waiting) // len(busy))]
        spread.append(tests)
    spread += [tests for path, tests in files if path.parent.name == "unit"]
    items[:] = [test for tests in spread for test in tests]


def pytest_sessionfinish() -> None:
    """Workers of xdist end without the functions of `atexit`."""
    remove_postgres()
    remove_emulator()


@pytest.fixture(scope="session", autouse=True)
def _vectors_are_there_where_they_are_required() -> None:
    """In CI the tests on published vectors must run: absence is a failure there, not a skip."""
    if os.environ.get("HYPERKMS_REQUIRE_VECTORS") and not FOLDER.is_dir():
        pytest.exit(f"the published vectors are required and {FOLDER} is absent", returncode=3)


@pytest.fixture(params=[databases.SQLITE, databases.POSTGRESQL])
def each_database(request: pytest.FixtureRequest) -> Iterator[str]:
    """The test runs on each kind of database; `pytestmark` has it before whatever opens one."""
    with databases.on(request.param):
        yield request.param


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service in development mode on testnet, with a data directory of its own, on a free port."""
    with Service.start(tmp_path / "data") as running:
        yield running


@pytest.fixture(scope="module")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The same for tests that leave nothing behind but wallets of their own names."""
    with Service.start(tmp_path_factory.mktemp("shared") / "data") as running:
        yield running


@pytest.fixture(scope="module")
def emulated_aws() -> Iterator[Aws]:
    """An emulator of AWS KMS and Secrets Manager."""
    with aws() as running:
        yield running


@pytest.fixture
def in_aws(emulated_aws: Aws, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """The same, found by this very process."""
    for name, value in emulated_aws.settings().items():
        monkeypatch.setenv(name, value)
    return emulated_aws
