"""What is looked at here is memory: every process is started by its name, and has its own alone."""

from collections.abc import Iterator

import pytest

from support.started import by_name


# Not of the package, which to pytest is the whole session where a folder has no __init__.py.
@pytest.fixture(scope="module", autouse=True)
def _started_by_name() -> Iterator[None]:
    with by_name():
        yield
