"""What a cosigner refuses, and the shares it holds."""

from hyperkms.errors import Conflict, Malformed, NotFound, Refused, Tampered, Unavailable
from hyperkms.problem_table.entry import Problem, Retry, Situation

DECIDING = Situation(
    title="What a cosigner decides",
    words=(
        "Each cosigner reads what is to be signed and decides for itself, by the client's own signed request, its own "
        "clients, policies and nonces. These come to the client through the service, and stand in its own record."
    ),
    shown_by="hyperkms audit tail --data DIR",
    problems=(
        Problem(
            code="evidence-required",
            family=Refused,
            title="The cosigner asks for the client's signed request",
            cause=(
                "The request came with an API key, which proves nothing to a cosigner: whoever holds the service could "
                "ask in any client's name. In production a cosigner signs for nobody whose signature it has not seen."
            ),
            next_step=(
                "Give the client a request key (`hyperkms identity create`), register it at every cosigner, and sign "
                "the requests; or, for this wallet alone, `hyperkms cosigner allow-bearer` at each cosigner."
            ),
        ),
        Problem(
            code="intent-differs",
            family=Refused,
            title="The service wants something else signed than the client asked for",
            cause=(
                "The cosigner has read the client's signed request, and what the service brought to be signed is not "
                "what stands in it: another wallet, action, nonce, network, version or expiry."
            ),
            next_step=(
                "Ask again; if it comes back, compare the releases of service and cosigners, and look at who has "
                "access to the service: a healthy one relays what it was asked."
            ),
        ),
        Problem(
            code="version-out-of-turn",
            family=Conflict,
            title="The version does not follow the newest one",
            cause="Key versions of a wallet are made one after the other, and this number leaves some out or is taken.",
            next_step="Rotate the wallet through the service, which numbers its versions.",
        ),
        Problem(
            code="record-missing",
            family=Tampered,
            title="The cosigner's record is not there",
            cause=(
                "The folder of its record was removed or exchanged. In it stands what was signed for which nonce; "
                "without it the cosigner could be had to sign a second action for the same one."
            ),
            next_step="Put the folder back. If it is lost, replace the cosigner (docs/mpc.md).",
        ),
        Problem(
            code="request-used",
            family=Conflict,
            title="The signed request was used for something else",
            cause="One signed request signs one thing, and this one has another digest than the first time.",
            next_step="Sign a new request. If the client sent one alone, look at who has access to the service.",
        ),
        Problem(
            code="nonce-signed",
            family=Conflict,
            title="Something else was signed with this nonce",
            cause="The cosigner has given its share for another action of this signer with the same nonce.",
            next_step="Leave `nonce` out, or choose another.",
        ),
        Problem(
            code="nonce-memory-full",
            family=Unavailable,
            title="The cosigner can remember no further nonce",
            cause="Two million signatures of the last three days are remembered, and nothing is signed unremembered.",
            next_step="Trade with a single-key agent wallet, and keep the wallet in shares for what moves funds.",
            retry=Retry.YES,
        ),
        Problem(
            code="expires-after-required",
            family=Refused,
            title="The action does not say until when it holds",
            cause="A cosigner signs no L1 action without `expiresAfter`: it could be held back and posted much later.",
            next_step="Give `expiresAfter`, or let the service fill it in.",
        ),
        Problem(
            code="cosigner-busy",
            family=Unavailable,
            title="The cosigner has too much under way",
            cause="64 sessions are open, or 100 new shares are kept that were never put in force.",
            next_step="Ask again in a moment. If shares are in the way, the service drops them at its next sweep.",
            retry=Retry.YES,
        ),
        Problem(
            code="session-unknown",
            family=NotFound,
            title="The session has ended",
            cause="A session of cosigners lives for a minute and ends with the first thing that is wrong in it.",
            next_step="Ask again: the service begins a new one.",
        ),
        Problem(
            code="deadline-passed",
            family=Unavailable,
            title="The cosigner came to it too late",
            cause="Nobody waited for the answer any more when the cosigner could have begun.",
            next_step="Ask again; if it comes back, the cosigner's machine is too slow for what it is asked.",
            retry=Retry.YES,
        ),
        Problem(
            code="malformed-frame",
            family=Malformed,
            title="What came is no call of this protocol",
            cause="A connection to a cosigner carried bytes that are no call; it was closed.",
            next_step="Run the same release everywhere; let nothing but the service connect to a cosigner.",
        ),
    ),
)

HOLDING = Situation(
    title="Shares of a cosigner",
    words="What a cosigner holds of the keys of wallets, and the directory in which it does.",
    shown_by="hyperkms cosigner shares --data DIR",
    problems=(
        Problem(
            code="share-not-found",
            family=NotFound,
            title="The cosigner holds no share of this",
            cause="It has none of this wallet, version and epoch: it was never made here, or was dropped.",
            next_step="Compare `hyperkms cosigner shares` at all cosigners; a lost share is repaired by the others.",
        ),
        Problem(
            code="share-not-in-force",
            family=Refused,
            title="The share is not in force",
            cause="A later epoch has followed it, or not every cosigner keeps its share yet, or not every quorum has "
            "signed the test message.",
            next_step="Ask for the same wallet again: the service finishes what was begun.",
        ),
        Problem(
            code="share-hollow",
            family=Refused,
            title="A repaired share signs after a refresh",
            cause="A repaired secp256k1 share lacks what cosigners keep in pairs, which the next refresh makes anew.",
            next_step="`hyperkms mpc refresh`.",
        ),
        Problem(
            code="share-retired",
            family=Refused,
            title="The share is destroyed",
            cause="The version was retired, or the share belongs to an epoch that a refresh has replaced.",
            next_step="Sign with the current version; what is destroyed never comes back.",
        ),
        Problem(
            code="share-exists",
            family=Conflict,
            title="There is a share of this, or was",
            cause="A share of this wallet, version and epoch is here, kept, in force or retired.",
            next_step="Choose another id for a new wallet; what was begun and not finished is dropped first.",
        ),
        Problem(
            code="share-not-kept",
            family=Conflict,
            title="The share was dropped in between",
            cause="It was kept when it was to be put in force, and is not any more.",
            next_step="Begin anew.",
        ),
        Problem(
            code="share-in-force",
            family=Conflict,
            title="A share in force is not dropped",
            cause="What is in force goes only while an epoch before it is held, and once more than n - t others have "
            "signed that they hold none of it.",
            next_step="Retire the version or the wallet instead, or let the next refresh settle it.",
        ),
        Problem(
            code="version-not-current",
            family=Refused,
            title="The request does not mean this version",
            cause="It names no version, and at the cosigner another one is the current one; or the service has asked "
            "with an older one of its own accord.",
            next_step="Name the version in the request; repeat a rotation that the service was put back to before.",
        ),
        Problem(
            code="record-behind",
            family=Tampered,
            title="The record of a cosigner is shorter than it was",
            cause="The cosigner was shown its own signed word of a longer record: its directory was put back to an "
            "older state, or files of the record are gone, and what was signed since is forgotten.",
            next_step="Replace the cosigner; or stop it, `hyperkms mpc fence`, and start it (docs/mpc.md).",
        ),
        Problem(
            code="record-fenced",
            family=Unavailable,
            title="The cosigner waits after a fence",
            cause="Requests that it may have signed before are in time for some minutes more.",
            next_step="Wait as long as is said; the other cosigners sign meanwhile.",
            retry=Retry.YES,
        ),
        Problem(
            code="clock-behind",
            family=Unavailable,
            title="The clock of a cosigner was set back",
            cause="It is more than 5 s before a time that it has shown when a share was given: requests that were "
            "forgotten because they were old could come again.",
            next_step="Set its clock right (NTP). If it was ahead before, wait until then or replace the cosigner.",
            retry=Retry.YES,
        ),
        Problem(
            code="epoch-unsettled",
            family=Conflict,
            title="The epoch before is not destroyed yet",
            cause="A refresh was cut off before every cosigner was known to have its outcome in force.",
            next_step="Refresh again: the service brings that one to its end first.",
            retry=Retry.YES,
        ),
        Problem(
            code="share-changed",
            family=Conflict,
            title="The share was made anew meanwhile",
            cause="A ceremony replaced it while a signature was under way.",
            next_step="Ask again.",
            retry=Retry.YES,
        ),
        Problem(
            code="share-of-another-key",
            family=Conflict,
            title="The share is of another key than is listed",
            cause="The cosigner lists another public key for this version than the new share has.",
            next_step="Compare the public keys at all cosigners; nothing is signed before they agree.",
        ),
    ),
)

COSIGNER_STARTING = Situation(
    title="Starting a cosigner",
    words="Why `hyperkms cosigner` does not begin.",
    shown_by="hyperkms cosigner serve --data DIR",
    over_http=False,
    problems=(
        Problem(
            code="wrong-kind",
            family=Refused,
            title="The data directory is of the other kind",
            cause="A data directory belongs to a service or to a cosigner, from when it is made, for ever.",
            next_step="Name another directory with --data. `hyperkms policy`, `client` and `audit` take both kinds.",
        ),
        Problem(
            code="not-a-member",
            family=Refused,
            title="The cosigner is no member of its group",
            cause="The group description does not have the identity key of this data directory.",
            next_step="Put the key that `hyperkms cosigner init` prints into the group description, or correct --data.",
        ),
        Problem(
            code="wrong-group",
            family=Refused,
            title="The group description is another than the first",
            cause="A cosigner trusts the group that it was given at its first start; this file differs from that.",
            next_step="Compare both fingerprints. Leave --group out to go on with the first.",
        ),
        Problem(
            code="cosigner-running",
            family=Unavailable,
            title="Another process serves this cosigner",
            cause="One process alone remembers what a cosigner has signed, and holds a lock on its directory.",
            next_step="Stop the other one.",
            retry=Retry.YES,
        ),
        Problem(
            code="identity-tampered",
            family=Tampered,
            title="The identity key is damaged",
            cause="The file `identity` in the data directory is no sealed identity key.",
            next_step="Put it back from a backup; without it the others do not know this cosigner.",
        ),
    ),
)
