"""Reading and proving the record."""

from hyperkms.errors import Conflict, Malformed, NotFound, Refused, Tampered, Unavailable
from hyperkms.problem_table.entry import Problem, Retry, Situation

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
        Problem(
            code="key-unknown",
            family=Tampered,
            title="A signature is by a key that is not believed",
            cause=(
                "A head, a proof or an entry of the manifest names a log key that the manifest does not list, or that "
                "is not the expected one."
            ),
            next_step="Compare the key id with the one that was noted elsewhere; another key means another record.",
        ),
        Problem(
            code="no-such-line",
            family=NotFound,
            title="There is no such line",
            cause="No file of that log is there, the log has fewer lines, or it is of a release that made no chain.",
            next_step="Take log and index from a receipt, or from `hyperkms audit show`.",
            shown_by="hyperkms audit show --since 24h --data DIR",
        ),
        Problem(
            code="no-record",
            family=NotFound,
            title="There is no folder of a record",
            cause="The data directory has no folder `records`, or the folder that was named is not there.",
            next_step="Name the data directory (--data), or the copy of its folder `records` (--records).",
        ),
        Problem(
            code="proof-not-yet",
            family=Conflict,
            title="No head covers the line yet",
            cause="A proof leads to a signed head, and the newest head of the log was written before the line.",
            next_step=(
                "Ask again in 10 s. In the log of a process that was killed, the lines after its last head never get "
                "one: `hyperkms audit verify` holds them against the manifest."
            ),
            retry=Retry.YES,
        ),
        Problem(
            code="proof-too-large",
            family=Unavailable,
            title="The log is too large for a proof by a service",
            cause="For a proof a whole log is read, and a service does so with at most 256 MiB.",
            next_step="Have it made with `hyperkms audit prove --data DIR`, or on a copy with --records.",
            shown_by="hyperkms audit prove LOG INDEX --data DIR",
        ),
    ),
)

AUDIT_FILES = Situation(
    title="Files of an audit",
    words="A command of `hyperkms audit` reads or writes a file that it was given.",
    shown_by="hyperkms audit verify --data DIR",
    over_http=False,
    problems=(
        Problem(
            code="no-anchor",
            family=NotFound,
            title="There is no anchor file",
            cause="The file that --anchor names is not there.",
            next_step="Name the file that HYPERKMS_AUDIT_ANCHOR named when the service ran, or a copy of it.",
        ),
        Problem(
            code="audit-needs-files",
            family=Refused,
            title="This reads files, and a service was named",
            cause="Verification and `tail` read the files of the record, which a service does not hand out.",
            next_step="Say --data DIR on the machine of the service, or copy the folder `records` and say --records.",
        ),
        Problem(
            code="no-record-copied",
            family=NotFound,
            title="The database has no such record",
            cause="It has the records of data directories that ran with HYPERKMS_AUDIT_STORE=database, and no others.",
            next_step="Name one of those that `detail` lists with --directory; the files of others are where they ran.",
            shown_by="hyperkms audit fetch --to FOLDER",
        ),
        Problem(
            code="record-chunks-missing",
            family=Tampered,
            title="A piece of the record is missing in the database",
            cause="Bytes in the middle of a file are not there, or there twice: somebody has changed the table.",
            next_step="Stop trusting that copy: compare with the files of the data directory, the anchor and backups.",
            shown_by="hyperkms audit fetch --to FOLDER",
        ),
        Problem(
            code="file-unwritable",
            family=Unavailable,
            title="The file cannot be written",
            cause="The folder of the file is not there, is not writable, or the disk is full.",
            next_step="Look at the reason in the message; name a file in a folder that is yours.",
            shown_by="hyperkms audit export -o FILE --data DIR",
        ),
        Problem(
            code="file-unreadable",
            family=Unavailable,
            title="The file cannot be read",
            cause="The proof or receipt that was named is not there, or is not readable for this user.",
            next_step="Look at the reason in the message and at the path.",
            shown_by="hyperkms audit verify --proof FILE",
        ),
    ),
)
