"""The steps of a session, whatever it is for."""

from collections.abc import Callable

from hyperkms.errors import Malformed, NotFound
from hyperkms.threshold.cosigner.ceremonies import Making
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.cosigner.sessions import Running
from hyperkms.threshold.cosigner.signing import Signing, after_step
from hyperkms.threshold.group import MOST_MEMBERS
from hyperkms.threshold.wire import Advance, Begin, Messages

MOST_MESSAGES = 4 * MOST_MEMBERS
"""To one member in one round; the protocols have at most two from each of the others."""


def begin(cosigner: Cosigner, ask: Begin) -> Messages:
    """The first messages."""
    _require_few(ask.openings, "openings")
    return _step(cosigner, ask.session, lambda running: running.session.begin(ask.openings))


def advance(cosigner: Cosigner, ask: Advance) -> Messages:
    """The messages of the next round."""
    _require_few(ask.messages, "messages")
    return _step(cosigner, ask.session, lambda running: running.session.advance(ask.messages))


def _step(cosigner: Cosigner, token: str, step: Callable[[Running], list[bytes]]) -> Messages:
    """What fails ends the session."""
    running = cosigner.sessions.take(token)
    try:
        messages = step(running)
        purpose = running.purpose
        if isinstance(purpose, Signing):
            answer = after_step(cosigner, running, purpose, messages)
        else:
            answer = Messages(messages=messages, done=running.session.done)
        _require_still(running)
    except BaseException:
        cosigner.sessions.fail(running)
        raise
    ends = isinstance(purpose, Signing) or (isinstance(purpose, Making) and purpose.kind == "repair-helper")
    if answer.done and ends:
        cosigner.sessions.end(running)
    else:
        cosigner.sessions.put_back(running)
    return answer


def _require_still(running: Running) -> None:
    if running.is_void:
        raise NotFound("session-unknown", "the session was let go of while this step was made")


def _require_few(messages: list[bytes], field: str) -> None:
    if len(messages) > MOST_MESSAGES:
        raise Malformed.at(field, f"at most {MOST_MESSAGES} are due")
