"""`hyperkms cosigner reseal`: everything of a cosigner under another root key."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import click
import hyperkms_cosign as cosign

from hyperkms import _core
from hyperkms.cli.assemble import assemble
from hyperkms.cli.assemble_cosigner import LOCK, alone, protect_shares, settle_group, standing_group
from hyperkms.cli.layout import IDENTITY
from hyperkms.cli.operator import actor
from hyperkms.cli.root_key import file_of
from hyperkms.cli.sealed_shares import sealed_shares
from hyperkms.cli.share_root_key import identified, share_root_key, share_root_key_before
from hyperkms.cli.telling import tell_operator
from hyperkms.config import Config
from hyperkms.custody.own_keys import OwnKeys
from hyperkms.custody.root_change import begun, note_within
from hyperkms.errors import Malformed
from hyperkms.mode import Kind
from hyperkms.operations.parts import Parts
from hyperkms.operations.reseal import finished_within, require_same, start
from hyperkms.state import facts
from hyperkms.state.durable import replace_file
from hyperkms.state.share_rows import ShareRows
from hyperkms.threshold.cosigner.ourselves import Ourselves
from hyperkms.threshold.cosigner.resealing import Resealing, resealed_identity
from hyperkms.threshold.cosigner.root_key import ShareRootKey, open_identity


@dataclass(frozen=True, kw_only=True)
class Resealed:
    """What was done, by this run."""

    shares: int
    before: str
    root_key_id: str


def reseal(config: Config, uri: str) -> Resealed:
    """Leave the root key of the settings for this one; Unavailable while the cosigner runs.

    1. Note what is under way: from now on the cosigner does not start, and nobody opens it without the new root key.
    2. Each share: seal it anew, see that it opens, put it in the place of the one before in one step, and destroy that.
    3. The identity key: the same, in its file.
    4. In one transaction: log key and store key anew, the new root key is the directory's, the line in the record.
    Cut off anywhere, the same call goes on; at each moment everything opens under one of the two.
    """
    if uri == config.root_key:
        raise Malformed.at("--root-key", "it is the root key of the settings: name another one", "malformed-setting")
    leaving = replace(config, root_key=_made(config, uri), root_key_before=config.root_key)
    parts = assemble(leaving, create=False, tell=tell_operator, kind=Kind.COSIGNER)
    try:
        lock = protect_shares(leaving, tell_operator)
        with alone(config.data / LOCK):
            return _reseal(leaving, parts, lock)
    finally:
        parts.close()


def _reseal(config: Config, parts: Parts, lock: str) -> Resealed:
    database, to = parts.database, parts.keyring.root_key_id
    if begun(database) is None and facts.read(database, "root_key_id") == to:
        return Resealed(shares=0, before=to, root_key_id=to)  # an earlier run has done it
    after, before, done = share_root_key(config, parts), share_root_key_before(config, parts), 0
    with database.write() as connection:  # (1)
        note_within(connection, require_same(begun(database), to) or start(to))
    path = config.data / IDENTITY
    if standing_group(config.data) is not None:  # before it is in a group it holds no shares
        sealed = path.read_bytes()
        identity = open_identity(sealed, after if _is_under(sealed, after) else before)
        ourselves = Ourselves.of(settle_group(config, None), identity, identified(after, identity), lock)
        where = sealed_shares(config, parts, identity.public_key)
        done = _reseal_shares(Resealing(ourselves, identified(before, identity), where), parts)  # (2)
    if not _is_under(sealed := path.read_bytes(), after):
        replace_file(path, resealed_identity(sealed, before, after))  # (3)
    own = OwnKeys.resealed(database, parts.keyring)
    with database.write() as connection:  # (4)
        left = finished_within(connection, parts, own, actor(), done)
    return Resealed(shares=done, before=left, root_key_id=to)


def _reseal_shares(resealing: Resealing, parts: Parts) -> int:
    due = len(ShareRows(parts.database).held())
    with click.progressbar(length=due, label="hyperkms: sealing", file=sys.stderr, show_pos=True) as bar:
        return resealing.run(parts.database, lambda: bar.update(1))


def _is_under(sealed: bytes, root_key: ShareRootKey) -> bool:
    return _core.inspect_sealed_key(sealed).root_key_id == root_key.id


def _made(config: Config, uri: str) -> str:
    """The root key, whose file is there now if it is one in a file."""
    if uri.startswith("file:"):
        path: Path = file_of(uri, config.data, "--root-key")
        if not path.exists():
            _core.LocalRootKey.create(path)
            tell_operator(f"hyperkms: a new root key is in {path} (mode 0600): keep a copy apart from the backups")
        cosign.LocalRootKey.open(path)
    return uri
