//! What can go wrong in either protocol, each with its code.

use crate::protocol::{Fault, Index};

/// The message of a member is not of the form of its round.
pub fn malformed(member: Index, words: impl Into<String>) -> Fault {
    Fault::of(member, "cosigner-message-malformed", words)
}

/// A run, or a signature, with members that it cannot be made with.
pub fn set_wrong(words: impl Into<String>) -> Fault {
    Fault::nobodys("cosigner-set-wrong", words)
}

/// A stored share, or the stored key of its group, is not what was kept.
pub fn mismatch(words: impl Into<String>) -> Fault {
    Fault::nobodys("share-mismatch", words)
}

pub fn failed(words: impl Into<String>) -> Fault {
    Fault::nobodys("cosigner-protocol-failed", words)
}
