"""`hyperkms audit fetch`: the files of the record out of the database."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperkms.cli.printing import FORM, Form, show_json
from hyperkms.cli.target import Target, with_target
from hyperkms.cli.telling import tell_operator
from hyperkms.errors import Conflict, Malformed, NotFound, Tampered

if TYPE_CHECKING:
    from hyperkms.state.database import Database


@click.command("fetch")
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True, help="A new folder.")
@click.option("--directory", help="The id of the data directory; needed where there are several.")
@with_target
@FORM
def fetch_command(folder: Path, directory: str | None, target: Target, form: Form) -> None:
    """Write the record of a data directory as HYPERKMS_DATABASE has it (HYPERKMS_AUDIT_STORE=database) into files.

    `hyperkms audit verify --records FOLDER` then reads them.
    """
    from hyperkms.state.database import open_database  # noqa: PLC0415 (as in `desk.opened`)

    config = target.settings()
    if config.database is None:
        words = "must name the PostgreSQL database that has the record"
        raise Malformed("malformed-setting", f"HYPERKMS_DATABASE {words}", {"setting": "HYPERKMS_DATABASE"})
    database = open_database(config.database)
    try:
        chosen = _chosen(database, directory)
        size = _write(database, chosen, folder)
    finally:
        database.close()
    if form is Form.JSON:
        show_json({"directory": chosen, "folder": str(folder), "bytes": size})
    else:
        tell_operator(f"hyperkms: the record of data directory {chosen}, {size} bytes, is in {folder}")


def _chosen(database: "Database", directory: str | None) -> str:
    from hyperkms.state.record_chunks import directories_with_chunks  # noqa: PLC0415 (as above)

    found = directories_with_chunks(database)
    if directory is None and len(found) == 1:
        return found[0]
    if directory is not None and directory in found:
        return directory
    if not found:
        raise NotFound("no-record-copied", "the database has no record: none ran with HYPERKMS_AUDIT_STORE=database")
    words = f"the database has the records of these data directories: {', '.join(found)}"
    raise NotFound("no-record-copied", f"{words}; name one with --directory")


def _write(database: "Database", directory: str, folder: Path) -> int:
    from hyperkms.state.record_chunks import chunks_of  # noqa: PLC0415 (as above)

    try:
        folder.mkdir(mode=0o700)
    except FileExistsError as error:
        raise Conflict("file-exists", f"{folder} exists and is not written into; name another folder") from error
    size = 0
    for chunk in chunks_of(database, directory):
        if Path(chunk.file).name != chunk.file or not chunk.file.endswith(".jsonl"):
            raise Tampered("record-chunks-missing", "the database names a file that is none of a record")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(folder / chunk.file, flags, 0o600), "ab") as file:
            file.write(chunk.content)
        size += len(chunk.content)
    return size


COMMANDS = (fetch_command,)
