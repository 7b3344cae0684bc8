"""A version that waits becomes the current one: where its client says so."""

import sqlalchemy as sa

from hyperkms import wallet_life
from hyperkms.access.clients import Operation
from hyperkms.threshold.cosigner.asked_changes import AskedChange
from hyperkms.threshold.cosigner.evidence import named
from hyperkms.threshold.cosigner.mandate import claim_once, require_mandate
from hyperkms.threshold.cosigner.ourselves import Place
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.recording import versions_changed, write
from hyperkms.threshold.cosigner.words import said_by_quorum
from hyperkms.threshold.wire import Activate, Asker, Said, ShareName, version_statement
from hyperkms.wallet import KeyType, VersionState
from hyperkms.wallet_life import WalletHistory

ACTIVE_PURPOSE = "version active"


def activate(cosigner: Cosigner, ask: Activate) -> Said:
    """The version is the current one when this returns, and the one before it in grace; it says so under its key.

    Done where the client's signed request asks for it, without one only where a bearer key is enough for this wallet,
    or where t others say that they have done it. A version that was current once is left as it is.
    """
    place, asker = Place.of(ShareName(wallet=ask.wallet, version=ask.version, epoch=0)), named(ask.asker)
    with cosigner.turn:
        history = cosigner.wallets.history(place.wallet)
        version = history.version(place.version)
        statement = version_statement(place.wallet, place.version, version.public_key)
        if version.state is VersionState.PENDING:
            if not said_by_quorum(cosigner.ourselves, ACTIVE_PURPOSE, statement, ask.active):
                claimed, key_type = ask.asker.signed, history.wallet.key_type
                asker = require_mandate(
                    cosigner, place, asker, Operation.ROTATE, fits=lambda asked: _activates(asked, place, key_type)
                )
                claim_once(cosigner, place, claimed)
            _activate(cosigner, history, place, asker)
        elif version.activated_at is None:
            wallet_life.activate(history, place.version, now=cosigner.clock(), grace_ms=0)  # which says why not
    return Said(statement=cosigner.ourselves.identity.sign_statement(ACTIVE_PURPOSE, statement))


def _activates(asked: AskedChange, place: Place, key_type: KeyType) -> bool:
    """As the service reads it: a rotation is at once for Ed25519, and else where it says so."""
    if asked.wanted == "activate":
        return asked.version == place.version
    at_once = asked.members.get("activate")
    return asked.wanted == "rotate" and (at_once is True or (at_once is None and key_type is KeyType.ED25519))


def _activate(cosigner: Cosigner, history: WalletHistory, place: Place, asker: Asker) -> None:
    now = cosigner.clock()
    change = wallet_life.activate(history, place.version, now=now, grace_ms=cosigner.grace_ms)

    def before_commit(_connection: sa.Connection) -> None:
        write(cosigner, versions_changed(change, asker, "activate", now=now))

    cosigner.wallets.apply(change, before_commit=before_commit)
