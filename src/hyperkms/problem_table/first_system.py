"""What the first system left, and what is wrong with it."""

from hyperkms.errors import Conflict, NotFound, Refused, Tampered, Unavailable
from hyperkms.problem_table.entry import Problem, Retry, Situation

FIRST_SYSTEM = Situation(
    title="Wallets of the first system",
    words=(
        "At `hyperkms wallet import-first-system`, and at POST /wallets/migrate for a wallet that is not here. Nothing "
        "of the wallet is here then, and the old records are as they were. Other wallets are not held up."
    ),
    shown_by="hyperkms wallet import-first-system --check --data DIR",
    problems=(
        Problem(
            code="first-system-not-found",
            family=NotFound,
            title="The first system has no such wallet",
            cause="`--only` names a wallet of which no record is below SECRETS_PREFIX.",
            next_step="Compare SECRETS_PREFIX, region and account with the first system's. Case matters.",
        ),
        Problem(
            code="first-system-in-shares",
            family=Refused,
            title="The wallet is in shares",
            cause="Its records are mpc-share-ID-N: no service puts a key together, not even to import it.",
            next_step="`hyperkms-recover` does, on a machine of its own: docs/recovery.md. The key counts as exposed.",
        ),
        Problem(
            code="first-system-share-malformed",
            family=Tampered,
            title="It is no share of the first system",
            cause="What KMS decrypts is no text of 1 to 512 characters, or a copy or file holds another form.",
            next_step="Take two of the other shares: any two make the key.",
        ),
        Problem(
            code="first-system-deleted",
            family=Refused,
            title="The wallet was deleted in the first system",
            cause="There a deletion was a mark on the record; the key is still in it.",
            next_step="Leave it, or take the mark out of the record if the wallet is wanted.",
        ),
        Problem(
            code="first-system-current-unknown",
            family=Refused,
            title="Nothing says which version is current",
            cause=(
                "There are ID-v1 and ID-v2, and no ID-version-metadata that is this wallet's: another wallet may have "
                "taken that name, or a rotation was cut off."
            ),
            next_step="Find out which key holds funds; write the record ID-version-metadata as the first system did.",
        ),
        Problem(
            code="first-system-two-keys",
            family=Conflict,
            title="The wallet has a key beside its versions",
            cause="The record ID, from before the wallet had versions, holds a key that none of its versions has.",
            next_step="Find out which key holds funds, move those of the other, then remove its record or rename it.",
        ),
        Problem(
            code="first-system-record-malformed",
            family=Tampered,
            title="A record is not of its form",
            cause="It is no JSON, lacks a member, or has one of another form; the sentence names record and member.",
            next_step="Look at the record's earlier version in Secrets Manager (AWSPREVIOUS), and who changed it.",
        ),
        Problem(
            code="first-system-record-misplaced",
            family=Tampered,
            title="A record says that it is another's",
            cause="Wallet and version in a record ID-vN are not those of its name: it was copied, or swapped.",
            next_step="Find out who moved it; nothing in the first system binds a key to its place but its public key.",
        ),
        Problem(
            code="first-system-record-missing",
            family=Tampered,
            title="The record of a version's key is gone",
            cause="ID-version-metadata names a version that signs, and there is no ID-vN.",
            next_step="For some days a deleted secret can be restored: `aws secretsmanager restore-secret`.",
        ),
        Problem(
            code="first-system-record-left",
            family=Tampered,
            title="A record with a key belongs to no wallet",
            cause="It names a wallet that is not there, or one whose versions do not have it: a rotation was cut off.",
            next_step="Find out whether its public key holds funds; the wallet itself is imported without it.",
        ),
        Problem(
            code="first-system-versions-contradict",
            family=Tampered,
            title="The record of the versions contradicts itself",
            cause="A gap, a current version that is not the last, a public key twice, or a rotation to no version.",
            next_step="These records were not authenticated: compare with AWSPREVIOUS, and correct what was changed.",
        ),
        Problem(
            code="first-system-key-malformed",
            family=Tampered,
            title="What KMS decrypts is no key of the first system",
            cause="The plaintext is not 128 hex digits, or its seed has another public key than stands beside it.",
            next_step="The key here cannot sign for its public key; look for an earlier version of the secret.",
        ),
        Problem(
            code="first-system-key-mismatch",
            family=Tampered,
            title="The private key is another wallet's",
            cause="Its public key is not the recorded one: one of the two records was swapped or changed.",
            next_step="Find out which of the two is right before anything is sent to the address.",
        ),
        Problem(
            code="first-system-key-foreign",
            family=Tampered,
            title="The private key does not open under this KMS key",
            cause="It was encrypted under another KMS key, or its ciphertext was changed or cut off.",
            next_step="Name the right key with `--kms-key`; wallets under several keys are imported key by key.",
        ),
        Problem(
            code="report-not-written",
            family=Unavailable,
            title="The report of an import cannot be written",
            cause="The wallets are imported, and the disk or the folder did not take the report.",
            next_step="Name another place with `--report` and run it again: what is here stays as it is.",
            retry=Retry.YES,
        ),
    ),
)
