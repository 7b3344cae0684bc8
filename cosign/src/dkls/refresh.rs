//! The complete refresh: new shares of the same key, and every pair's oblivious transfers made anew.
//!
//! `protocols::refresh`: key generation with polynomials that are zero at 0, whose values are added to the shares. Rounds
//! and their order are those of `keygen`, without the chain code. All members take part, a repaired share among them.
//! Old shares of the key stay shares of it: whoever refreshes destroys them, or the refresh is worth nothing.

use std::collections::BTreeMap;

use dkls23_secp256k1::protocols::dkg::{KeepInitZeroSharePhase2to3, TransmitInitZeroSharePhase2to4};
use dkls23_secp256k1::protocols::{Abort, PartyIndex};
use dkls23_secp256k1::utilities::hashes::HashOutput;
use dkls23_secp256k1::{Party, PublicKeyPackage};
use k256::Scalar;
use zeroize::Zeroizing;

use super::faults::{fault, set_wrong};
use super::messages::{read_each, write, Proof};
use super::randomness::renew;
use super::setup::{
    from_all, from_each, proofs, read_fragments, read_pairs, read_seed_commitments, write_fragments, write_pairs,
    write_seed_commitments, Kept, OwnProof,
};
use super::share::{group_key, keep, open, public_package, require_everyone};
use crate::protocol::{Expected, Fault, GroupKey, Inbox, Index, KeyShare, Machine, Outbox, Running, Seat, Step};

/// All members end with the same group key, whose public key is that of the old one.
pub fn start(seat: Seat, body: &[u8], group_key: &GroupKey) -> Result<(Outbox, Running<KeyShare>), Fault> {
    require_everyone(&seat)?;
    if seat.parameters != group_key.parameters {
        return Err(set_wrong("the seat is one of another group"));
    }
    renew()?;
    let (old, public) = (open(body, group_key, seat.me)?, public_package(group_key)?);
    let fragments = Zeroizing::new(old.refresh_complete_phase1());
    let (outbox, own) = write_fragments(&seat, &fragments)?;
    // On the heap, and moved from machine to machine without a copy.
    Ok((outbox, Box::new(Shared { seat, old: Box::new(old), public, own })))
}

struct Shared {
    seat: Seat,
    old: Box<Party>,
    public: PublicKeyPackage,
    own: Scalar,
}

impl Machine for Shared {
    type Outcome = KeyShare;

    fn expects(&self) -> Expected {
        from_each(&self.seat)
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<KeyShare>, Fault> {
        let Shared { seat, old, public, own } = *self;
        renew()?;
        let fragments = read_fragments(&seat, &inbox, &own)?;
        let (correction, proof, seeds, seed_commitments) = old.refresh_complete_phase2(&seat.session, &fragments);
        let outbox = Outbox {
            broadcast: Some(write(&proof.commitment)?.to_vec()),
            direct: write_seed_commitments(&seed_commitments)?,
        };
        Ok(Step::Send(outbox, Box::new(Committed { seat, old, public, correction, proof, seeds })))
    }
}

struct Committed {
    seat: Seat,
    old: Box<Party>,
    public: PublicKeyPackage,
    correction: Scalar,
    proof: OwnProof,
    seeds: BTreeMap<PartyIndex, KeepInitZeroSharePhase2to3>,
}

impl Machine for Committed {
    type Outcome = KeyShare;

    fn expects(&self) -> Expected {
        from_all(&self.seat)
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<KeyShare>, Fault> {
        let Committed { seat, old, public, correction, proof, seeds } = *self;
        renew()?;
        let seed_commitments = read_seed_commitments(&seat, &inbox)?;
        let commitments: BTreeMap<Index, HashOutput> = read_each(seat.others(), &inbox.broadcasts, seat.me)?;
        let (seeds, opened_seeds, transfers, opened_transfers) = old.refresh_complete_phase3(&seat.session, &seeds);
        let outbox = Outbox {
            broadcast: Some(write(&proof.proof)?.to_vec()),
            direct: write_pairs(opened_seeds, opened_transfers)?,
        };
        let kept = Kept { seeds, transfers };
        let next = Opened { seat, old, public, correction, proof, kept, seed_commitments, commitments };
        Ok(Step::Send(outbox, Box::new(next)))
    }
}

struct Opened {
    seat: Seat,
    old: Box<Party>,
    public: PublicKeyPackage,
    correction: Scalar,
    proof: OwnProof,
    kept: Kept,
    seed_commitments: Vec<TransmitInitZeroSharePhase2to4>,
    commitments: BTreeMap<Index, HashOutput>,
}

impl Machine for Opened {
    type Outcome = KeyShare;

    fn expects(&self) -> Expected {
        from_all(&self.seat)
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<KeyShare>, Fault> {
        let Opened { seat, old, public, correction, proof, kept, seed_commitments, commitments } = *self;
        let (seeds, transfers) = read_pairs(&seat, &inbox)?;
        let opened: BTreeMap<Index, Proof> = read_each(seat.others(), &inbox.broadcasts, seat.me)?;
        let proofs = proofs(proof, &commitments, opened.into_iter())?;
        let refreshed = old
            .refresh_complete_phase4(
                &seat.session,
                &correction,
                &proofs,
                &kept.seeds,
                &seed_commitments,
                &seeds,
                &kept.transfers,
                &transfers,
            )
            .map_err(|abort| fault(abort, seat.me))?;
        let public = public
            .refresh(&seat.session, &proofs)
            .map_err(|reason| fault(Abort::recoverable(old.party_index, reason), seat.me))?;
        keep(&refreshed, group_key(&public, seat.parameters)?).map(Step::Done)
    }
}
