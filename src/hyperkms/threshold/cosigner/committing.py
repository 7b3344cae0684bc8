"""A kept epoch comes into force: once every cosigner keeps its share, and every quorum has signed with it."""

from collections.abc import Sequence
from itertools import combinations

import hyperkms_cosign as cosign

from hyperkms.errors import Malformed, Refused
from hyperkms.state.share_rows import ShareRow, ShareState
from hyperkms.threshold.cosigner.ceremonies import KEPT_PURPOSE
from hyperkms.threshold.cosigner.holding import no_such_share
from hyperkms.threshold.cosigner.listing import put_in_force
from hyperkms.threshold.cosigner.ourselves import Ourselves, Place
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.wire import Commit, Done, TestSignature, acknowledgement_statement


def commit(cosigner: Cosigner, ask: Commit) -> Done:
    """Put it in force; nothing is done where it is already.

    1. All n cosigners say, under their identity keys, that they keep a share of this very session and key.
    2. Every set of t has made a true signature of the test message of this epoch.
    3. The share is in force, and the wallet listed here; the share of the epoch before is destroyed.
    """
    place = Place.of(ask.share)
    row = cosigner.holding.rows.find(place.wallet, place.version, place.epoch)
    if row is None:
        raise no_such_share(place)
    if row.state is ShareState.IN_FORCE:
        return Done()
    if row.state is ShareState.RETIRED:
        raise Refused("share-retired", f"{place}: the share is retired; nothing puts it in force again")
    _require_kept_by_all(cosigner.ourselves, row, ask)  # (1)
    _require_every_quorum(cosigner.ourselves, row, place, ask.tests)  # (2)
    put_in_force(cosigner, row)  # (3)
    return Done()


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
