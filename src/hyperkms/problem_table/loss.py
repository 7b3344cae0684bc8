"""Backups, restores and what follows on a loss."""

from hyperkms.errors import Conflict, Malformed, NotFound, Refused, Tampered, Unavailable
from hyperkms.problem_table.entry import Problem, Retry, Situation

LOSS = Situation(
    title="Backups, restores and fences",
    words="docs/recovery.md has a runbook for each loss. Nothing of a backup is in force before all of it is verified.",
    shown_by="hyperkms status --data DIR",
    over_http=False,
    problems=(
        Problem(
            code="backup-elsewhere",
            family=Refused,
            title="What is to be backed up is kept elsewhere",
            cause="The state is in PostgreSQL, or the keys are in AWS: these have backups of their own.",
            next_step=(
                "PostgreSQL: pg_dump, or snapshots and logs of the server. SQLite with keys in AWS: a copy of the data "
                "directory, while nothing runs on it. After putting them back run `hyperkms recover fence "
                "--rolled-back`, or `--new-directory` where the directory is lost. docs/recovery.md has the words."
            ),
        ),
        Problem(
            code="backup-unavailable",
            family=Unavailable,
            title="The file of the backup cannot be read or written",
            cause="The folder does not allow it, or the disk is full or failing.",
            next_step="Make room, or name another place. Nothing was left behind.",
            retry=Retry.YES,
            shown_by="df -h FOLDER; ls -ld FOLDER",
        ),
        Problem(
            code="something-lost",
            family=Refused,
            title="More than the database was put back",
            cause=(
                "`hyperkms recover fence --nothing-lost` is for a PostgreSQL database that was moved or promoted and "
                "has all that was committed. Here a backup was restored, or a lost data directory replaced."
            ),
            next_step="Run it without --nothing-lost.",
        ),
        Problem(
            code="no-backup",
            family=NotFound,
            title="There is no such file",
            cause="`hyperkms restore` was given the name of a file that is not there.",
            next_step="Correct the name.",
            shown_by="ls -l FILE",
        ),
        Problem(
            code="backup-malformed",
            family=Malformed,
            title="The file is no backup",
            cause="It is not of the form in docs/formats.md: another file, or one that was cut short.",
            next_step="Take another copy of it, or an older backup.",
            shown_by="tar -tvf FILE",
        ),
        Problem(
            code="backup-tampered",
            family=Tampered,
            title="The backup is not what was taken",
            cause=(
                "The manifest in it is not whole, is not signed by the log key that opens under this root key, or has "
                "another hash for the database: the backup was changed, or put together from two."
            ),
            next_step="Do not use it. Take an older one, and find out who could write to this one.",
        ),
        Problem(
            code="directory-not-empty",
            family=Conflict,
            title="The directory is not empty",
            cause="A backup is put into an empty directory, which may have the file of the root key and nothing else.",
            next_step="Name another one with --data. What is in this one is not touched.",
            shown_by="ls -la DIR",
        ),
        Problem(
            code="cosigner-not-copied",
            family=Refused,
            title="A cosigner is not backed up",
            cause=(
                "A copy would bring back shares that a refresh has destroyed, and a cosigner that forgot what it has "
                "signed. Its group goes on without it and gives a new one its place."
            ),
            next_step="Replace a lost cosigner (docs/mpc.md). Second copies of shares: docs/recovery.md.",
        ),
        Problem(
            code="reseal-unfinished",
            family=Refused,
            title="Keys are being sealed under another root key",
            cause=(
                "`hyperkms wallet reseal`, or `hyperkms cosigner reseal`, was begun with a new root key and cut off, "
                "or is at work: some keys are under each. Who does not know the new one does not start, and makes no "
                "key in Secrets Manager."
            ),
            next_step=(
                "Run the same command again; it goes on where it was. Or start the service (not a "
                "cosigner) with HYPERKMS_ROOT_KEY the new root key and HYPERKMS_ROOT_KEY_BEFORE the old one: it opens "
                "keys under both."
            ),
        ),
        Problem(
            code="root-key-left",
            family=Refused,
            title="This process still has the root key that was left",
            cause="All keys were sealed anew under another root key while it ran. It makes none under the old one.",
            next_step="Set HYPERKMS_ROOT_KEY to the new root key and restart it.",
        ),
        Problem(
            code="reseal-taken-over",
            family=Conflict,
            title="Another run goes on with sealing keys anew",
            cause=(
                "`hyperkms wallet reseal` was started twice, or `hyperkms recover fence` exchanged the store key "
                "meanwhile: what one run had noted was no longer there."
            ),
            next_step="Let the other one end, then run it again: it does what is left, or finds that all is done.",
            retry=Retry.YES,
        ),
        Problem(
            code="no-recovery-recipient",
            family=Refused,
            title="There is no recipient for the second copy of a master key",
            cause="A master key is made together with a copy that only an offline recipient opens, and none is set.",
            next_step=(
                "Make one offline (`hyperkms-recover recipient new`), put what it prints into a file and name that "
                "with HYPERKMS_RECOVERY_RECIPIENT. Agent wallets need none: leave out --master."
            ),
        ),
        Problem(
            code="master-needs-directory",
            family=Refused,
            title="A master key is not made through a service",
            cause="`--master` was given with --url or HYPERKMS_URL. The copy of the key is on the directory's machine.",
            next_step="Run it there, as the service's user, with --data DIR; the service may run meanwhile.",
        ),
        Problem(
            code="service-running",
            family=Conflict,
            title="A service runs on the directory",
            cause="The command changes what a running service has read at its start.",
            next_step="Stop the service with all its workers, run the command, and start it again.",
            shown_by="hyperkms status --data DIR",
        ),
    ),
)
