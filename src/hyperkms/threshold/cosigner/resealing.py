"""Shares of a cosigner are sealed under another root key, one after another; each opens at every moment."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import hyperkms_cosign as cosign

from hyperkms.errors import Tampered
from hyperkms.state.database import Database
from hyperkms.state.share_rows import ShareRow, ShareRows, rebind_within
from hyperkms.threshold.cosigner.ourselves import Ourselves, Place
from hyperkms.threshold.cosigner.root_key import ShareRootKey, fresh, identity_data_key_of, open_identity, open_share
from hyperkms.threshold.cosigner.sealed_shares import SealedShares


@dataclass(frozen=True)
class Resealing:
    """From the root key of `before` to that of `ourselves`. Nobody else may change the directory meanwhile."""

    ourselves: Ourselves
    before: ShareRootKey
    sealed: SealedShares

    def run(self, database: Database, progress: Callable[[], None]) -> int:
        """How many were sealed anew; of each nothing is left as it was before. `progress` is told of every share.

        Cut off anywhere, it is run again, and does what is left.
        """
        done = 0
        for row in ShareRows(database).held():
            sealed = self.sealed.read(row)
            if cosign.inspect_share(sealed)["root_key_id"] != self.ourselves.root.id:
                resealed = replace(row, sealed=self._resealed(row, sealed), secret=None)
                with self.sealed.stored(resealed) as stored, database.write() as connection:
                    rebind_within(connection, stored)
                done += 1
            self.sealed.destroy_unnamed(row.wallet, row.version)
            progress()
        return done

    def _resealed(self, row: ShareRow, sealed: bytes) -> bytes:
        ourselves, place = self.ourselves, Place(wallet=row.wallet, version=row.version, epoch=row.epoch)
        context = ourselves.context(place, row.key_type, row.network)
        share = open_share(sealed, context, self.before)
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
