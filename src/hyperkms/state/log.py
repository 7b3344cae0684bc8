"""The log, for who seldom writes to it: a command that only opens a directory does not load it."""

from typing import Any


def logger(name: str) -> Any:
    """The logger of that name."""
    import structlog  # noqa: PLC0415 (as it says above)

    return structlog.stdlib.get_logger(name)
