"""A share is destroyed for ever: where its client says so."""

from dataclasses import replace

import sqlalchemy as sa

from hyperkms import wallet_life
from hyperkms.access.clients import Operation
from hyperkms.state.share_rows import ShareRow, ShareState, retire_within
from hyperkms.threshold.cosigner.asked_changes import AskedChange
from hyperkms.threshold.cosigner.evidence import named
from hyperkms.threshold.cosigner.holding import no_such_share
from hyperkms.threshold.cosigner.mandate import require_mandate
from hyperkms.threshold.cosigner.ourselves import Place
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.recording import changed, write
from hyperkms.threshold.cosigner.words import said_by_quorum
from hyperkms.threshold.wire import Asker, Retire, Said, ShareName, version_statement
from hyperkms.wallet import VersionState
from hyperkms.wallet_life import Change, WalletHistory, is_over

RETIRED_PURPOSE = "version retired"


def retire(cosigner: Cosigner, ask: Retire) -> Said:
    """Destroy every share of a version, durable on return, and say so under the identity key.

    It is done where the client's signed request asks for it, without one only where a bearer key is enough for this
    wallet, or where t others say that they have done it: who was away meanwhile is shown their words. So it is where
    the whole wallet was retired here, which took such a request, and the last grace of the version is over by this
    cosigner's clock. That another version followed and its grace is over does not count: a coordinator alone can have
    that so. Where shares are elsewhere and that is away, they sign nothing more, and nothing is said: Unavailable.
    """
    place, asker = Place.of(ShareName(wallet=ask.wallet, version=ask.version, epoch=0)), named(ask.asker)
    with cosigner.turn:
        rows = [row for row in cosigner.holding.rows.all(place.wallet) if row.version == place.version]
        if not rows:
            raise no_such_share(place)
        statement = version_statement(place.wallet, place.version, rows[-1].public_key)
        due = [row for row in rows if row.state is not ShareState.RETIRED]
        if due:
            said = said_by_quorum(cosigner.ourselves, RETIRED_PURPOSE, statement, ask.retired)
            if not said and not has_ended(cosigner, place):
                asker = require_mandate(
                    cosigner, place, asker, Operation.RETIRE, fits=lambda asked: _destroys(asked, place)
                )
            destroy(cosigner, place, due[-1], asker)
    cosigner.sealed.destroy_unnamed(place.wallet, place.version)
    return Said(statement=cosigner.ourselves.identity.sign_statement(RETIRED_PURPOSE, statement))


def has_ended(cosigner: Cosigner, place: Place) -> bool:
    """Whether its wallet was retired here, and the last grace of this version is over."""
    wallet = cosigner.wallets.find(place.wallet)
    if wallet is None or wallet.retired_at is None:
        return False
    versions = cosigner.wallets.history(place.wallet).versions
    version = next((one for one in versions if one.number == place.version), None)
    return version is not None and (version.state is VersionState.RETIRED or is_over(version, cosigner.clock()))


def _destroys(asked: AskedChange, place: Place) -> bool:
    """Whether it says so: of this version, or of the whole wallet with its shares now and not after its grace."""
    if asked.wanted != "retire":
        return False
    if asked.version is None:
        return asked.members.get("destroy") is True
    return asked.version == place.version


def destroy(cosigner: Cosigner, place: Place, row: ShareRow, asker: Asker) -> None:
    """Every share of a version is destroyed, durable on return, and the version retired here; the caller has `turn`."""

    def before_commit(connection: sa.Connection) -> None:
        retire_within(connection, place.wallet, place.version)
        write(cosigner, changed(cosigner, asker, row, "retire-share", "retired"))

    change = None
    if cosigner.wallets.find(place.wallet) is not None:
        change = _change(cosigner.wallets.history(place.wallet), place, cosigner.clock())
    if change is None:
        cosigner.holding.rows.change(before_commit)
    else:
        cosigner.wallets.apply(change, before_commit=before_commit)
    cosigner.holding.forget(place.wallet, place.version)


def _change(history: WalletHistory, place: Place, now: int) -> Change | None:
    """The version is retired, and with its last one the wallet; None for a version that is not listed."""
    wallet = history.wallet
    found = next((one for one in history.versions if one.number == place.version), None)
    if found is None:
        return None
    retired = wallet_life.retired(found, now)
    wallet = replace(wallet, revision=wallet.revision + 1)
    if wallet.current.number == place.version:
        wallet = replace(wallet, current=retired)
    others = [one for one in history.versions if one.number != place.version]
    if wallet.retired_at is None and all(one.state is VersionState.RETIRED for one in others):
        wallet = replace(wallet, retired_at=now, retired_reason="its shares are destroyed")
    return Change(wallet=wallet, versions=(retired,))
