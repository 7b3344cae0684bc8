//! What can go wrong in DKLs23, each with its code.

use dkls23_secp256k1::protocols::repair::RepairError;
use dkls23_secp256k1::protocols::{Abort, AbortKind, AbortReason};

pub use crate::faults::{failed, malformed, mismatch, set_wrong};
use crate::protocol::{Fault, Index};

/// Why the library stopped, and whose doing it was if it can tell; `me` is never blamed.
///
/// A ban is the library's own verdict (`AbortKind::BanCounterparty`): the check failed in a way that tells the other
/// side a bit of our oblivious transfers, which are used in every signature.
pub fn fault(abort: Abort, me: Index) -> Fault {
    let words = abort.description();
    if let AbortKind::BanCounterparty(member) = abort.kind {
        let words = format!("{words}; nothing may ever be run with this member again");
        return Fault { ban: true, ..Fault::of(member.as_u8(), "cosigner-proof-wrong", words) };
    }
    let (member, code) = blame(&abort.reason);
    Fault { member: member.filter(|member| *member != me), ..Fault::nobodys(code, words) }
}

fn blame(reason: &AbortReason) -> (Option<Index>, &'static str) {
    use AbortReason as R;
    match reason {
        R::ProofVerificationFailed { counterparty: member }
        | R::CommitmentMismatch { counterparty: member }
        | R::ZeroShareDecommitFailed { counterparty: member }
        | R::ChainCodeCommitmentFailed { party: member }
        | R::MultiplicationVerificationFailed { counterparty: member, .. } => {
            (Some(member.as_u8()), "cosigner-proof-wrong")
        }
        R::SessionBindingMismatch { counterparty: member } => (Some(member.as_u8()), "cosigner-share-wrong"),
        R::TrivialInstancePoint { counterparty: member } => (Some(member.as_u8()), "cosigner-message-malformed"),
        R::InvalidLocalState { .. } | R::MissingMulState { .. } => (None, "share-mismatch"),
        _ => (None, "cosigner-protocol-failed"),
    }
}

/// The library tells of no helper which term was wrong: only all of them together make the share.
pub fn repair_fault(error: RepairError) -> Fault {
    match error {
        RepairError::ShareMismatch | RepairError::InconsistentTerms => {
            Fault::nobodys("cosigner-share-wrong", error.to_string())
        }
        RepairError::MissingSeed { .. } | RepairError::DerivedShare => mismatch(error.to_string()),
        _ => set_wrong(error.to_string()),
    }
}
