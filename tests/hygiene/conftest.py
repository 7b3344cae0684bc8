"""What is looked at here is memory: every process is started by its name, and has its own alone."""

from collections.abc import Iterator

import pytest

from support.started import by_name


@pytest.fixture(scope="package", autouse=True)
def _started_by_name() -> Iterator[None]:
    with by_name():
        yield
