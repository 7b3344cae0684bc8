"""`hyperkms backup` and `hyperkms restore`."""

from dataclasses import replace
from pathlib import Path

import click

from hyperkms.cli.clock import clock
from hyperkms.cli.desk import opened
from hyperkms.cli.layout import DATABASE, IDENTITY, ROOT_KEY
from hyperkms.cli.printing import FORM, Form, show
from hyperkms.cli.root_key import file_of, standing_root_key, where_it_is
from hyperkms.cli.settings import settings, with_settings
from hyperkms.cli.telling import tell_operator
from hyperkms.config import DATABASE_AS_KEY_STORE, Config
from hyperkms.errors import Refused
from hyperkms.mode import Kind
from hyperkms.wallet import iso_time


@click.command()
@click.option("--to", type=click.Path(path_type=Path), required=True, help="A new file, of mode 0600.")
@with_settings
@FORM
def backup(to: Path, data: Path | None, env_file: Path | None, form: Form) -> None:
    """Write a backup of a data directory to a file; a service may run on it meanwhile.

    Wallets, sealed keys, clients, grants and policies; not the root key, not the record itself, no nonces.
    """
    config = settings(data, env_file)
    if (config.data / IDENTITY).exists():
        raise _not_copied()
    _require_file(config, f"`pg_dump --format=custom --no-owner --file='{to}' --dbname='{_shown(config)}'`")
    with opened(config, create=False) as parts:
        from hyperkms.operations.backup import Source, back_up  # noqa: PLC0415 (as in `desk.opened`)
        from hyperkms.state import facts  # noqa: PLC0415 (as above)
        from hyperkms.state.kind import kind_of  # noqa: PLC0415 (as above)

        if kind_of(parts.database) is Kind.COSIGNER:
            raise _not_copied()
        source = Source(
            database=config.data / DATABASE,
            root_key_id=str(facts.read(parts.database, "root_key_id")),
            service=str(facts.read(parts.database, "service_id")),
        )
        taken = back_up(parts, source, to)
    tell_operator(
        f"hyperkms: the root key is not in it and nothing in it opens without that key: keep a copy of "
        f"{where_it_is(config)} apart from the backup"
    )
    entry = taken.entry
    view = {
        "file": str(to),
        "backup": entry.backup,
        "takenAt": iso_time(entry.time),
        "bytes": entry.bytes,
        "sha256": entry.sha256,
        "rootKeyId": entry.root_key_id,
        "service": entry.service,
    }
    show(view, form)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@with_settings
@FORM
def restore(file: Path, data: Path | None, env_file: Path | None, form: Form) -> None:
    """Put the backup FILE into an empty directory (--data), under the root key of the settings.

    All of it is verified first, and each sealed key opened. Nothing signs there until `hyperkms recover fence`.
    """
    config = settings(data, env_file)
    way = "--no-owner --exit-on-error --single-transaction"
    _require_file(config, f"`pg_restore {way} --dbname='{_shown(config)}' '{file}'` into an empty database")
    from hyperkms.cli.assemble import protect_memory  # noqa: PLC0415 (as in `desk.opened`)
    from hyperkms.operations.restore import Place  # noqa: PLC0415 (as above)
    from hyperkms.operations.restore import restore as put_back  # noqa: PLC0415 (as above)

    protect_memory(config, tell_operator)
    place = Place(data=config.data, database=config.data / DATABASE, kept=_kept(config))
    restored = put_back(file, place, lambda: standing_root_key(config.root_key, config.data), clock)
    taken = iso_time(restored.entry.time)
    tell_operator(
        f"hyperkms: nothing signs in {config.data} until `hyperkms recover fence` has run. What was changed after "
        f"{taken} is not there: look for clients that were revoked, wallets that were retired and policies since"
    )
    view = {
        "directory": str(config.data),
        "backup": restored.entry.backup,
        "takenAt": taken,
        "sealedKeys": restored.keys,
        "rootKeyId": restored.entry.root_key_id,
        "service": restored.entry.service,
        "signs": False,
    }
    show(view, form)


def _require_file(config: Config, instead: str) -> None:
    """Whatever is kept elsewhere has backups of its own: of PostgreSQL, and of AWS."""
    if config.database is not None:
        fences = "`hyperkms recover fence --rolled-back`, or `--new-directory` where the directory is lost too"
        raise Refused(
            "backup-elsewhere",
            f"the state is in PostgreSQL, whose own tools copy it: {instead}. A database that was put back signs "
            f"after {fences} (docs/recovery.md)",
        )
    if config.key_store != DATABASE_AS_KEY_STORE or not config.root_key.startswith("file:"):
        words = "the keys are in AWS, or under a key in AWS KMS, and no backup of those is written in this release"
        copy = f"stop the service and copy {config.data} as it is (`cp -a`). A copy that was put back signs"
        raise Refused(
            "backup-elsewhere", f"{words}: {copy} after `hyperkms recover fence --rolled-back` (docs/recovery.md)"
        )


def _not_copied() -> Refused:
    words = "a cosigner is not restored from a copy, which would bring back shares that a refresh destroyed"
    return Refused("cosigner-not-copied", f"{words}: replace a lost one (docs/mpc.md)")


def _shown(config: Config) -> str:
    """The address of the database, for a command line: the password comes from PGPASSFILE or PGPASSWORD."""
    return "" if config.database is None else str(replace(config.database, password=None))


def _kept(config: Config) -> frozenset[str]:
    path = file_of(config.root_key, config.data)
    return frozenset({ROOT_KEY} if path == config.data / ROOT_KEY else ()) | {"lost+found"}
