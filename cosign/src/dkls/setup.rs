//! What key generation and a refresh have in common: points of polynomials, commitments that are opened a round later,
//! and what each pair of members needs before it can sign.

use std::collections::BTreeMap;

use dkls23_secp256k1::protocols::dkg::{
    KeepInitMulPhase3to4, KeepInitZeroSharePhase3to4, ProofCommitment, TransmitInitZeroSharePhase2to4,
    TransmitInitZeroSharePhase3to4,
};
use dkls23_secp256k1::protocols::PartyIndex;
use dkls23_secp256k1::utilities::hashes::HashOutput;
use k256::{Scalar, Secp256k1};
use zeroize::Zeroizing;

use super::faults::failed;
use super::messages::{party, read_each, write, MulSetup, Proof};
use crate::protocol::{Expected, Fault, Inbox, Index, Outbox, Seat, Secret};

pub type Direct = BTreeMap<Index, Secret>;
pub type Fragments = Zeroizing<Vec<Scalar>>;
/// Our proof, which stays here until every commitment to one is here, and the commitment to it.
pub type OwnProof = ProofCommitment<Secp256k1>;

/// Everybody's message of both kinds, of which no round of a setup has fewer but the first.
pub fn from_all(seat: &Seat) -> Expected {
    Expected { broadcasts: seat.others().collect(), direct: seat.others().collect() }
}

pub fn from_each(seat: &Seat) -> Expected {
    Expected { direct: seat.others().collect(), ..Expected::default() }
}

/// Our polynomial at everyone's index, from 1; each other member gets its own, and the rest are wiped with `fragments`.
pub fn write_fragments(seat: &Seat, fragments: &Fragments) -> Result<(Outbox, Scalar), Fault> {
    let at = |member: Index| fragments.get(usize::from(member) - 1).ok_or_else(|| failed("a fragment is missing"));
    let direct = seat.others().map(|member| Ok((member, write(at(member)?)?))).collect::<Result<_, Fault>>()?;
    Ok((Outbox { direct, ..Outbox::default() }, *at(seat.me)?))
}

/// Everyone's polynomial at our index, our own included.
pub fn read_fragments(seat: &Seat, inbox: &Inbox, own: &Scalar) -> Result<Fragments, Fault> {
    let received =
        Zeroizing::new(read_each::<_, Scalar>(seat.others(), &inbox.direct, seat.me)?.into_values().collect());
    let mut fragments: Fragments = received;
    fragments.push(*own);
    Ok(fragments)
}

pub fn write_seed_commitments(messages: &[TransmitInitZeroSharePhase2to4]) -> Result<Direct, Fault> {
    messages.iter().map(|message| Ok((message.parties.receiver.as_u8(), write(message)?))).collect()
}

pub fn read_seed_commitments(seat: &Seat, inbox: &Inbox) -> Result<Vec<TransmitInitZeroSharePhase2to4>, Fault> {
    Ok(read_each(seat.others(), &inbox.direct, seat.me)?.into_values().collect())
}

/// A pair's seed and its base oblivious transfers, as one message.
pub fn write_pairs(seeds: Vec<TransmitInitZeroSharePhase3to4>, transfers: Vec<MulSetup>) -> Result<Direct, Fault> {
    let mut transfers: BTreeMap<PartyIndex, MulSetup> =
        transfers.into_iter().map(|setup| (setup.parties.receiver, setup)).collect();
    let pair = |seed: TransmitInitZeroSharePhase3to4| {
        let receiver = seed.parties.receiver;
        let setup = transfers.remove(&receiver).ok_or_else(|| failed("a member is without oblivious transfers"))?;
        Ok((receiver.as_u8(), write(&(seed, setup))?))
    };
    seeds.into_iter().map(pair).collect()
}

pub fn read_pairs(seat: &Seat, inbox: &Inbox) -> Result<(Vec<TransmitInitZeroSharePhase3to4>, Vec<MulSetup>), Fault> {
    let pairs = read_each::<_, (TransmitInitZeroSharePhase3to4, MulSetup)>(seat.others(), &inbox.direct, seat.me)?;
    Ok(pairs.into_values().unzip())
}

/// Secrets of the pairs between the last two phases.
pub struct Kept {
    pub seeds: BTreeMap<PartyIndex, KeepInitZeroSharePhase3to4>,
    pub transfers: BTreeMap<PartyIndex, KeepInitMulPhase3to4<Secp256k1>>,
}

/// Every member's proof beside the commitment that came a round before it, our own included.
pub fn proofs(
    own: OwnProof,
    commitments: &BTreeMap<Index, HashOutput>,
    proofs: impl Iterator<Item = (Index, Proof)>,
) -> Result<Vec<OwnProof>, Fault> {
    let opened = |(member, proof)| {
        let commitment = *commitments.get(&member).ok_or_else(|| failed("a proof came without a commitment"))?;
        Ok(ProofCommitment { index: party(member)?, proof, commitment })
    };
    proofs.map(opened).chain([Ok(own)]).collect()
}
