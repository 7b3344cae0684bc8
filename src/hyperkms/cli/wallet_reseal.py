"""`hyperkms wallet reseal`: every key under a new data key, or under another root key."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hyperkms.cli.desk import opened
from hyperkms.cli.layout import DATABASE
from hyperkms.cli.places import has_database
from hyperkms.cli.printing import FORM, Form, show
from hyperkms.cli.root_key import file_of, where_it_is
from hyperkms.cli.running import held_alone
from hyperkms.cli.settings import settings, with_settings
from hyperkms.cli.telling import tell_operator
from hyperkms.config import DATABASE_AS_KEY_STORE, Config
from hyperkms.custody.aws.kms_key import SCHEME as KMS
from hyperkms.errors import Malformed, NotFound
from hyperkms.mode import Kind

if TYPE_CHECKING:
    from hyperkms.operations.reseal import Resealed


@click.command("reseal")
@click.option(
    "--root-key",
    metavar="NEW",
    help="Leave the root key for this one: file:PATH, made if it is not there, or aws-kms:KEY.",
)
@with_settings
@FORM
def reseal_command(root_key: str | None, data: Path | None, env_file: Path | None, form: Form) -> None:
    """Seal every key of a data directory anew, under new data keys; the keys and addresses stay.

    A service may run meanwhile; with --root-key it is stopped, or knows both (HYPERKMS_ROOT_KEY_BEFORE) and the option
    is left out. Cut off anywhere, the same command goes on where it was.
    """
    config = settings(data, env_file)
    if not has_database(config):
        raise NotFound("no-data-directory", f"{config.data} is no data directory of hyperkms: say --data DIR")
    if root_key is None:
        done = _reseal(config, changes=False)
    else:
        what = (
            f"run it again; or start the service with HYPERKMS_ROOT_KEY={root_key} and HYPERKMS_ROOT_KEY_BEFORE="
            f"{config.root_key} and leave --root-key out"
        )
        with held_alone(config.data, what):
            done = _reseal(_leaving(config, root_key), changes=True)
    _tell(config, root_key)
    show({"keys": done.keys, "rootKeyBefore": done.before, "rootKeyId": done.root_key_id}, form)


def _leaving(config: Config, uri: str) -> Config:
    """The settings with the new root key, which is there now if it is one in a file, beside the one that is left."""
    if not uri.startswith(KMS):
        _make_file(file_of(uri, config.data, "--root-key"))
    return replace(config, root_key=uri, root_key_before=config.root_key)


def _make_file(path: Path) -> None:
    from hyperkms import _core  # noqa: PLC0415 (as in `desk.opened`)

    if not path.exists():
        _core.LocalRootKey.create(path)
        tell_operator(f"hyperkms: a new root key is in {path} (mode 0600): keep a copy of it apart from the backups")


def _reseal(config: Config, *, changes: bool) -> "Resealed":
    with opened(config, create=False, kind=Kind.SERVICE) as parts:
        from hyperkms.cli.operator import actor  # noqa: PLC0415 (as in `desk.opened`)
        from hyperkms.custody.root_change import begun  # noqa: PLC0415 (as above)
        from hyperkms.operations.reseal import Resealed, count_due, reseal  # noqa: PLC0415 (as above)
        from hyperkms.state import facts  # noqa: PLC0415 (as above)

        to = parts.keyring.root_key_id
        if changes and to == parts.keyring.root_key_id_before:
            words = f"it is root key {to}, which HYPERKMS_ROOT_KEY names as well: name another one"
            raise Malformed.at("--root-key", words, "malformed-setting")
        if changes and begun(parts.database) is None and facts.read(parts.database, "root_key_id") == to:
            return Resealed(keys=0, before=to, root_key_id=to)  # an earlier run has done it
        with _bar(count_due(parts, to)) as bar:
            return reseal(parts, to, actor(), lambda: bar.update(1))


@contextmanager
def _bar(length: int) -> "Iterator[click._termui_impl.ProgressBar[int]]":
    with click.progressbar(length=length, label="hyperkms: sealing", file=sys.stderr, show_pos=True) as bar:
        yield bar


def _tell(config: Config, uri: str | None) -> None:
    if uri is not None:
        tell_operator(f"hyperkms: from now on HYPERKMS_ROOT_KEY={uri}; nothing here opens under {where_it_is(config)}")
    if config.key_store == DATABASE_AS_KEY_STORE:
        tell_operator(
            "hyperkms: copies that were made before have the keys as they were sealed then: delete backups and copies "
            "that are not wanted"
        )
    else:
        tell_operator(
            "hyperkms: copies of the database that were made before know the secrets before, which are destroyed: make "
            "new ones (docs/recovery.md)"
        )
    for copy in sorted(config.data.glob(f"{DATABASE}.before-*")):
        tell_operator(f"hyperkms: such a copy, made before a migration, is {copy}")
    if uri is None and config.root_key_before is not None:
        tell_operator("hyperkms: HYPERKMS_ROOT_KEY_BEFORE is not needed any more: leave it out at the next start")


COMMANDS = (reseal_command,)
