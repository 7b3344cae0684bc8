"""Reading and proving the record."""

from hyperkms.errors import Malformed, Tampered
from hyperkms.problem_table.entry import Problem, Situation

AUDITING = Situation(
    title="Reading the record",
    words="The record is read and proved by `hyperkms audit` and under /audit; docs/audit.md says how, step by step.",
    shown_by="hyperkms audit verify --data DIR",
    problems=(
        Problem(
            code="proof-wrong",
            family=Tampered,
            title="A proof does not hold",
            cause=(
                "The hashes of the proof do not lead from the line to the signed head: the line, its place, the path "
                "or the head was changed, or they belong to different logs."
            ),
            next_step="Ask for the proof again at its source; if it fails again, the line is not what was signed for.",
            shown_by="hyperkms audit verify --proof FILE",
        ),
        Problem(
            code="proof-malformed",
            family=Malformed,
            title="This is no proof, or none can be made of it",
            cause="A file that should hold a proof or a receipt is not of the form in docs/formats.md.",
            next_step="Give the file that `hyperkms audit prove` wrote, or the whole `receipt` of an answer.",
            shown_by="hyperkms audit verify --proof FILE",
        ),
    ),
)
