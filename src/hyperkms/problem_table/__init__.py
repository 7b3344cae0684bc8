"""Every code that the service, the core and the commands can answer.

A new code is one entry in the module of its situation. /problems, docs/errors.md and docs/troubleshooting.md are
made of this table (`make docs` writes the two files).
"""

from collections.abc import Mapping

from hyperkms.problem_table.access import ACCESS
from hyperkms.problem_table.actions import ACTIONS
from hyperkms.problem_table.auditing import AUDIT_FILES, AUDITING
from hyperkms.problem_table.aws import AWS
from hyperkms.problem_table.coordinating import CONNECTING, COORDINATING
from hyperkms.problem_table.cosigners import COSIGNING, GROUPS
from hyperkms.problem_table.entry import Problem, Retry, Situation
from hyperkms.problem_table.first_system import FIRST_SYSTEM
from hyperkms.problem_table.guards import GUARDS
from hyperkms.problem_table.idempotency import IDEMPOTENCY
from hyperkms.problem_table.key_versions import KEY_VERSIONS
from hyperkms.problem_table.loss import LOSS
from hyperkms.problem_table.native import NATIVE
from hyperkms.problem_table.nonces import NONCES
from hyperkms.problem_table.requests import REQUESTS
from hyperkms.problem_table.rules import RULES
from hyperkms.problem_table.running import RUNNING
from hyperkms.problem_table.starting import STARTING
from hyperkms.problem_table.stored import STORED
from hyperkms.problem_table.threshold import COSIGNER_STARTING, DECIDING, HOLDING
from hyperkms.problem_table.wallets import WALLETS

__all__ = ["PROBLEMS", "SITUATIONS", "Problem", "Retry", "Situation", "situation_of"]

SITUATIONS: tuple[Situation, ...] = (
    ACCESS,
    REQUESTS,
    IDEMPOTENCY,
    WALLETS,
    KEY_VERSIONS,
    ACTIONS,
    RULES,
    NONCES,
    RUNNING,
    AWS,
    NATIVE,
    FIRST_SYSTEM,
    STORED,
    AUDITING,
    AUDIT_FILES,
    COORDINATING,
    CONNECTING,
    GROUPS,
    COSIGNING,
    DECIDING,
    HOLDING,
    COSIGNER_STARTING,
    LOSS,
    STARTING,
    GUARDS,
)

PROBLEMS: Mapping[str, Problem] = {problem.code: problem for situation in SITUATIONS for problem in situation.problems}
"""By code."""


def situation_of(code: str) -> Situation:
    """The situation under which a code of the table stands."""
    return next(found for found in SITUATIONS if any(problem.code == code for problem in found.problems))
