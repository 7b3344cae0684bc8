"""Checks of the core that no request should reach, because an earlier one refuses first."""

from hyperkms.errors import Malformed, Refused, Unavailable
from hyperkms.problem_table.entry import Problem, Situation

_NEXT = "Report it with the release and what was sent: an earlier check should have refused it."

GUARDS = Situation(
    title="Guards inside",
    words="The core checks again what was checked before it. Nobody should ever see one of these: each is a defect.",
    shown_by="hyperkms --version",
    problems=(
        Problem(
            code="malformed-action",
            family=Malformed,
            title="The packed action is no map",
            cause="The core was given bytes that are not the msgpack form of an action.",
            next_step=_NEXT,
        ),
        Problem(
            code="malformed-network",
            family=Malformed,
            title="The network is neither mainnet nor testnet",
            cause="The core was given another word.",
            next_step=_NEXT,
        ),
        Problem(
            code="malformed-vault",
            family=Malformed,
            title="The vault's address has not 20 bytes",
            cause="The core was given an address of another length.",
            next_step=_NEXT,
        ),
        Problem(
            code="malformed-context",
            family=Malformed,
            title="A key's context is impossible",
            cause="Wallet, version, key type, network and origin do not go together.",
            next_step=_NEXT,
        ),
        Problem(
            code="malformed-seal",
            family=Malformed,
            title="A part of a seal has a wrong length",
            cause="The wrapped data key or the root key's id has not the length of the format.",
            next_step=_NEXT,
        ),
        Problem(
            code="malformed-statement",
            family=Malformed,
            title="A statement's purpose is too long",
            cause="A purpose has at most 255 bytes.",
            next_step=_NEXT,
        ),
        Problem(
            code="malformed-bytes",
            family=Malformed,
            title="A key or an address has a wrong length",
            cause="An identity key has 32 bytes, an address 20.",
            next_step=_NEXT,
        ),
        Problem(
            code="malformed-set",
            family=Malformed,
            title="The set of signers is impossible",
            cause="It is not of this group, has not this cosigner in it, or is not as large as the threshold.",
            next_step=_NEXT,
        ),
        Problem(
            code="unknown-key-type",
            family=Malformed,
            title="The key type is unknown",
            cause="The core was given a key type that is neither ed25519 nor secp256k1.",
            next_step=_NEXT,
        ),
        Problem(
            code="wrong-key-purpose",
            family=Refused,
            title="A key of another purpose",
            cause="The core was asked to sign for a wallet with the log key, or the record with a wallet's key.",
            next_step=_NEXT,
        ),
        Problem(
            code="seal-failed",
            family=Unavailable,
            title="Sealing failed",
            cause="HKDF or AES-GCM refused a length.",
            next_step=_NEXT,
        ),
        Problem(
            code="arena-exists",
            family=Refused,
            title="The memory for keys was made before",
            cause="One process asked twice for locked memory, in two modes.",
            next_step=_NEXT,
        ),
        Problem(
            code="arena-forked",
            family=Refused,
            title="The memory for keys is another process's",
            cause="A process that was forked after the memory for keys was made tried to use it.",
            next_step="If you start hyperkms from a program of your own: fork first. Otherwise report it.",
        ),
    ),
)
