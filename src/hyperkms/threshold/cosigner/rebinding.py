"""Shares of a cosigner are bound to the group in which another member was replaced; all of them, or none."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace

import hyperkms_cosign as cosign
import sqlalchemy as sa

from hyperkms.errors import Refused
from hyperkms.state.share_rows import ShareRow, ShareRows, move_wallets_within, rebind_within
from hyperkms.state.wallets import WalletRecords
from hyperkms.threshold.cosigner.ourselves import Ourselves, Place
from hyperkms.threshold.cosigner.root_key import fresh, open_share
from hyperkms.threshold.cosigner.sealed_shares import SealedShares
from hyperkms.threshold.group import Group


@dataclass(frozen=True)
class Rebinding:
    """From the group of `ourselves` to another one of the same size, in which this cosigner has the same place.

    Nobody else may change the directory meanwhile.
    """

    ourselves: Ourselves
    group: Group
    sealed: SealedShares

    def run(
        self, rows: ShareRows, wallets: WalletRecords, before_commit: Callable[[Sequence[ShareRow]], None]
    ) -> Sequence[ShareRow]:
        """Bind every share that is not destroyed, in one transaction; the shares that it changed.

        Those that are bound already are left as they are, so that it can be run again. `before_commit` is told of the
        others, and what it raises undoes it.
        """
        known = cosign.Group(threshold=self.group.threshold, identities=self.group.identities)
        with ExitStack() as storing:
            due = []
            for row in rows.held():
                sealed = self.sealed.read(row)
                if cosign.inspect_share(sealed)["group"] != known.id:
                    rebound = replace(row, sealed=self._rebound(row, sealed, known), secret=None)
                    due.append(storing.enter_context(self.sealed.stored(rebound)))
            with wallets.changing_all() as connection:
                for row in due:
                    rebind_within(connection, row)
                self._move(connection)
                before_commit(due)
        return due

    def _rebound(self, row: ShareRow, sealed: bytes, known: cosign.Group) -> bytes:
        place = Place(wallet=row.wallet, version=row.version, epoch=row.epoch)
        if cosign.inspect_share(sealed)["group"] != self.ourselves.known.id:
            words = f"{place}: the share is bound to neither group: finish the replacement that was begun before"
            raise Refused("share-of-another-group", words)
        root = self.ourselves.root
        context = self.ourselves.context(place, row.key_type, row.network)
        share, following = open_share(sealed, context, root), replace(self.ourselves, group=self.group, known=known)
        return share.rebind(known, *fresh(root, following.context(place, row.key_type, row.network)))

    def _move(self, connection: sa.Connection) -> None:
        move_wallets_within(connection, self.ourselves.group.id, self.group.id)
