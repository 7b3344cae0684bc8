"""Shares of signatures: Ed25519 in one step from prepared commitments, secp256k1 in the rounds of a session.

What leaves last, and makes the signature possible, leaves once its line in the record is durable.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import hyperkms_cosign as cosign

from hyperkms.errors import HyperkmsError, Malformed
from hyperkms.threshold.cosigner.judging import Judged, judge, require_still
from hyperkms.threshold.cosigner.ourselves import Place
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.recording import share_given, share_refused, write
from hyperkms.threshold.cosigner.sessions import Running
from hyperkms.threshold.wire import Messages, Opened, OpenSigning, Prepare, Prepared, ShareGiven, SignShare

MOST_PREPARED = 16


@dataclass
class Signing:
    """A session that signs: what was decided, and whether its line is durable."""

    ask: OpenSigning
    judged: Judged
    is_recorded: bool = False


def prepare(cosigner: Cosigner, ask: Prepare) -> Prepared:
    """Ed25519 commitments: nothing is decided by them."""
    if not 1 <= ask.count <= MOST_PREPARED:
        raise Malformed.at("count", f"1 to {MOST_PREPARED} commitments are due")
    ourselves = cosigner.ourselves
    held = cosigner.holding.signing(Place.of(ask.share), for_test=ask.prepared)
    signers = ourselves.quorum(ask.signers)
    cosigner.bans.require_none(signers)
    made = [held.share.prepare(ourselves.identity, ourselves.known, signers)[1] for _ in range(ask.count)]
    return Prepared(commitments=made)


def sign_share(cosigner: Cosigner, ask: SignShare) -> ShareGiven:
    """Decide, make the share, write it down, and only then give it."""
    try:
        judged = judge(cosigner, ask)
        session, share = _make(cosigner, judged, ask.commitments)
        _claim(cosigner, judged)
    except HyperkmsError as error:
        share_refused(cosigner, ask, error)
        raise
    write(cosigner, share_given(cosigner, judged, session))
    cosigner.counts.gave()
    return ShareGiven(share=share)


def open_signing(cosigner: Cosigner, ask: OpenSigning) -> Opened:
    """Decide whether it will sign, and begin."""
    cosigner.sessions.require_room()
    ourselves = cosigner.ourselves
    try:
        judged = judge(cosigner, ask)
        try:
            session = cosign.Session.sign(
                ourselves.identity,
                ourselves.known,
                judged.held.share,
                judged.signers,
                judged.to_sign.form,
                cosigner.bans.members,
            )
        except BaseException:
            judged.give_back()
            raise
    except HyperkmsError as error:
        share_refused(cosigner, ask, error)
        raise
    running = Running(session, Signing(ask, judged), judged.give_back)
    cosigner.sessions.add(running)
    return Opened(session=running.token, opening=session.opening)


def after_step(cosigner: Cosigner, running: Running, signing: Signing, messages: Sequence[bytes]) -> Messages:
    """What a step has given, once it may leave; the last word after its line is durable."""
    session = running.session
    if (session.is_last_word or session.done) and not signing.is_recorded:
        _write_down(cosigner, running, signing)
    signature = session.take_signature() if session.done else b""
    return Messages(messages=list(messages), done=bool(signature), signature=signature)


def _write_down(cosigner: Cosigner, running: Running, signing: Signing) -> None:
    judged = signing.judged
    try:
        _claim(cosigner, judged)
    except HyperkmsError as error:
        share_refused(cosigner, signing.ask, error)
        raise
    signing.is_recorded, running.drop = True, _nothing  # from here on it counts, whatever becomes of the line
    write(cosigner, share_given(cosigner, judged, running.session.id or b""))
    cosigner.counts.gave()


def _make(cosigner: Cosigner, judged: Judged, commitments: Sequence[bytes]) -> tuple[bytes, bytes]:
    ourselves = cosigner.ourselves
    try:
        session = cosign.session_of_commitments(commitments)
        share = judged.held.share.sign_share(
            ourselves.identity, ourselves.known, judged.signers, commitments, judged.to_sign.form
        )
    except BaseException:
        judged.give_back()
        raise
    return session, share


def _claim(cosigner: Cosigner, judged: Judged) -> None:
    """From here on nothing else is signed for this nonce, for this request, or with these approvals.

    Of two quorums that are at the same signature each has reserved what it counts: the second gives it back.
    """
    try:
        require_still(cosigner, judged)
        is_new = cosigner.promises.claim(judged.promise)
    except BaseException:
        judged.give_back()
        raise
    if not is_new:
        judged.give_back()


def _nothing() -> None:
    """What was written down is not given back."""
