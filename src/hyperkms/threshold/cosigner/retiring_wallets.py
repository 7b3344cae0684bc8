"""A wallet is retired with a last grace: it signs no more from now on, and its shares are destroyed at the end."""

from collections.abc import Iterable

import sqlalchemy as sa
import structlog

from hyperkms import wallet_life
from hyperkms.access.clients import Operation
from hyperkms.errors import HyperkmsError
from hyperkms.state.share_rows import ShareState, retire_within
from hyperkms.threshold.cosigner.asked_changes import AskedChange
from hyperkms.threshold.cosigner.evidence import named
from hyperkms.threshold.cosigner.mandate import require_mandate
from hyperkms.threshold.cosigner.ourselves import Place
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.recording import versions_changed, write
from hyperkms.threshold.cosigner.retiring import destroy, has_ended
from hyperkms.threshold.cosigner.words import said_by_quorum
from hyperkms.threshold.wire import Asker, RetireWallet, Said, wallet_statement
from hyperkms.wallet import VersionState, WalletId, parse_wallet_id
from hyperkms.wallet_life import KeyFate, WalletHistory

WALLET_RETIRED_PURPOSE = "wallet retired"
_NOBODY = Asker(client="-", request_id="-")
_log = structlog.stdlib.get_logger("hyperkms.cosigner")


def retire_wallet(cosigner: Cosigner, ask: RetireWallet) -> Said:
    """Sign with no version of the wallet from here on, durable on return, and say so under the identity key.

    It is done where the client's signed request asks for it, without one only where a bearer key is enough for this
    wallet, or where t others say that they have done it. Nothing leads back. A pending version, which never signed, is
    destroyed at once, the others when their last grace is over by this cosigner's clock.
    """
    wallet, asker = parse_wallet_id(ask.wallet), named(ask.asker)
    with cosigner.turn:
        history = cosigner.wallets.history(wallet)
        statement = wallet_statement(wallet)
        if history.wallet.retired_at is None:
            if not said_by_quorum(cosigner.ourselves, WALLET_RETIRED_PURPOSE, statement, ask.retired):
                place = Place(wallet=wallet, version=history.wallet.current.number, epoch=0)
                asker = require_mandate(cosigner, place, asker, Operation.RETIRE, fits=_retires)
            _retire(cosigner, history, asker)
    return Said(statement=cosigner.ourselves.identity.sign_statement(WALLET_RETIRED_PURPOSE, statement))


def destroy_ended(cosigner: Cosigner, retired: Iterable[WalletId]) -> None:
    """Of wallets that were retired here, destroy what is held of versions whose last grace is over."""
    for wallet in retired:
        try:
            _destroy_ended(cosigner, wallet)
        except HyperkmsError as error:  # the other wallets go on, and so does this one at the next turn
            _log.warning("shares-left", wallet=wallet, code=error.code, words=error.message)


def _destroy_ended(cosigner: Cosigner, wallet: WalletId) -> None:
    with cosigner.turn:
        held = {row.version: row for row in cosigner.holding.rows.all(wallet) if row.state is not ShareState.RETIRED}
        for number, row in held.items():
            place = Place(wallet=wallet, version=number, epoch=0)
            if has_ended(cosigner, place):
                destroy(cosigner, place, row, _NOBODY)


def _retires(asked: AskedChange) -> bool:
    return asked.wanted == "retire" and asked.version is None


def _retire(cosigner: Cosigner, history: WalletHistory, asker: Asker) -> None:
    now, wallet = cosigner.clock(), history.wallet.id
    change = wallet_life.retire_wallet(
        history, now=now, grace_ms=cosigner.grace_ms, fate=KeyFate.AFTER_GRACE, reason=None
    )
    if change is None:
        return
    at_once = [version.number for version in change.versions if version.state is VersionState.RETIRED]

    def before_commit(connection: sa.Connection) -> None:
        for number in at_once:
            retire_within(connection, wallet, number)
        write(cosigner, versions_changed(change, asker, "retire-wallet", now=now))

    cosigner.wallets.apply(change, before_commit=before_commit)
    for version in history.versions:
        cosigner.holding.forget(wallet, version.number)
