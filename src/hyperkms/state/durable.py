"""Files and names that are on the disk once a call has returned."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from hyperkms.errors import Conflict, Unavailable


def sync(path: Path) -> None:
    """Make durable the names in a folder, or what another process wrote to a file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A file of mode 0600 that is written within the block: complete and durable at its end, or not there at all.

    FileExistsError if it is there; another OSError as the disk says.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.draft")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)
    sync(path.absolute().parent)


def create_file(path: Path, content: bytes) -> None:
    """Make the file, of mode 0600, complete and durable on return; Conflict if it is there."""
    try:
        with new_file(path) as file:
            file.write(content)
    except FileExistsError as error:
        raise Conflict("file-exists", f"{path} is there already") from error
    except OSError as error:
        raise Unavailable("data-directory-unavailable", f"{path}: {error.strerror}") from error


def replace_file(path: Path, content: bytes) -> None:
    """Put a file of mode 0600 in the place of what stands there, durable on return; at any moment it is one of the two.

    Unavailable as the disk says.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}.draft")
    try:
        create_file(draft, content)
        draft.replace(path)
        sync(path.absolute().parent)
    except OSError as error:
        raise Unavailable("data-directory-unavailable", f"{path}: {error.strerror}") from error
