"""Shares that are made: key generation, refresh and repair, until the new share is sealed and kept."""

from dataclasses import dataclass
from typing import cast

import hyperkms_cosign as cosign
import sqlalchemy as sa

from hyperkms.access.clients import Operation
from hyperkms.errors import Conflict, Malformed, Refused, Unavailable
from hyperkms.mode import Mode
from hyperkms.state.share_rows import ShareRow, ShareState, share_exists
from hyperkms.threshold.cosigner.asked_changes import AskedChange
from hyperkms.threshold.cosigner.holding import Held
from hyperkms.threshold.cosigner.listing import list_repaired
from hyperkms.threshold.cosigner.mandate import claim_once, require_mandate
from hyperkms.threshold.cosigner.ourselves import Place
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.recording import changed, write
from hyperkms.threshold.cosigner.root_key import fresh
from hyperkms.threshold.cosigner.sessions import Running
from hyperkms.threshold.wire import Asker, Keep, Kept, OpenCeremony, Opened, acknowledgement_statement
from hyperkms.wallet import KeyType
from hyperkms.wallet_life import require_live

KEPT_PURPOSE = "share kept"
MOST_KEPT = 100
"""Shares that are kept and not in force; they wait for their coordinator, and it has forgotten them."""


@dataclass(frozen=True, kw_only=True)
class Making:
    """A session that makes a share."""

    kind: str
    place: Place
    """Of the share that is made."""
    key_type: KeyType
    network: str
    asker: Asker


def open_ceremony(cosigner: Cosigner, ask: OpenCeremony) -> Opened:
    """Begin it; Conflict if the share that it makes is there already, or was."""
    cosigner.sessions.require_room()
    cosigner.openings.take("ceremonies that a cosigner begins")
    place = Place.of(ask.share)
    asker = _mandated(cosigner, ask, place)
    if ask.kind == "keygen":
        session, making = _generation(cosigner, ask, place, asker)
        claim_once(cosigner, place, ask.asker.signed)
    elif ask.kind == "refresh":
        session, making = _refresh(cosigner, place, asker)
    elif ask.kind == "repair-helper":
        session, making = _help(cosigner, ask, place, asker)
    else:
        session, making = _repair(cosigner, ask, place, asker)
    running = Running(session, making, _nothing)
    cosigner.sessions.add(running)
    return Opened(session=running.token, opening=session.opening)


def _mandated(cosigner: Cosigner, ask: OpenCeremony, place: Place) -> Asker:
    """Who wants it, as far as that is known; a coordinator alone makes no key and no shares."""
    if ask.kind != "keygen":
        may = (Operation.ROTATE, Operation.ADMINISTER)
        return require_mandate(cosigner, place, ask.asker, *may, fits=lambda asked: _remakes(asked, place))
    needed = Operation.GENERATE if place.version == 1 else Operation.ROTATE
    return require_mandate(cosigner, place, ask.asker, needed, fits=lambda asked: _makes(asked, ask))


def _remakes(asked: AskedChange, place: Place) -> bool:
    """Whether shares are to be made anew: of the version that it names, or of whichever."""
    return asked.wanted == "replace" or (asked.wanted == "refresh" and asked.version in {None, place.version})


def _makes(asked: AskedChange, ask: OpenCeremony) -> bool:
    """Whether this very key is to be made; what the request leaves out the service may fill."""
    if ask.share.version > 1:
        return asked.wanted == "rotate"
    wishes = {"keyType": ask.key_type, "network": ask.network}
    said = {name: value for name, value in asked.members.items() if name in wishes and value is not None}
    return asked.wanted == "generate" and all(wishes[name] == value for name, value in said.items())


def keep(cosigner: Cosigner, ask: Keep) -> Kept:
    """Seal what the session made, durable on return, and say so under the identity key."""
    running = cosigner.sessions.take(ask.session)
    try:
        making = running.purpose
        if not isinstance(making, Making) or making.kind == "repair-helper":
            raise Refused("session-not-done", "this session makes no share")
        row = _sealed(cosigner, running.session, making)
        cosigner.copies.make(cosigner.ourselves, row)
        with cosigner.sealed.stored(row) as stored, cosigner.turn:
            if running.is_void:
                raise Refused("session-not-done", f"{making.place}: the share was dropped before it was kept")
            _store(cosigner, stored, making)
    finally:
        cosigner.sessions.end(running)
    return Kept(acknowledgement=row.acknowledgement, public_key=row.public_key, group_key=row.group_key)


def _generation(cosigner: Cosigner, ask: OpenCeremony, place: Place, asker: Asker) -> tuple[cosign.Session, Making]:
    if place.epoch != 0:
        raise Malformed.at("share.epoch", "key generation makes epoch 0")
    key_type = KeyType(ask.key_type)
    if (ask.network == "none") != (key_type is KeyType.ED25519):
        raise Malformed.at("network", "none exactly for ed25519, which signs opaque bytes")
    if ask.network == "any" and cosigner.mode is Mode.PRODUCTION:
        raise Malformed.at("network", "any is for development only: say mainnet or testnet", "network-required")
    _require_new_version(cosigner, place, key_type, ask.network)
    cosigner.bans.require_none(cosigner.ourselves.group.by_index)
    _require_few_kept(cosigner)
    ourselves = cosigner.ourselves
    session = cosign.Session.keygen(
        ourselves.identity, ourselves.known, ourselves.context(place, key_type, ask.network)
    )
    return session, Making(kind=ask.kind, place=place, key_type=key_type, network=ask.network, asker=asker)


def _refresh(cosigner: Cosigner, place: Place, asker: Asker) -> tuple[cosign.Session, Making]:
    held = cosigner.holding.in_force(place)
    _require_settled(cosigner, place)
    following = Place(wallet=place.wallet, version=place.version, epoch=place.epoch + 1)
    _require_free(cosigner, following)
    cosigner.bans.require_none(cosigner.ourselves.group.by_index)
    session = cosign.Session.refresh(cosigner.ourselves.identity, cosigner.ourselves.known, held.share)
    return session, _making("refresh", following, held, asker)


def _help(cosigner: Cosigner, ask: OpenCeremony, place: Place, asker: Asker) -> tuple[cosign.Session, Making]:
    held, ourselves = cosigner.holding.in_force(place), cosigner.ourselves
    helpers = ourselves.helpers(ask.helpers, ask.target)
    if ourselves.index not in helpers:
        raise Malformed.at("helpers", f"this is cosigner {ourselves.index}, and none of them")
    cosigner.bans.require_none({*helpers, ask.target})
    session = cosign.Session.repair_helper(ourselves.identity, ourselves.known, held.share, helpers, ask.target)
    return session, _making("repair-helper", place, held, asker)


def _repair(cosigner: Cosigner, ask: OpenCeremony, place: Place, asker: Asker) -> tuple[cosign.Session, Making]:
    ourselves, key_type = cosigner.ourselves, KeyType(ask.key_type)
    helpers = ourselves.helpers(ask.helpers, ask.target)
    if ask.target != ourselves.index:
        raise Malformed.at("target", f"this is cosigner {ourselves.index}")
    known = cosign.read_group_key(ask.group_key)
    group = ourselves.group
    if (known["key_type"], known["threshold"], known["members"]) != (
        key_type.value,
        group.threshold,
        len(group.members),
    ):
        raise Malformed.at("group_key", "it is not of this key type and this group")
    _require_free(cosigner, place)
    cosigner.bans.require_none(helpers)
    context = ourselves.context(place, key_type, ask.network)
    session = cosign.Session.repair_target(ourselves.identity, ourselves.known, context, ask.group_key, helpers)
    making = Making(kind=ask.kind, place=place, key_type=key_type, network=ask.network, asker=asker)
    return session, making


def _making(kind: str, place: Place, held: Held, asker: Asker) -> Making:
    return Making(kind=kind, place=place, key_type=held.row.key_type, network=held.row.network, asker=asker)


def _sealed(cosigner: Cosigner, session: cosign.Session, making: Making) -> ShareRow:
    ourselves, identifier = cosigner.ourselves, session.id
    if not session.done or identifier is None:
        raise Refused("session-not-done", "this session has come to no share")
    context = ourselves.context(making.place, making.key_type, making.network)
    sealed, group_key = session.take_share(*fresh(ourselves.root, context))
    statement = acknowledgement_statement(making.place.name, identifier, group_key)
    public_key = cast("bytes", cosign.read_group_key(group_key)["public_key"])
    return ShareRow(
        wallet=making.place.wallet,
        version=making.place.version,
        epoch=making.place.epoch,
        state=ShareState.IN_FORCE if making.kind == "repair-target" else ShareState.KEPT,
        key_type=making.key_type,
        network=making.network,
        sealed=sealed,
        public_key=public_key,
        group_key=group_key,
        session=identifier,
        acknowledgement=ourselves.identity.sign_statement(KEPT_PURPOSE, statement),
        created_at=cosigner.clock(),
    )


def _store(cosigner: Cosigner, row: ShareRow, making: Making) -> None:
    """A repaired share is of an epoch that is in force: t cosigners that hold it have made it out of theirs."""
    if making.kind == "repair-target":
        list_repaired(cosigner, row, making.asker)
        return

    def before_commit(_connection: sa.Connection) -> None:
        write(cosigner, changed(cosigner, making.asker, row, "keep-share", "kept"))

    cosigner.holding.rows.keep(row, before_commit)


def _require_new_version(cosigner: Cosigner, place: Place, key_type: KeyType, network: str) -> None:
    """Conflict unless the version may be made: of the wallet's kind, with no share of it here, nor ever."""
    if any(row.version == place.version for row in cosigner.holding.rows.all(place.wallet)):
        raise share_exists(place.wallet, place.version, place.epoch)
    wallet = cosigner.wallets.find(place.wallet)
    newest = 0
    if wallet is not None:
        newest = max(version.number for version in cosigner.wallets.history(place.wallet).versions)
    if place.version != newest + 1:
        words = f"{newest + 1} is the next version of wallet {place.wallet}"
        raise Conflict("version-out-of-turn", f"{words}, and the key of version {place.version} is not made before it")
    if wallet is None:
        return
    require_live(wallet)
    same = (wallet.key_type, wallet.network.value if wallet.network else "none")
    if same != (key_type, network):
        words = f"wallet {place.wallet} has keys of type {wallet.key_type.value} for {same[1]}"
        raise Conflict("wallet-exists", f"{words}, and no version of another kind")


def _require_settled(cosigner: Cosigner, place: Place) -> None:
    """Conflict while the epoch before is still held: it goes once all have said that this one is in force."""
    rows = cosigner.holding.rows.all(place.wallet)
    if any(row.version == place.version and row.state is ShareState.SUPERSEDED for row in rows):
        words = f"{place}: the shares of the epoch before are not destroyed yet, since not every cosigner is known"
        raise Conflict("epoch-unsettled", f"{words} to have this one in force; that is brought to its end first")


def _require_free(cosigner: Cosigner, place: Place) -> None:
    if cosigner.holding.rows.find(place.wallet, place.version, place.epoch) is not None:
        raise share_exists(place.wallet, place.version, place.epoch)


def _require_few_kept(cosigner: Cosigner) -> None:
    if cosigner.holding.rows.kept() >= MOST_KEPT:
        words = f"{MOST_KEPT} shares are kept here that were never put in force; have their coordinator drop them"
        raise Unavailable("cosigner-busy", words)


def _nothing() -> None:
    """A ceremony that comes to nothing leaves nothing."""
