"""Shares of a cosigner are sealed under another root key, one after another; each opens at every moment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import hyperkms_cosign as cosign

from hyperkms.errors import Refused, Tampered
from hyperkms.state.database import Database
from hyperkms.state.share_rows import ShareRow, ShareRows, rebind_within
from hyperkms.threshold.cosigner.ourselves import Ourselves, Place
from hyperkms.threshold.cosigner.root_key import ShareRootKey, fresh, identity_data_key_of, open_identity, open_share


@dataclass(frozen=True)
class Resealing:
    """From the root key of `before` to that of `ourselves`. Nobody else may change the directory meanwhile."""

    ourselves: Ourselves
    before: ShareRootKey

    def due(self, database: Database) -> Sequence[ShareRow]:
        """Shares that are not under the new root key yet."""
        return [row for row in ShareRows(database).all() if row.sealed is not None and self._is_due(row.sealed)]

    def run(self, database: Database, progress: Callable[[], None]) -> int:
        """How many were sealed anew. Cut off anywhere, it is run again, and does what is left."""
        due = self.due(database)
        for row in due:
            resealed = self._resealed(row)
            with database.write() as connection:
                rebind_within(connection, row, resealed)
            progress()
        return len(due)

    def _is_due(self, sealed: bytes) -> bool:
        return cosign.inspect_share(sealed)["root_key_id"] != self.ourselves.root.id

    def _resealed(self, row: ShareRow) -> bytes:
        ourselves, place = self.ourselves, Place(wallet=row.wallet, version=row.version, epoch=row.epoch)
        if row.sealed is None:
            raise Refused("share-retired", f"{place}: the share is retired and destroyed")
        context = ourselves.context(place, row.key_type, row.network)
        share = open_share(row.sealed, context, self.before)
        resealed = share.rebind(ourselves.known, *fresh(ourselves.root, context))
        if open_share(resealed, context, ourselves.root).group_key != row.group_key:
            raise Tampered("share-tampered", f"{place}: the share sealed anew is of another key")
        return resealed


def resealed_identity(sealed: bytes, before: ShareRootKey, after: ShareRootKey) -> bytes:
    """The same identity key under the root key `after`, which is known to open it."""
    data_key, wrapped, root_key_id = fresh(after, None)
    resealed = cosign.reseal_identity(
        sealed,
        identity_data_key_of(sealed, before),
        new_data_key=data_key,
        wrapped=wrapped,
        root_key_id=root_key_id,
    )
    if open_identity(resealed, after).public_key != open_identity(sealed, before).public_key:
        raise Tampered("identity-tampered", "the identity key sealed anew is another key")
    return resealed
