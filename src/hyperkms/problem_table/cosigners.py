"""Cosigners among themselves: descriptions of groups, sessions, messages, shares."""

from hyperkms.errors import Conflict, Malformed, NotFound, Refused, Tampered, Unavailable
from hyperkms.problem_table.entry import Problem, Retry, Situation

_RELAY = (
    "Ask again. If it comes back, look at what lies between the cosigners: the coordinator, a proxy, a group "
    "description that differs between hosts. Nobody is banned for it, since anyone on the way could have done it."
)
_PEER = (
    "Look at the cosigner that is named: its release, its host, and whether its directory was copied or restored. "
    "What it sent was signed by its own identity key."
)
_RESTORE = (
    "Stop this cosigner and keep a copy of its directory. The others go on signing; replace it (docs/mpc.md) rather "
    "than putting an older share back."
)

GROUPS = Situation(
    title="Groups of cosigners",
    words="The file that says who the cosigners of a group are, and where they listen.",
    shown_by="hyperkms mpc status",
    problems=(
        Problem(
            code="malformed-group",
            family=Malformed,
            title="The group description is not of its form",
            cause="The file is no JSON of the form in docs/mpc.md, or two members share a name, a key or an address.",
            next_step="Correct the place that is named, or make the file anew with `hyperkms mpc init`.",
        ),
        Problem(
            code="unsupported-threshold",
            family=Malformed,
            title="This threshold is not served",
            cause="t of n must be at least 2 of n, more than half of n, and n at most 5.",
            next_step="Choose 2-of-2, 2-of-3, 3-of-4 or 3-of-5, or a higher t.",
        ),
        Problem(
            code="group-not-found",
            family=NotFound,
            title="There is no group description",
            cause="The file that describes the group of cosigners is not there.",
            next_step="Give its path, or make it with `hyperkms mpc init`.",
        ),
        Problem(
            code="group-unreadable",
            family=Unavailable,
            title="The group description cannot be read",
            cause="The file is there and the system does not let this user read it.",
            next_step="Give this user the right to read it.",
            retry=Retry.YES,
        ),
        Problem(
            code="group-exists",
            family=Conflict,
            title="The group description is there already",
            cause="A description is never overwritten: hosts may have been given it.",
            next_step="Name another file, or move the one that is there away.",
        ),
        Problem(
            code="wrong-fingerprint",
            family=Refused,
            title="The fingerprint is not that of this description",
            cause="What was typed is not the fingerprint of the file: a slip, an old file, or one that was changed.",
            next_step="Have all 32 digits read out again. If it differs still, do not join: find out who changed it.",
        ),
        Problem(
            code="not-a-replacement",
            family=Refused,
            title="More than one member changes, or none",
            cause="Exactly one identity key may differ from the group of before, at its place; all else stays.",
            next_step=(
                "Make the description anew with `hyperkms mpc init`, out of the same cards in the same order, with one "
                "new card in the place of the lost member's."
            ),
        ),
        Problem(
            code="replacement-unfinished",
            family=Refused,
            title="A replacement was cut off on this host",
            cause="`hyperkms mpc join --replace` ended before this cosigner had followed its group. Nothing is lost.",
            next_step="Give the same command once more; it goes on where it was.",
        ),
        Problem(
            code="certificate-unknown",
            family=Refused,
            title="The other side's certificate is not in the group description",
            cause="Coordinator and cosigners accept exactly the certificates that the file names.",
            next_step="Compare the card of that host (`hyperkms mpc card`) with the file, and make the file anew.",
        ),
        Problem(
            code="certificate-exists",
            family=Conflict,
            title="There is a certificate already",
            cause="The directory has a TLS key or certificate; the group's other hosts know it.",
            next_step="Keep it. To change it, move both files away and hand the new card to all hosts.",
        ),
        Problem(
            code="cosigner-not-installed",
            family=Unavailable,
            title="A package for cosigners is not installed",
            cause="To make certificates needs a package that the service itself does not.",
            next_step="`pip install 'hyperkms[cosigner]'`, or bring a certificate and its key in PEM.",
            retry=Retry.YES,
        ),
        Problem(
            code="not-this-member",
            family=Refused,
            title="This cosigner is not that member of the group",
            cause="The group description names another identity key for the index of this cosigner.",
            next_step="Compare the identity that `hyperkms cosigner init` printed with the file, and its fingerprint.",
        ),
        Problem(
            code="share-of-another-group",
            family=Refused,
            title="The share belongs to another group",
            cause="A share is bound to the identity keys of all members of its group, and these are others.",
            next_step="Use the group description under which the wallet was made, or replace a cosigner (docs/mpc.md).",
        ),
        Problem(
            code="epochs-exhausted",
            family=Refused,
            title="There is no further epoch",
            cause="The share was refreshed 4,294,967,295 times.",
            next_step="Rotate the wallet.",
        ),
    ),
)

COSIGNING = Situation(
    title="What cosigners find in each other's messages",
    words=(
        "Cosigners believe nothing but what another cosigner's identity key proves. A run in which anything is wrong "
        "ends without a signature, a key or a changed share; the service tries again with another quorum."
    ),
    shown_by="hyperkms audit tail --data DIR",
    problems=(
        Problem(
            code="opening-malformed",
            family=Tampered,
            title="An opening is not of its form",
            cause="The bytes with which a cosigner opens a session were cut or changed on the way.",
            next_step=_RELAY,
        ),
        Problem(
            code="opening-not-authentic",
            family=Tampered,
            title="An opening was not signed by its cosigner",
            cause="The signature under it is not of the identity key that the group description names.",
            next_step=_RELAY,
        ),
        Problem(
            code="openings-differ",
            family=Tampered,
            title="Cosigners were asked for different things",
            cause="Another cosigner opened the session for another wallet, action, epoch or set of signers.",
            next_step="A coordinator asks all cosigners for the same. Look at which service is connected to them.",
        ),
        Problem(
            code="openings-incomplete",
            family=Tampered,
            title="The openings are not those of the set",
            cause="One is missing, came twice, or is of a cosigner outside the set.",
            next_step=_RELAY,
        ),
        Problem(
            code="message-malformed",
            family=Tampered,
            title="A message between cosigners is not of its form",
            cause="Its bytes were cut or changed on the way, or it is of another release.",
            next_step=_RELAY,
        ),
        Problem(
            code="message-not-authentic",
            family=Tampered,
            title="A message is not from the cosigner that it names",
            cause="It does not open, or its signature is not true, under the keys of that cosigner.",
            next_step=_RELAY,
        ),
        Problem(
            code="message-misplaced",
            family=Tampered,
            title="A message belongs elsewhere",
            cause="It is of another session, round, sender or receiver, or came twice.",
            next_step=_RELAY,
        ),
        Problem(
            code="messages-incomplete",
            family=Tampered,
            title="Not every message of a round was handed on",
            cause="A cosigner goes on only with exactly one message of every other.",
            next_step=_RELAY,
        ),
        Problem(
            code="broadcasts-differ",
            family=Tampered,
            title="A cosigner told others different things",
            cause="In the echo round two cosigners found that they had not received the same broadcasts.",
            next_step="Look at the cosigners' hosts: only the sender's own key could sign both.",
        ),
        Problem(
            code="session-out-of-turn",
            family=Tampered,
            title="The session does not wait for that",
            cause="A step came twice or too early, or after something in the session had failed: that ends it.",
            next_step="Ask again; a new session is begun.",
        ),
        Problem(
            code="session-not-done",
            family=Refused,
            title="The session has no such outcome",
            cause="It has not come to its end, its outcome was taken already, or it makes something else.",
            next_step="Ask again; a new session is begun.",
        ),
        Problem(
            code="commitment-used",
            family=Conflict,
            title="The commitment was used or is too old",
            cause="Nonces are used once, live for 60 seconds, and are forgotten when a cosigner starts again.",
            next_step="Nothing: the service asks for new commitments by itself.",
        ),
        Problem(
            code="commitment-misplaced",
            family=Tampered,
            title="A commitment is for another key or other signers",
            cause="It was made for another wallet, epoch or set of signers than it was given for.",
            next_step=_RELAY,
        ),
        Problem(
            code="commitments-incomplete",
            family=Tampered,
            title="The commitments are not those of the signers",
            cause="One is missing, came twice, or is of a cosigner outside the set.",
            next_step=_RELAY,
        ),
        Problem(
            code="shares-incomplete",
            family=Tampered,
            title="The shares of a signature are not those of the signers",
            cause="One is missing, came twice, or is of a cosigner outside the set.",
            next_step=_RELAY,
        ),
        Problem(
            code="share-of-another-session",
            family=Tampered,
            title="A share of a signature is of another session",
            cause="A cosigner was shown other commitments, or another message, than the others.",
            next_step=_RELAY,
        ),
        Problem(
            code="cosigner-message-malformed",
            family=Tampered,
            title="A cosigner sent what its protocol does not allow",
            cause="A point off the curve, a number out of range or a wrong length, under that cosigner's own key.",
            next_step=_PEER,
        ),
        Problem(
            code="cosigner-proof-wrong",
            family=Tampered,
            title="A cosigner's proof is wrong",
            cause="It did not prove that it knows what it gave to the key, or opened a commitment to another value.",
            next_step=_PEER,
        ),
        Problem(
            code="cosigner-share-wrong",
            family=Tampered,
            title="A cosigner's share is wrong",
            cause="What it sent does not fit what it had committed to, or its own public share.",
            next_step=_PEER,
        ),
        Problem(
            code="cosigner-set-wrong",
            family=Tampered,
            title="The set does not fit the protocol",
            cause="Too few or too many take part, or one that is not of the group.",
            next_step=_RELAY,
        ),
        Problem(
            code="cosigner-protocol-failed",
            family=Tampered,
            title="The protocol came to nothing",
            cause="The run failed in a way that tells nothing of who caused it.",
            next_step="Ask again; if it comes back, verify the shares with `hyperkms mpc status`.",
        ),
        Problem(
            code="cosigner-banned",
            family=Refused,
            title="A cosigner is banned",
            cause="It once failed a check after which to go on with it would give away the key, bit by bit.",
            next_step=(
                "The others go on without it. Find out what happened on its host, make a new wallet and move the "
                "funds; the ban is for ever, since the key's secret setup with it is spoiled."
            ),
        ),
        Problem(
            code="share-mismatch",
            family=Tampered,
            title="The share is not of this key",
            cause="The share's own public point is not the one that the group key has for this member.",
            next_step=_RESTORE,
        ),
        Problem(
            code="share-malformed",
            family=Tampered,
            title="A sealed share is not of its form",
            cause="Its bytes were cut or changed, or it is of a later release.",
            next_step=_RESTORE,
        ),
        Problem(
            code="share-missing",
            family=Tampered,
            title="A sealed share is gone",
            cause="The share counts here, and its secret in AWS Secrets Manager was deleted by somebody else.",
            next_step="The others sign on. Find out in CloudTrail who it was, and replace this cosigner (docs/mpc.md).",
        ),
        Problem(
            code="share-misplaced",
            family=Tampered,
            title="A sealed share is in another's place",
            cause="It belongs to another wallet, version, epoch, member or group than its place.",
            next_step=_RESTORE,
        ),
        Problem(
            code="share-tampered",
            family=Tampered,
            title="A sealed share was changed",
            cause="It does not open: its bytes, its data key or its group key were changed.",
            next_step=_RESTORE,
        ),
        Problem(
            code="recipient-not-found",
            family=NotFound,
            title="The file of the recovery recipient is not there",
            cause="HYPERKMS_RECOVERY_RECIPIENT names a file that is not there.",
            next_step="Put the line there that `hyperkms-recover recipient new` has printed, or unset it.",
        ),
        Problem(
            code="share-copy-failed",
            family=Unavailable,
            title="The second copy of a share was not written",
            cause="The folder `copies` of the cosigner's directory did not take it, and so no share is kept.",
            next_step="Look at the disk and the rights of that folder, and ask for the wallet again.",
            retry=Retry.YES,
        ),
        Problem(
            code="malformed-recipient",
            family=Malformed,
            title="The recovery recipient is not of its form",
            cause="A digit was misread or is missing, or it is no recipient that `hyperkms-recover` has printed.",
            next_step="Have it read out again and compare the fingerprint; docs/recovery.md says who prints it.",
        ),
        Problem(
            code="copy-malformed",
            family=Tampered,
            title="The copy of a share is not of its form",
            cause="The file was cut or changed, is of a later release, or is no copy of a share.",
            next_step="Take the copy as it was made, or let that cosigner make it again (docs/recovery.md).",
        ),
        Problem(
            code="group-key-malformed",
            family=Tampered,
            title="A group key is not of its form",
            cause="The bytes that say what all members know of a key were cut or changed.",
            next_step=_RESTORE,
        ),
    ),
)
