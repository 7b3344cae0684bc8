"""The file of a backup: a tar archive of two members, in this order (docs/formats.md)."""

import os
import tarfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from hyperkms.errors import Conflict, Malformed, NotFound, Unavailable
from hyperkms.state.durable import new_file

MANIFEST_MEMBER = "manifest.jsonl"
DATABASE_MEMBER = "hyperkms.db"
MEMBERS = (MANIFEST_MEMBER, DATABASE_MEMBER)
_PART = 1 << 20


def write_backup(to: Path, members: Mapping[str, Path]) -> None:
    """Make the file of these, of mode 0600, complete and durable on return; Conflict if it is there."""
    try:
        with new_file(to) as file, tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name in MEMBERS:
                _add(archive, name, members[name])
    except FileExistsError as error:
        raise Conflict("file-exists", f"{to} is there already, and nothing is overwritten") from error
    except OSError as error:
        raise Unavailable("backup-unavailable", f"{to} cannot be written: {error.strerror}") from error


def _add(archive: tarfile.TarFile, name: str, path: Path) -> None:
    with path.open("rb") as content:
        member = tarfile.TarInfo(name)
        member.size, member.mode, member.mtime = path.stat().st_size, 0o600, int(time.time())
        archive.addfile(member, content)


def read_backup(file: Path, into: Mapping[str, Path]) -> None:
    """Write each member to its place, of mode 0600; nothing else of the archive is looked at.

    NotFound if there is no file, Malformed if it is not of this form, Conflict if a place is taken.
    """
    try:
        with tarfile.open(file, mode="r:") as archive:
            for name, member in zip(MEMBERS, archive, strict=True):
                if member.name != name or not member.isreg():
                    raise _no_backup(file)
                content = archive.extractfile(member)
                if content is None:
                    raise _no_backup(file)
                _write(content, into[name])
    except FileNotFoundError as error:
        raise NotFound("no-backup", f"there is no file {file}") from error
    except (tarfile.TarError, EOFError, ValueError) as error:  # ValueError: another number of members
        raise _no_backup(file) from error
    except FileExistsError as error:
        raise Conflict("file-exists", f"{error.filename} is there already") from error
    except OSError as error:
        raise Unavailable("backup-unavailable", f"{file} could not be read out: {error.strerror}") from error


def _write(content: IO[bytes], to: Path) -> None:
    with os.fdopen(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
        while part := content.read(_PART):
            file.write(part)
        file.flush()
        os.fsync(file.fileno())


def _no_backup(file: Path) -> Malformed:
    return Malformed("backup-malformed", f"{file} is no backup of hyperkms, or was cut short")
