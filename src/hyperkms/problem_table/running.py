"""Something that the running service needs is away."""

from hyperkms.errors import HyperkmsError, Unavailable
from hyperkms.problem_table.entry import Problem, Retry, Situation

RUNNING = Situation(
    title="The service cannot do it now",
    words="The request was right. Nothing was signed; the same request may succeed when the cause is gone.",
    shown_by='curl -i "$URL/ready"',
    problems=(
        Problem(
            code="record-unwritable",
            family=Unavailable,
            title="The record cannot be written",
            cause=(
                "No signature leaves before its record is on the disk, and the disk did not take it: it is full, "
                "read-only or failing, does not answer, or the folder `records` was removed. After a failed fsync "
                "nothing is written until the service is restarted."
            ),
            next_step=(
                "Make room, and it goes on by itself; after any other fault mend the disk and restart the service. "
                "/ready says when it can sign again."
            ),
            retry=Retry.YES,
            shown_by='curl -i "$URL/ready"; df -h DIR',
        ),
        Problem(
            code="record-full",
            family=Unavailable,
            title="The disk of the record is full",
            cause=(
                "The disk has no room for further lines of the record. What takes risk away is still signed, into "
                "space that was kept for it: cancel, cancelByCloid, twapCancel, scheduleCancel with a time, and noop. "
                "Nothing else is; and nothing at all once that space is used up, which the answer then says."
            ),
            next_step=(
                "Make room: it goes on by itself, and the space is kept anew. Until then cancel what must be "
                "cancelled; let the service choose the nonce, since one that the caller chose may need room in the "
                "database. `hyperkms_record_emergency_bytes` in /metrics says how much is left."
            ),
            retry=Retry.YES,
            shown_by='curl -i "$URL/ready"; df -h DIR',
        ),
        Problem(
            code="record-unreadable",
            family=Unavailable,
            title="The record of a killed process cannot be read",
            cause=(
                "A process was killed while it answered requests with an Idempotency-Key. Which of them it had "
                "answered stands in its file in `records`, and that file is gone or cannot be read. Until then no "
                "request with a key is answered, since it may be one of those; requests without one are."
            ),
            next_step=(
                "Put the file back, or make it readable: the answer names it. If it is lost, an empty file of that "
                "name lets the service go on; a request of that moment may then be signed a second time."
            ),
            retry=Retry.YES,
            shown_by="ls -l DIR/records",
        ),
        Problem(
            code="record-closed",
            family=Unavailable,
            title="The record is closed",
            cause="The service is stopping, or what writes its record has ended.",
            next_step="Try again when it has started again; restart it if it has not.",
            retry=Retry.YES,
        ),
        Problem(
            code="too-many-connections",
            family=Unavailable,
            title="Too many connections are open",
            cause="A worker takes HYPERKMS_MAX_CONNECTIONS (1,000) connections and has them. This one is closed.",
            next_step="Look who opens them: a bot should keep one connection, not open one a request.",
            retry=Retry.AFTER,
            shown_by="ss -tn | sort -k5",
        ),
        Problem(
            code="database-unavailable",
            family=Unavailable,
            title="The database did not answer",
            cause="The database could not be read or written: locked by another process, no room, no permission.",
            next_step="Look at the disk and at other programs that hold the file open; then try again.",
            retry=Retry.YES,
            shown_by='curl -i "$URL/ready"; hyperkms doctor --data DIR',
        ),
        Problem(
            code="database-not-durable",
            family=Unavailable,
            title="The PostgreSQL server could lose what it commits",
            cause="synchronous_commit is off or local for this user, or, in production, fsync is off.",
            next_step="ALTER ROLE user SET synchronous_commit = on; in postgresql.conf fsync = on; restart the server.",
            shown_by='psql "$DATABASE" -c "SHOW synchronous_commit" -c "SHOW fsync"',
        ),
        Problem(
            code="lease-expired",
            family=Unavailable,
            title="The lease on the database has ended",
            cause="PostgreSQL has not answered for so long (15 s) that another instance may have taken over.",
            next_step="Look at the server. Once it answers, and nobody has taken over, signing goes on by itself.",
            retry=Retry.YES,
            shown_by='curl -i "$URL/ready"',
        ),
        Problem(
            code="lease-lost",
            family=Unavailable,
            title="Another instance has taken over",
            cause="This one could not renew its lease on the database, and another was started meanwhile.",
            next_step="Let the other one serve, or stop it and restart this one. Nothing is signed here until then.",
            retry=Retry.NO,
            shown_by='curl -i "$URL/ready"',
        ),
        Problem(
            code="changes-unconfirmed",
            family=Unavailable,
            title="It is not known what other instances have changed",
            cause=(
                "Instances share the database, and it has not answered for 2 s: a wallet or client may have been "
                "retired or revoked elsewhere, so that nothing is signed by what is remembered here."
            ),
            next_step="Look at the server and the way to it. Once it answers, signing goes on by itself.",
            retry=Retry.YES,
            shown_by='curl -i "$URL/ready"',
        ),
        Problem(
            code="frozen-after-restore",
            family=Unavailable,
            title="The data directory or its database was put back and not fenced",
            cause=(
                "It was put back from a backup, which does not know what was signed after it was taken: nonces, limits "
                "and requests of that time are missing. Or its PostgreSQL database is not the one on which instances "
                "were started before: another cluster or database, or a standby that took over. Until a person has "
                "fenced them off nothing is signed."
            ),
            next_step=(
                "Make sure that the service which was lost never signs again. Stop this one, with all instances on "
                "that database, run `hyperkms recover fence --data DIR`, and start it. With `--nothing-lost` for a "
                "database that has all that was ever committed; HYPERKMS_DATABASE_PROMOTION=accept for standbys that "
                "always have."
            ),
            retry=Retry.NO,
            shown_by='curl -i "$URL/ready"; hyperkms status --data DIR',
        ),
        Problem(
            code="market-unavailable",
            family=Unavailable,
            title="The exchange's list of coins is not known",
            cause="Coin names are read from the exchange's /info, which has not answered since the service started.",
            next_step=(
                "Look whether this machine reaches the exchange (HYPERKMS_TESTNET_URL, HYPERKMS_MAINNET_URL). Assets "
                "given by number are signed without it, with /hyperliquid/sign."
            ),
            retry=Retry.YES,
            shown_by=(
                "curl -s https://api.hyperliquid-testnet.xyz/info "
                """-H 'content-type: application/json' -d '{"type": "meta"}'"""
            ),
        ),
        Problem(
            code="memory-unavailable",
            family=Unavailable,
            title="There is no memory for keys",
            cause="The system did not give the pages in which keys are used.",
            next_step="Give the machine or the container more memory and start again.",
            retry=Retry.YES,
            shown_by="hyperkms doctor",
        ),
        Problem(
            code="randomness-unavailable",
            family=Unavailable,
            title="The system gives no randomness",
            cause="getrandom failed. No key is made and nothing is signed without it.",
            next_step="Look whether a sandbox or seccomp profile forbids getrandom.",
            retry=Retry.YES,
            shown_by="hyperkms doctor",
        ),
        Problem(
            code="signing-failed",
            family=Unavailable,
            title="The signature was not made",
            cause="The Ed25519 library answered that it did not sign, which it does only where it has no memory.",
            next_step="Give the machine or the container more memory and start again.",
            retry=Retry.YES,
            shown_by="hyperkms doctor",
        ),
        Problem(
            code="internal-error",
            family=HyperkmsError,
            title="Something went wrong in the service",
            cause="Nobody expected what happened. The answer hides it, since its text could repeat what was sent.",
            next_step=(
                "Find the lines with the answer's `requestId` in the service's log: they say what failed and where. "
                "Look whether the action arrived before you repeat it. Report it: it is a defect."
            ),
            shown_by="grep REQUEST_ID LOGFILE",
        ),
    ),
)
