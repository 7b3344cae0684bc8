"""What is asked of a cosigner, and who answers it."""

import traceback
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog

from hyperkms.errors import HyperkmsError
from hyperkms.threshold.cosigner import (
    activating,
    ceremonies,
    committing,
    dropping,
    heads,
    retiring,
    retiring_wallets,
    signing,
    stepping,
    telling,
)
from hyperkms.threshold.cosigner.parts import Cosigner
from hyperkms.threshold.wire import (
    Activate,
    Admit,
    Advance,
    Ask,
    Begin,
    Commit,
    Drop,
    Heads,
    Hello,
    Keep,
    OpenCeremony,
    OpenSigning,
    Prepare,
    Problem,
    Release,
    Retire,
    RetireWallet,
    Shares,
    SignShare,
    Status,
    Witness,
)

_log = structlog.stdlib.get_logger("hyperkms.cosigner")

_ANSWERS: Mapping[type[msgspec.Struct], Callable[[Cosigner, Any], msgspec.Struct]] = {
    Hello: telling.greet,
    Status: telling.status,
    Shares: telling.shares,
    OpenCeremony: ceremonies.open_ceremony,
    OpenSigning: signing.open_signing,
    Begin: stepping.begin,
    Advance: stepping.advance,
    Keep: ceremonies.keep,
    Prepare: signing.prepare,
    SignShare: signing.sign_share,
    Commit: committing.commit,
    Release: committing.release,
    Drop: dropping.drop,
    Retire: retiring.retire,
    RetireWallet: retiring_wallets.retire_wallet,
    Admit: activating.admit,
    Activate: activating.activate,
    Witness: telling.witness,
    Heads: heads.exchange,
}


def answer(cosigner: Cosigner, ask: Ask) -> msgspec.Struct:
    """The answer, or a problem; whatever happens, nothing is raised. A proof against a member is a ban before that."""
    try:
        cosigner.continuity.look()
        return _ANSWERS[type(ask)](cosigner, ask)
    except HyperkmsError as error:
        return _refused(cosigner, ask, error)
    except Exception as error:  # noqa: BLE001 (whoever asks hears nothing of it, and the next call is answered)
        frames = traceback.extract_tb(error.__traceback__)
        at = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
        _log.error("failed", ask=type(ask).__name__, error=type(error).__name__, at=at)  # its text may repeat input
        return problem(HyperkmsError("internal-error", "the cosigner failed at this; its log says at what"))


def _refused(cosigner: Cosigner, ask: Ask, error: HyperkmsError) -> Problem:
    _log.warning("refused", ask=type(ask).__name__, code=error.code)
    try:
        cosigner.bans.note(error)
    except HyperkmsError as failed:
        error = failed
    return problem(error)


def problem(error: HyperkmsError) -> Problem:
    """An error as it is answered."""
    return Problem(kind=type(error).__name__, code=error.code, message=error.message, details=dict(error.details))
