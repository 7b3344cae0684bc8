"""A kept epoch comes into force: once every cosigner keeps its share, and every quorum has signed with it.

The one before it signs on, and is destroyed once every cosigner has signed that the new one is in force there. So a
coordinator that has an epoch put in force at some and dropped at others costs nobody the key: at any moment all n hold
the one epoch, or all n the other.
"""

from collections.abc import Sequence
from itertools import combinations

import hyperkms_cosign as cosign
import sqlalchemy as sa

from hyperkms.errors import Malformed, Refused
from hyperkms.state.share_rows import ShareRow, ShareState, release_within
from hyperkms.threshold.cosigner.ceremonies import KEPT_PURPOSE
from hyperkms.threshold.cosigner.holding import no_such_share, not_in_force
from hyperkms.threshold.cosigner.listing import put_in_force
from hyperkms.threshold.cosigner.ourselves import Ourselves, Place
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.recording import changed, write
from hyperkms.threshold.wire import (
    Asker,
    Commit,
    Done,
    InForce,
    Release,
    TestSignature,
    acknowledgement_statement,
    standing_statement,
)

IN_FORCE_PURPOSE = "share in force"


def commit(cosigner: Cosigner, ask: Commit) -> InForce:
    """Put it in force, and say so under the identity key; nothing else is done where it is already.

    1. All n cosigners say, under their identity keys, that they keep a share of this very session and key.
    2. Every set of t has made a true signature of the test message of this epoch.
    3. The share is in force, and the wallet listed here; that of the epoch before is superseded.
    """
    place = Place.of(ask.share)
    with cosigner.turn:
        row = _standing(cosigner, place)
        if row.state is ShareState.KEPT:
            _require_kept_by_all(cosigner.ourselves, row, ask)  # (1)
            _require_every_quorum(cosigner.ourselves, row, place, ask.tests)  # (2)
            put_in_force(cosigner, row)  # (3)
        statement = standing_statement(place.name, row.group_key)
        return InForce(statement=cosigner.ourselves.identity.sign_statement(IN_FORCE_PURPOSE, statement))


def release(cosigner: Cosigner, ask: Release) -> Done:
    """Destroy the shares of the epochs before, durable on return; Tampered unless all n say that this is in force.

    1. They are retired, and sign nothing more.  2. What is elsewhere of them is destroyed: Unavailable where it cannot
    be now; asked again it is only that which is left to do, and the sweep does it too.
    """
    place, ourselves = Place.of(ask.share), cosigner.ourselves
    with cosigner.turn:
        row = _standing(cosigner, place)
        if row.state is not ShareState.IN_FORCE:
            raise not_in_force(place)
        same = [one for one in cosigner.holding.rows.all(place.wallet) if one.version == place.version]
        if any(one.epoch < place.epoch and not one.is_destroyed for one in same):
            _require_in_force_at_all(ourselves, place, row, ask.in_force)
            _destroy_before(cosigner, place, row)  # (1)
    cosigner.sealed.destroy_unnamed(place.wallet, place.version)  # (2)
    return Done()


def _require_in_force_at_all(ourselves: Ourselves, place: Place, row: ShareRow, in_force: Sequence[bytes]) -> None:
    if len(in_force) != len(ourselves.group.members):
        raise Malformed.at("in_force", f"{len(ourselves.group.members)} are due, in the order of the members")
    statement = standing_statement(place.name, row.group_key)
    for identity, signature in zip(ourselves.group.identities, in_force, strict=True):
        cosign.verify_statement(identity, IN_FORCE_PURPOSE, statement, signature)


def _destroy_before(cosigner: Cosigner, place: Place, row: ShareRow) -> None:
    def within(connection: sa.Connection) -> None:
        release_within(connection, place.wallet, place.version, place.epoch)
        write(cosigner, changed(cosigner, Asker(client="-", request_id="-"), row, "release-share", "in-force"))

    cosigner.holding.rows.change(within)
    cosigner.copies.forget_before(row)
    cosigner.holding.forget(place.wallet, place.version)


def _standing(cosigner: Cosigner, place: Place) -> ShareRow:
    row = cosigner.holding.rows.find(place.wallet, place.version, place.epoch)
    if row is None:
        raise no_such_share(place)
    if row.state in {ShareState.RETIRED, ShareState.SUPERSEDED}:
        raise Refused("share-retired", f"{place}: a later epoch has followed; nothing puts this one in force again")
    return row


def _require_kept_by_all(ourselves: Ourselves, row: ShareRow, ask: Commit) -> None:
    group = ourselves.group
    if len(ask.acknowledgements) != len(group.members):
        raise Malformed.at("acknowledgements", f"{len(group.members)} are due, in the order of the members")
    statement = acknowledgement_statement(ask.share, row.session, row.group_key)
    for identity, signature in zip(group.identities, ask.acknowledgements, strict=True):
        cosign.verify_statement(identity, KEPT_PURPOSE, statement, signature)


def _require_every_quorum(ourselves: Ourselves, row: ShareRow, place: Place, tests: Sequence[TestSignature]) -> None:
    quorums = {frozenset(each) for each in combinations(ourselves.group.by_index, ourselves.group.threshold)}
    given = [frozenset(test.signers) for test in tests]
    if len(given) != len(quorums) or set(given) != quorums:
        words = f"a test signature of each of the {len(quorums)} sets of {ourselves.group.threshold} is due"
        raise Malformed.at("tests", words)
    form = cosign.Form.test(ourselves.context(place, row.key_type, row.network))
    for test in tests:
        form.verify(row.public_key, test.signature)
