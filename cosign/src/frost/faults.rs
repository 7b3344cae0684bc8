//! What can go wrong in FROST, each with its code.

use frost_ed25519::Error;

use super::encoding::member;
use crate::protocol::{Fault, Index};

/// The message of a member is not of the form of its round.
pub fn malformed(member: Index, words: impl Into<String>) -> Fault {
    Fault::of(member, "cosigner-message-malformed", words)
}

/// A run, or a signature, with members that it cannot be made with.
pub fn set_wrong(words: &str) -> Fault {
    Fault::nobodys("cosigner-set-wrong", words)
}

/// A stored share, or the stored key of its group, is not what was kept.
pub fn mismatch(words: &str) -> Fault {
    Fault::nobodys("share-mismatch", words)
}

/// What a member gave does not fit the commitments that it made.
pub fn share_wrong(member: Option<Index>, words: &str) -> Fault {
    Fault { member, ..Fault::nobodys("cosigner-share-wrong", words) }
}

fn proof_wrong(member: Option<Index>) -> Fault {
    Fault { member, ..Fault::nobodys("cosigner-proof-wrong", "the proof of knowledge is wrong") }
}

pub fn failed(words: impl Into<String>) -> Fault {
    Fault::nobodys("cosigner-protocol-failed", words)
}

/// What the library refused, and the member that it names.
pub fn fault(error: Error) -> Fault {
    let culprit = error.culprits().iter().find_map(member);
    match error {
        Error::InvalidProofOfKnowledge { .. } => proof_wrong(culprit),
        Error::InvalidSecretShare { .. } => share_wrong(culprit, "the share does not fit the commitments"),
        Error::InvalidSignatureShare { .. } => share_wrong(culprit, "the share of the signature is wrong"),
        _ => failed(format!("the protocol failed: {error}")),
    }
}
