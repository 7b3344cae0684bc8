"""An epoch that does not come into force everywhere is let go of, and says so under the identity key.

What is kept and not in force may be dropped on anybody's word: the shares of the epoch before are destroyed by no
cosigner until all n, this one among them, have signed that the new one is in force. An epoch that is in force here goes
only once so many others have signed that they hold none of it that fewer than t are left: too few to sign with it, and
too few to make it anew at those that have dropped it, so that never again all n will say that it is in force.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from hyperkms.errors import Conflict
from hyperkms.state.share_rows import ShareRow, ShareState, give_up_within
from hyperkms.threshold.cosigner.ceremonies import Making
from hyperkms.threshold.cosigner.ourselves import Place
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.recording import changed, write
from hyperkms.threshold.cosigner.sessions import Purpose
from hyperkms.threshold.cosigner.words import said_by
from hyperkms.threshold.wire import Asker, Drop, Dropped, Word, standing_statement

DROPPED_PURPOSE = "share dropped"
LONGEST_KEPT_MS = 7 * 24 * 3600 * 1000
_NOBODY = Asker(client="-", request_id="-")


def drop(cosigner: Cosigner, ask: Drop) -> Dropped:
    """Hold nothing of the epoch from here on, durable on return, and say so; a share that had followers is gone anyway.

    Conflict for one in force, unless enough others show that they have none; see above.
    """
    place = Place.of(ask.share)
    with cosigner.turn:
        cosigner.sessions.void(lambda purpose: _makes(purpose, place))
        row = cosigner.holding.rows.find(place.wallet, place.version, place.epoch)
        group_key = ask.group_key or (b"" if row is None else row.group_key)
        if row is not None:
            if row.state in {ShareState.RETIRED, ShareState.SUPERSEDED}:
                return Dropped(statement=b"")
            if row.state is ShareState.IN_FORCE:
                _require_given_up(cosigner, place, row, ask.dropped)
                _give_up(cosigner, place, row)
            else:
                _forget_kept(cosigner, place, row)
            cosigner.holding.forget(place.wallet, place.version)
        if not group_key:
            return Dropped(statement=b"")
        statement = standing_statement(place.name, group_key)
        return Dropped(statement=cosigner.ourselves.identity.sign_statement(DROPPED_PURPOSE, statement))


def sweep_kept(cosigner: Cosigner) -> None:
    """Let go of what has waited for its coordinator for a week: it has forgotten it."""
    before = cosigner.clock() - LONGEST_KEPT_MS
    for row in cosigner.holding.rows.kept_before(before):
        drop(cosigner, Drop(share=Place(wallet=row.wallet, version=row.version, epoch=row.epoch).name))


def _makes(purpose: Purpose, place: Place) -> bool:
    return isinstance(purpose, Making) and purpose.place == place


def _require_given_up(cosigner: Cosigner, place: Place, row: ShareRow, dropped: Sequence[Word]) -> None:
    rows = cosigner.holding.rows.all(place.wallet)
    if not any(one.version == place.version and one.state is ShareState.SUPERSEDED for one in rows):
        raise Conflict("share-in-force", f"{place}: the share is in force, and is retired rather than dropped")
    ourselves = cosigner.ourselves
    without = said_by(ourselves, DROPPED_PURPOSE, standing_statement(place.name, row.group_key), dropped)
    due = len(ourselves.group.members) - ourselves.group.threshold + 1
    if len(without) < due:
        words = f"{place}: the share is in force, and goes once {due} others have signed that they hold none of it"
        raise Conflict("share-in-force", f"{words}; {len(without)} have")


def _give_up(cosigner: Cosigner, place: Place, row: ShareRow) -> None:
    def within(connection: sa.Connection) -> None:
        give_up_within(connection, place.wallet, place.version, place.epoch)
        write(cosigner, changed(cosigner, _NOBODY, row, "give-up-share", "dropped"))

    with cosigner.wallets.changing(place.wallet) as connection:
        within(connection)


def _forget_kept(cosigner: Cosigner, place: Place, row: ShareRow) -> None:
    def before_commit() -> None:
        write(cosigner, changed(cosigner, _NOBODY, row, "drop-share", "dropped"))

    cosigner.holding.rows.drop(place.wallet, place.version, place.epoch, before_commit)
