"""The shares of this cosigner, opened when they are first needed."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

import hyperkms_cosign as cosign

from hyperkms.errors import NotFound, Refused, Tampered
from hyperkms.state.share_rows import ShareRow, ShareRows, ShareState
from hyperkms.threshold.cosigner.ourselves import Ourselves, Place
from hyperkms.wallet import WalletId

MOST_OPEN = 1_000


@dataclass(frozen=True)
class Held:
    """A share, and what is known of it."""

    place: Place
    row: ShareRow
    share: cosign.Share


class Holding:
    """Shares by their place. Only this process changes them, and tells by `forget`."""

    def __init__(self, ourselves: Ourselves, rows: ShareRows) -> None:
        self.rows = rows
        self._ourselves = ourselves
        self._open: OrderedDict[Place, Held] = OrderedDict()
        self._turn = threading.Lock()

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
        with self._turn:
            for place in [one for one in self._open if (one.wallet, one.version) == (wallet, version)]:
                self._open.pop(place).share.forget_prepared()

    def _held(self, place: Place) -> Held:
        with self._turn:
            found = self._open.get(place)
            if found is None:
                found = self._open[place] = self._read(place)
                if len(self._open) > MOST_OPEN:
                    self._open.popitem(last=False)
            else:
                self._open.move_to_end(place)
            return found

    def _read(self, place: Place) -> Held:
        row = self.rows.find(place.wallet, place.version, place.epoch)
        if row is None:
            raise no_such_share(place)
        if row.sealed is None:
            raise Refused("share-retired", f"{place}: the share is retired and destroyed; it never signs again")
        context = self._ourselves.context(place, row.key_type, row.network)
        share = cosign.Share.open(row.sealed, context, self._ourselves.root)
        if (share.public_key, share.group_key) != (row.public_key, row.group_key):
            raise Tampered("share-tampered", f"{place}: the database names another key than the share is of")
        return Held(place, row, share)


def not_in_force(place: Place) -> Refused:
    """The refusal of a share that is kept, or that another epoch has followed."""
    return Refused("share-not-in-force", f"{place}: the share is here, and is not in force")


def no_such_share(place: Place) -> NotFound:
    """The answer for a share that is not here."""
    return NotFound("share-not-found", f"{place}: this cosigner holds no share of it")
