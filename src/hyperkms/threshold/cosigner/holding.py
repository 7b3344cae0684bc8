"""The shares of this cosigner, opened when they are first needed."""

from dataclasses import dataclass

import hyperkms_cosign as cosign

from hyperkms.custody.leased import Leased, Opened
from hyperkms.custody.leases import Terms
from hyperkms.errors import NotFound, Refused, Tampered
from hyperkms.state.share_rows import ShareRow, ShareRows, ShareState
from hyperkms.threshold.cosigner.ourselves import Ourselves, Place
from hyperkms.threshold.cosigner.root_key import data_key_of
from hyperkms.threshold.cosigner.sealed_shares import SealedShares
from hyperkms.wallet import WalletId

MOST_OPEN = 1_000


@dataclass(frozen=True)
class Held:
    """A share, and what is known of it."""

    place: Place
    row: ShareRow
    share: cosign.Share


class Holding:
    """Shares by their place. Only this process changes them, and tells by `forget`.

    One that was opened is used until 1,000 others were since, or its lease has ended: a root key in a file gives shares
    for as long as the process lives, one elsewhere by `terms`. What was prepared with it goes with it.
    """

    def __init__(self, ourselves: Ourselves, rows: ShareRows, sealed: SealedShares, terms: Terms | None = None) -> None:
        self.rows = rows
        self._sealed = sealed
        self._ourselves = ourselves
        self._leased: Leased[Place, Held] = Leased(
            terms, most=MOST_OPEN, let_go=lambda held: held.share.forget_prepared()
        )

    def in_force(self, place: Place) -> Held:
        """The share, if it is in force; NotFound, or Refused with what it is instead."""
        held = self._held(place)
        if held.row.state is not ShareState.IN_FORCE:
            raise not_in_force(place)
        return held

    def signing(self, place: Place, *, for_test: bool) -> Held:
        """The share to sign with: in force, or superseded and not destroyed; for the test message one that is kept."""
        held = self._held(place)
        if held.row.state is ShareState.KEPT and not for_test:
            raise not_in_force(place)
        if held.share.is_hollow:
            words = f"{place}: the share was repaired, and signs after the next refresh"
            raise Refused("share-hollow", words)
        return held

    def forget(self, wallet: WalletId, version: int) -> None:
        """Something of a version has changed: its shares are read again, and what was prepared with them is gone."""
        self._leased.forget_where(lambda place: (place.wallet, place.version) == (wallet, version))

    def let_go(self) -> None:
        """Nothing that was prepared is used any more, and every share is opened again."""
        self._leased.forget_where(lambda _: True)

    def keep_leases(self) -> None:
        """Once a second: have leases renewed that are due, and let go of shares whose lease has ended."""
        self._leased.keep()

    def close(self) -> None:
        """Renew nothing any more."""
        self._leased.close()

    def _held(self, place: Place) -> Held:
        return self._leased.get(place, lambda: self._open(place))

    def _open(self, place: Place) -> Opened[Held]:
        row, sealed = self._read(place)
        context, root = self._ourselves.context(place, row.key_type, row.network), self._ourselves.root
        share = cosign.Share.open(sealed, context, data_key_of(sealed, context, root))
        if (share.public_key, share.group_key) != (row.public_key, row.group_key):
            raise Tampered("share-tampered", f"{place}: the database names another key than the share is of")
        return Opened(Held(place, row, share), lambda: data_key_of(sealed, context, root))

    def _read(self, place: Place) -> tuple[ShareRow, bytes]:
        """The row, and what it names; what was destroyed, or sealed anew, while it was read is looked for again."""
        while True:
            row = self._find(place)
            try:
                return row, self._sealed.read(row)
            except Tampered:
                if self._find(place).secret == row.secret:
                    raise

    def _find(self, place: Place) -> ShareRow:
        row = self.rows.find(place.wallet, place.version, place.epoch)
        if row is None:
            raise no_such_share(place)
        return row


def not_in_force(place: Place) -> Refused:
    """The refusal of a share that is kept, or that another epoch has followed."""
    return Refused("share-not-in-force", f"{place}: the share is here, and is not in force")


def no_such_share(place: Place) -> NotFound:
    """The answer for a share that is not here."""
    return NotFound("share-not-found", f"{place}: this cosigner holds no share of it")
