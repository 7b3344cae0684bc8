//! Distributed key generation (protocol 9.1 of eprint 2023/602, as DKLs23 asks): three rounds of all members.
//!
//! Round 0, to each: the sender's polynomial at the receiver's index.
//! Round 1, to all: commitments to the proof of the public share and to the part of the chain code; to each: the
//! commitment to a seed.
//! Round 2, to all: proof and part; to each: the seed and the pair's base oblivious transfers.
//! A proof leaves only when every commitment is here: whoever saw the others' public shares first could choose the key.

use std::collections::BTreeMap;

use dkls23_secp256k1::protocols::dkg::{
    self, BroadcastDerivationPhase2to4, BroadcastDerivationPhase3to4, KeepInitZeroSharePhase2to3, SessionData,
    TransmitInitZeroSharePhase2to4, UniqueKeepDerivationPhase2to3,
};
use dkls23_secp256k1::protocols::PartyIndex;
use dkls23_secp256k1::utilities::hashes::HashOutput;
use k256::{Scalar, Secp256k1};
use zeroize::Zeroizing;

use super::faults::fault;
use super::messages::{party, read_each, write, Proof};
use super::randomness::renew;
use super::setup::{
    from_all, from_each, proofs, read_fragments, read_pairs, read_seed_commitments, write_fragments, write_pairs,
    write_seed_commitments, Kept, OwnProof,
};
use super::share::{group_key, keep, library_parameters, require_everyone};
use crate::protocol::{Expected, Fault, Inbox, Index, KeyShare, Machine, Outbox, Running, Seat, Step};

/// All members end with the same group key.
pub fn start(seat: Seat) -> Result<(Outbox, Running<KeyShare>), Fault> {
    require_everyone(&seat)?;
    renew()?;
    let data = SessionData {
        parameters: library_parameters(seat.parameters)?,
        party_index: party(seat.me)?,
        session_id: seat.session.to_vec(),
    };
    let fragments = Zeroizing::new(dkg::phase1::<Secp256k1>(&data));
    let (outbox, own) = write_fragments(&seat, &fragments)?;
    Ok((outbox, Box::new(Shared { seat, data, own })))
}

struct Shared {
    seat: Seat,
    data: SessionData,
    own: Scalar,
}

impl Machine for Shared {
    type Outcome = KeyShare;

    fn expects(&self) -> Expected {
        from_each(&self.seat)
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<KeyShare>, Fault> {
        let Shared { seat, data, own } = *self;
        renew()?;
        let fragments = read_fragments(&seat, &inbox, &own)?;
        let (share, proof, seeds, seed_commitments, chain_code, chain_commitment) =
            dkg::phase2::<Secp256k1>(&data, &fragments);
        let outbox = Outbox {
            broadcast: Some(write(&(proof.commitment, chain_commitment.clone()))?.to_vec()),
            direct: write_seed_commitments(&seed_commitments)?,
        };
        let next = Committed { seat, data, share, proof, seeds, chain_code, chain_commitment };
        Ok(Step::Send(outbox, Box::new(next)))
    }
}

struct Committed {
    seat: Seat,
    data: SessionData,
    share: Scalar,
    proof: OwnProof,
    seeds: BTreeMap<PartyIndex, KeepInitZeroSharePhase2to3>,
    chain_code: UniqueKeepDerivationPhase2to3,
    chain_commitment: BroadcastDerivationPhase2to4,
}

impl Machine for Committed {
    type Outcome = KeyShare;

    fn expects(&self) -> Expected {
        from_all(&self.seat)
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<KeyShare>, Fault> {
        let Committed { seat, data, share, proof, seeds, chain_code, chain_commitment } = *self;
        renew()?;
        let seed_commitments = read_seed_commitments(&seat, &inbox)?;
        let mut commitments: BTreeMap<Index, (HashOutput, BroadcastDerivationPhase2to4)> =
            read_each(seat.others(), &inbox.broadcasts, seat.me)?;
        commitments.insert(seat.me, (proof.commitment, chain_commitment));
        let (seeds, opened_seeds, transfers, opened_transfers, chain_opening) =
            dkg::phase3::<Secp256k1>(&data, &seeds, &chain_code);
        let outbox = Outbox {
            broadcast: Some(write(&(proof.proof.clone(), chain_opening.clone()))?.to_vec()),
            direct: write_pairs(opened_seeds, opened_transfers)?,
        };
        let kept = Kept { seeds, transfers };
        let next = Opened { seat, data, share, proof, kept, seed_commitments, commitments, chain_opening };
        Ok(Step::Send(outbox, Box::new(next)))
    }
}

struct Opened {
    seat: Seat,
    data: SessionData,
    share: Scalar,
    proof: OwnProof,
    kept: Kept,
    seed_commitments: Vec<TransmitInitZeroSharePhase2to4>,
    commitments: BTreeMap<Index, (HashOutput, BroadcastDerivationPhase2to4)>,
    chain_opening: BroadcastDerivationPhase3to4,
}

impl Machine for Opened {
    type Outcome = KeyShare;

    fn expects(&self) -> Expected {
        from_all(&self.seat)
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<KeyShare>, Fault> {
        let Opened { seat, data, share, proof, kept, seed_commitments, commitments, chain_opening } = *self;
        let (seeds, transfers) = read_pairs(&seat, &inbox)?;
        let openings: BTreeMap<Index, (Proof, BroadcastDerivationPhase3to4)> =
            read_each(seat.others(), &inbox.broadcasts, seat.me)?;
        let mut chain_openings = BTreeMap::from([(party(seat.me)?, chain_opening)]);
        let mut opened = Vec::with_capacity(openings.len());
        for (member, (proof, chain_opening)) in openings {
            chain_openings.insert(party(member)?, chain_opening);
            opened.push((member, proof));
        }
        let (proof_commitments, chain_commitments) = split(commitments)?;
        let (made, public) = dkg::phase4::<Secp256k1>(
            &data,
            &share,
            &proofs(proof, &proof_commitments, opened.into_iter())?,
            &kept.seeds,
            &seed_commitments,
            &seeds,
            &kept.transfers,
            &transfers,
            &chain_commitments,
            &chain_openings,
            |_| String::new(),
        )
        .map_err(|abort| fault(abort, seat.me))?;
        keep(&made, group_key(&public, seat.parameters)?).map(Step::Done)
    }
}

type ByMember<T> = BTreeMap<Index, T>;

fn split(
    commitments: ByMember<(HashOutput, BroadcastDerivationPhase2to4)>,
) -> Result<(ByMember<HashOutput>, BTreeMap<PartyIndex, BroadcastDerivationPhase2to4>), Fault> {
    let mut chain = BTreeMap::new();
    let mut proofs = BTreeMap::new();
    for (member, (proof, commitment)) in commitments {
        proofs.insert(member, proof);
        chain.insert(party(member)?, commitment);
    }
    Ok((proofs, chain))
}
