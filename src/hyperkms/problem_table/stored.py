"""Stored bytes are not what was stored: the ones to page someone for."""

from hyperkms.errors import Tampered
from hyperkms.problem_table.entry import Problem, Situation

STORED = Situation(
    title="Stored bytes are not what was stored",
    words=(
        "A disk that fails, a backup half restored, or someone who changed records. Stop the service, keep a copy of "
        "the data directory as it is, find out which of them, then restore a backup. Never repeat the request blindly."
    ),
    shown_by="hyperkms doctor --data DIR",
    problems=(
        Problem(
            code="root-key-missing",
            family=Tampered,
            title="The root key file is gone",
            cause=(
                "The database names a root key and its file is not there, or was replaced while the service ran. "
                "Without it no key opens, and a key made now would be lost at the next start: none is made."
            ),
            next_step=(
                "Put the file back, mode 0600, or set HYPERKMS_ROOT_KEY=file:PATH to where it is (mounted?). A service "
                "that runs goes on signing until then, and must not be stopped before."
            ),
            shown_by="ls -l DIR",
        ),
        Problem(
            code="sealed-key-tampered",
            family=Tampered,
            title="A sealed key was changed",
            cause="The sealed key does not open: its bytes, its data key or its public key were changed.",
            next_step="Restore the wallet's record from a backup, and find out who or what changed it.",
        ),
        Problem(
            code="sealed-key-misplaced",
            family=Tampered,
            title="A sealed key is in another's place",
            cause="The sealed key belongs to another wallet, version, network or purpose than its place.",
            next_step="Restore the record from a backup. Someone moved records, or a backup was merged by hand.",
        ),
        Problem(
            code="sealed-key-malformed",
            family=Tampered,
            title="A sealed key is no sealed key",
            cause="The bytes are not of the format in docs/formats.md: cut short, overwritten, or of a newer release.",
            next_step="Look whether a newer release wrote the directory; otherwise restore the record from a backup.",
        ),
        Problem(
            code="sealed-key-missing",
            family=Tampered,
            title="A listed wallet has no key",
            cause="The wallet is listed and its sealed key is gone from the key store.",
            next_step="Restore the database from a backup; without the sealed key nobody can sign for that wallet.",
        ),
        Problem(
            code="record-malformed",
            family=Tampered,
            title="A file of the record has a line that is none",
            cause=(
                "A process was killed while it answered requests with an Idempotency-Key, and its file in `records` "
                "has a line that is not of the format in docs/formats.md, before its end."
            ),
            next_step="Find out who or what changed it, and put the file back from a copy; the log names it.",
            shown_by="ls -l DIR/records",
        ),
        Problem(
            code="signature-wrong",
            family=Tampered,
            title="A signature is not what its key signed",
            cause="An Ed25519 signature does not verify: what was signed, the signature or the public key was changed.",
            next_step="Trust nothing that rests on it; find out where its bytes come from and who changed them.",
        ),
        Problem(
            code="public-key-mismatch",
            family=Tampered,
            title="The record names another public key",
            cause="The recorded public key of the wallet is not that of its sealed key.",
            next_step="Trust no address that was shown for this wallet since; restore the database from a backup.",
        ),
        Problem(
            code="invalid-public-key",
            family=Tampered,
            title="The recorded public key is no point of its curve",
            cause="The bytes recorded as the wallet's public key were changed.",
            next_step="Restore the database from a backup.",
        ),
        Problem(
            code="data-key-tampered",
            family=Tampered,
            title="A wrapped data key was changed",
            cause="The data key of the wallet does not open under the root key for this wallet and version.",
            next_step="Look whether the root key file was replaced; otherwise restore the database from a backup.",
        ),
        Problem(
            code="wrong-root-key",
            family=Tampered,
            title="This is another root key",
            cause="The root key in use is not the one that the data directory, or this wallet, is sealed under.",
            next_step="Point HYPERKMS_ROOT_KEY at the root key whose id `detail` names. A new one opens nothing old.",
        ),
        Problem(
            code="wrong-key-store",
            family=Tampered,
            title="This is another key store",
            cause="The sealed keys of this data directory are in the key store that it was made with.",
            next_step="Set HYPERKMS_KEY_STORE, and SECRETS_PREFIX with it, to what `detail` names.",
        ),
        Problem(
            code="sealed-key-foreign",
            family=Tampered,
            title="A secret is no sealed key of hyperkms",
            cause="The secret of this name in AWS Secrets Manager was written or changed by something else.",
            next_step="Look at the secret's versions in AWS and in CloudTrail: who wrote it? Put the first one back.",
        ),
        Problem(
            code="kms-key-mismatch",
            family=Tampered,
            title="AWS KMS answered for another key",
            cause="The answer names another KMS key than the one that was asked: something stands in between.",
            next_step="Look at AWS_ENDPOINT_URL and at the proxies on the way to AWS KMS.",
        ),
        Problem(
            code="database-damaged",
            family=Tampered,
            title="The database is damaged",
            cause="SQLite says that the file is no sound database, or PostgreSQL that a page or a table is not.",
            next_step="Copy the data directory aside, look at the disk, restore the database from a backup.",
        ),
        Problem(
            code="row-altered",
            family=Tampered,
            title="Rows of a wallet, a client or a policy were altered",
            cause=(
                "What `detail` names stands in the database otherwise than it was signed: somebody who can write the "
                "database changed, swapped, added or removed a row or its signature. It decides nothing; others go on."
            ),
            next_step=(
                "Find out who writes the database and stop them. Put the rows back from a backup; `hyperkms audit "
                "query` says what was decided about them, and by whom."
            ),
            shown_by="hyperkms audit query --operation row-altered",
        ),
        Problem(
            code="row-rolled-back",
            family=Tampered,
            title="Old rows of a wallet or a client were put back",
            cause=(
                "The rows were once signed, and the record knows of later changes: a revoked client, a retired wallet "
                "or a policy could be as it was before. It decides nothing; others go on."
            ),
            next_step=(
                "If you put a backup of the database back: `hyperkms recover fence --rolled-back` accepts it, once "
                "nobody else signs. Otherwise somebody did: stop them, and put the newest database back."
            ),
            shown_by="hyperkms audit query --operation row-altered",
        ),
        Problem(
            code="row-missing",
            family=Tampered,
            title="Rows of a wallet or a client are gone",
            cause="The record or a signature says that it was there, and its row is not in the database any more.",
            next_step=(
                "Put the database back from a backup. Its id or name is not free: nothing is made in its place."
            ),
            shown_by="hyperkms audit query --operation row-altered",
        ),
        Problem(
            code="store-key-missing",
            family=Tampered,
            title="The key that signs rows is gone",
            cause=(
                "The record says that the rows of the database were signed, and the database has no store key: it is "
                "one from before, or somebody removed the key to have altered rows signed as they stand."
            ),
            next_step=(
                "Put the newest database back. Where only a backup from before is left, put it into a new directory "
                "with `hyperkms restore`, which begins another record."
            ),
        ),
        Problem(
            code="store-key-replaced",
            family=Tampered,
            title="The rows are signed by another key than the record names",
            cause=(
                "The database is that of another service under the same root key, or it was put back from before a "
                "`hyperkms recover fence`."
            ),
            next_step="Put the newest database of this directory back; `hyperkms restore` takes an empty directory.",
        ),
        Problem(
            code="memory-tampered",
            family=Tampered,
            title="A key in memory no longer opens",
            cause="The sealed copy of a key in this process's memory was changed: failing memory, or a foreign hand.",
            next_step="Restart the service; if it comes again, test the machine's memory and do not trust it.",
        ),
    ),
)
