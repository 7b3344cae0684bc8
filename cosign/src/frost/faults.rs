//! What can go wrong in FROST, each with its code.

use frost_ed25519::Error;

use super::encoding::member;
pub use crate::faults::{failed, malformed, mismatch, set_wrong};
use crate::protocol::{Fault, Index};

/// What a member gave does not fit the commitments that it made.
pub fn share_wrong(member: Option<Index>, words: &str) -> Fault {
    Fault { member, ..Fault::nobodys("cosigner-share-wrong", words) }
}

fn proof_wrong(member: Option<Index>) -> Fault {
    Fault { member, ..Fault::nobodys("cosigner-proof-wrong", "the proof of knowledge is wrong") }
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
