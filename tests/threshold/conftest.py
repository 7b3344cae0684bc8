"""A group of three cosigners in processes of their own."""

from collections.abc import Iterator

import pytest

from support.cosigners import Cosigners


@pytest.fixture(scope="module")
def cosigners(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cosigners]:
    """2 of 3 in development; each test makes wallets of its own."""
    with Cosigners.running(tmp_path_factory.mktemp("group")) as running:
        yield running
