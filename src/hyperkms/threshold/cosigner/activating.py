"""A version that waits is admitted, and then becomes the current one: where its client says so.

A service changes over in the middle: from the admission on both versions sign here, so that whichever the service has
current is refused by nobody, however long it is away between the two.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from hyperkms import wallet_life
from hyperkms.access.clients import Operation
from hyperkms.audit.record import LifeRecord
from hyperkms.threshold.cosigner.asked_changes import AskedChange
from hyperkms.threshold.cosigner.evidence import named
from hyperkms.threshold.cosigner.mandate import claim_once, require_mandate
from hyperkms.threshold.cosigner.ourselves import Place
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.recording import versions_changed, write
from hyperkms.threshold.cosigner.words import said_by_quorum
from hyperkms.threshold.wire import Activate, Admit, Asker, Done, Said, ShareName, version_statement
from hyperkms.wallet import KeyType, KeyVersion, VersionState
from hyperkms.wallet_life import Change, WalletHistory, is_admitted

ACTIVE_PURPOSE = "version active"


@dataclass(frozen=True)
class _Found:
    """The version that is asked for, as it stands."""

    place: Place
    history: WalletHistory
    version: KeyVersion


def admit(cosigner: Cosigner, ask: Admit) -> Done:
    """The version signs when this returns, and the current one as before: no grace begins.

    Done where the client's signed request asks for the activation, without one only where a bearer key is enough for
    this wallet. A version that was current once is left as it is; Conflict for one that was retired before.
    """
    with cosigner.turn:
        found = _find(cosigner, ask)
        now = cosigner.clock()
        change = wallet_life.admit(found.history, found.place.version, now=now) if _never_was(found.version) else None
        if change is not None:
            _apply(cosigner, change, versions_changed(change, _mandated(cosigner, ask, found), "admit", now=now))
    return Done()


def activate(cosigner: Cosigner, ask: Activate) -> Said:
    """The version is the current one when this returns, and the one before it in grace; it says so under its key.

    Done where the version was admitted, where t others say that they have done it, or where the client's request asks
    for it as above. A version that was current once is left as it is.
    """
    with cosigner.turn:
        found = _find(cosigner, ask)
        place, version = found.place, found.version
        statement = version_statement(place.wallet, place.version, version.public_key)
        if _never_was(version):
            now, grace_ms = cosigner.clock(), cosigner.grace_ms
            change = wallet_life.activate(found.history, place.version, now=now, grace_ms=grace_ms)
            asker = named(ask.asker)
            is_due = is_admitted(version)
            if not is_due and not said_by_quorum(cosigner.ourselves, ACTIVE_PURPOSE, statement, ask.active):
                asker = _mandated(cosigner, ask, found)
            _apply(cosigner, change, versions_changed(change, asker, "activate", now=now))
    return Said(statement=cosigner.ourselves.identity.sign_statement(ACTIVE_PURPOSE, statement))


def _find(cosigner: Cosigner, ask: Admit | Activate) -> _Found:
    place = Place.of(ShareName(wallet=ask.wallet, version=ask.version, epoch=0))
    named(ask.asker)
    history = cosigner.wallets.history(place.wallet)
    return _Found(place, history, history.version(place.version))


def _never_was(version: KeyVersion) -> bool:
    """Whether it waits, or was retired before it ever was current: `wallet_life` refuses to change that."""
    return version.state is VersionState.PENDING or version.activated_at is None


def _mandated(cosigner: Cosigner, ask: Admit | Activate, found: _Found) -> Asker:
    place, key_type = found.place, found.history.wallet.key_type
    asker = require_mandate(
        cosigner, place, ask.asker, Operation.ROTATE, fits=lambda asked: _activates(asked, place, key_type)
    )
    claim_once(cosigner, place, ask.asker.signed)
    return asker


def _activates(asked: AskedChange, place: Place, key_type: KeyType) -> bool:
    """As the service reads it: a rotation is at once for Ed25519, and else where it says so."""
    if asked.wanted == "activate":
        return asked.version == place.version
    at_once = asked.members.get("activate")
    return asked.wanted == "rotate" and (at_once is True or (at_once is None and key_type is KeyType.ED25519))


def _apply(cosigner: Cosigner, change: Change, line: LifeRecord) -> None:
    def before_commit(_connection: sa.Connection) -> None:
        write(cosigner, line)

    cosigner.wallets.apply(change, before_commit=before_commit)
