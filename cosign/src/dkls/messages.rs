//! Messages as bytes: postcard of the library's own types, each kind of one length.
//!
//! A length is looked at before anything is decoded. What was decoded must give the same bytes again, so that there is
//! one form of each message; then the lengths of its parts leave no room for a point at infinity, which is shorter.

use std::collections::BTreeMap;

use dkls23_secp256k1::protocols::dkg::{
    BroadcastDerivationPhase2to4, BroadcastDerivationPhase3to4, TransmitInitMulPhase3to4,
    TransmitInitZeroSharePhase2to4, TransmitInitZeroSharePhase3to4,
};
use dkls23_secp256k1::protocols::repair::RepairTerm;
use dkls23_secp256k1::protocols::signing::{Broadcast3to4, TransmitPhase1to2, TransmitPhase2to3};
use dkls23_secp256k1::protocols::{PartiesMessage, PartyIndex};
use dkls23_secp256k1::utilities::hashes::HashOutput;
use dkls23_secp256k1::utilities::multiplication::{L, OT_WIDTH};
use dkls23_secp256k1::utilities::ot::extension::{BATCH_SIZE, KAPPA, OTE_NONCE_LEN, OT_SECURITY};
use dkls23_secp256k1::utilities::proofs::{self, DLogProof};
use k256::{Scalar, Secp256k1};
use serde::de::DeserializeOwned;
use serde::Serialize;
use zeroize::Zeroizing;

use super::faults::{failed, malformed};
use crate::protocol::{Fault, Index, Secret};

pub type Proof = DLogProof<Secp256k1>;
pub type MulSetup = TransmitInitMulPhase3to4<Secp256k1>;
pub type Multiplied = TransmitPhase2to3<Secp256k1>;
pub type Summand = Broadcast3to4<Secp256k1>;
pub type Term = RepairTerm<Secp256k1>;

/// Bytes of a point: its length, and SEC 1 compressed.
pub const POINT: usize = 1 + 33;
/// Bytes of a scalar: its length, and big-endian.
pub const SCALAR: usize = 1 + 32;
/// Bytes of a hash, a seed or a nonce.
pub const HASH: usize = 32;
/// Bytes of the random value under which something is committed to (`commits::commit`).
const SALT: usize = 64;
/// Sender and receiver.
const PARTIES: usize = 2;
/// Bytes of a challenge of a proof of a discrete logarithm.
const CHALLENGE: usize = proofs::T as usize / 8;
const PROOFS: usize = proofs::R as usize;
const DLOG_PROOF: usize = POINT + 1 + PROOFS * POINT + 1 + PROOFS * (1 + CHALLENGE + SCALAR);
/// Two proofs of Chaum and Pedersen with their commitments and challenges (`proofs::EncProof`).
const ENC_PROOF: usize = 2 * (4 * POINT + SCALAR) + 4 * POINT + 2 * SCALAR;
/// The rows of the oblivious transfer extension, of 78 bytes each (`extension::PRGOutput`).
const ROWS: usize = KAPPA as usize;
const ROW: usize = (BATCH_SIZE + OT_SECURITY) as usize / 8;
const CHECK: usize = OT_SECURITY as usize / 8;
const BATCH: usize = BATCH_SIZE as usize;
const WIDTH: usize = OT_WIDTH as usize;

/// A message of one kind. `is_whole` says whether its lists are as long as the protocol asks, and whether it names the
/// one who sent it and the one who reads it.
pub trait Message: Serialize + DeserializeOwned {
    const LENGTH: usize;

    fn is_whole(&self, sender: Index, me: Index) -> bool;
}

/// Key generation and refresh, round 0 to each: the sender's polynomial at the receiver's index.
impl Message for Scalar {
    const LENGTH: usize = SCALAR;

    fn is_whole(&self, _: Index, _: Index) -> bool {
        true
    }
}

/// Refresh, round 1 to all: what the proof of round 2 was committed to with.
impl Message for HashOutput {
    const LENGTH: usize = HASH;

    fn is_whole(&self, _: Index, _: Index) -> bool {
        true
    }
}

/// Refresh, round 2 to all: the sender's public share, and the proof that it knows the share.
impl Message for Proof {
    const LENGTH: usize = DLOG_PROOF;

    fn is_whole(&self, _: Index, _: Index) -> bool {
        self.rand_commitments.len() == PROOFS
            && self.proofs.len() == PROOFS
            && self.proofs.iter().all(|proof| proof.challenge.len() == CHALLENGE)
    }
}

/// Key generation, round 1 to all: commitments to the proof and to the part of the chain code.
impl Message for (HashOutput, BroadcastDerivationPhase2to4) {
    const LENGTH: usize = HASH + 1 + HASH;

    fn is_whole(&self, sender: Index, _: Index) -> bool {
        self.1.sender_index.as_u8() == sender
    }
}

/// Key generation, round 2 to all: both opened.
impl Message for (Proof, BroadcastDerivationPhase3to4) {
    const LENGTH: usize = DLOG_PROOF + 1 + HASH + 1 + SALT;

    fn is_whole(&self, sender: Index, me: Index) -> bool {
        self.0.is_whole(sender, me) && self.1.sender_index.as_u8() == sender && self.1.cc_salt.len() == SALT
    }
}

/// Key generation and refresh, round 1 to each: the commitment to a seed of the pair's shares of zero.
impl Message for TransmitInitZeroSharePhase2to4 {
    const LENGTH: usize = PARTIES + HASH;

    fn is_whole(&self, sender: Index, me: Index) -> bool {
        joins(&self.parties, sender, me)
    }
}

/// Key generation and refresh, round 2 to each: the seed, and the pair's base oblivious transfers in both directions.
impl Message for (TransmitInitZeroSharePhase3to4, MulSetup) {
    const LENGTH: usize = PARTIES + HASH + 1 + SALT + PARTIES + DLOG_PROOF + SCALAR + 2 + ROWS * ENC_PROOF + HASH;

    fn is_whole(&self, sender: Index, me: Index) -> bool {
        let (zero, mul) = self;
        joins(&zero.parties, sender, me)
            && zero.salt.len() == SALT
            && joins(&mul.parties, sender, me)
            && mul.dlog_proof.is_whole(sender, me)
            && mul.enc_proofs.len() == ROWS
    }
}

/// Signing, round 0 to each.
impl Message for TransmitPhase1to2 {
    const LENGTH: usize = PARTIES + 2 * HASH + OTE_NONCE_LEN + 3 + ROWS * ROW + CHECK + 2 + ROWS * CHECK;

    fn is_whole(&self, sender: Index, me: Index) -> bool {
        let ote = &self.mul_transmit;
        joins(&self.parties, sender, me) && ote.u.len() == ROWS && ote.verify_t.len() == ROWS
    }
}

/// Signing, round 1 to each.
impl Message for Multiplied {
    const LENGTH: usize = PARTIES + HASH + 2 * POINT + SCALAR + 2 * POINT + 1 + SALT + MULTIPLIED;

    fn is_whole(&self, sender: Index, me: Index) -> bool {
        let mul = &self.mul_transmit;
        joins(&self.parties, sender, me)
            && self.salt.len() == SALT
            && mul.vector_of_tau.len() == WIDTH
            && mul.vector_of_tau.iter().all(|tau| tau.len() == BATCH)
            && mul.verify_u.len() == usize::from(L)
            && mul.gamma_sender.len() == usize::from(L)
    }
}

/// `multiplication::MulDataToReceiver`.
const MULTIPLIED: usize = 1 + WIDTH * (2 + BATCH * SCALAR) + OTE_NONCE_LEN + HASH + 2 * (1 + L as usize * SCALAR);

/// Signing, round 2 to all.
impl Message for Summand {
    const LENGTH: usize = 2 * SCALAR;

    fn is_whole(&self, _: Index, _: Index) -> bool {
        true
    }
}

/// Repair, to the target: session id of the key's own setup, chain code, public key, and the helper's masked term.
impl Message for Term {
    const LENGTH: usize = 2 + SCALAR + 1 + HASH + HASH + POINT;

    fn is_whole(&self, sender: Index, me: Index) -> bool {
        (self.helper.as_u8(), self.target.as_u8()) == (sender, me) && self.session_id.len() == HASH
    }
}

fn joins(parties: &PartiesMessage, sender: Index, me: Index) -> bool {
    (parties.sender.as_u8(), parties.receiver.as_u8()) == (sender, me)
}

/// The bytes of what we send.
pub fn write<M: Message>(message: &M) -> Result<Secret, Fault> {
    encode(message, M::LENGTH).ok_or_else(|| failed("the library made a message that is not of its length"))
}

/// Exactly `length` bytes, or nothing.
pub fn encode(value: &impl Serialize, length: usize) -> Option<Secret> {
    let mut bytes = Zeroizing::new(vec![0; length]);
    let used = postcard::to_slice(value, &mut bytes).ok()?.len();
    (used == length).then_some(bytes)
}

/// The messages of these members, each read strictly. Names the first whose message is not of its form or did not come.
pub fn read_each<B: AsRef<[u8]>, M: Message>(
    members: impl Iterator<Item = Index>,
    messages: &BTreeMap<Index, B>,
    me: Index,
) -> Result<BTreeMap<Index, M>, Fault> {
    let read_one = |member| {
        let bytes = messages.get(&member).ok_or_else(|| malformed(member, "no message came"))?;
        Ok((member, read(bytes.as_ref(), member, me)?))
    };
    members.map(read_one).collect()
}

fn read<M: Message>(bytes: &[u8], sender: Index, me: Index) -> Result<M, Fault> {
    let length = M::LENGTH;
    if bytes.len() != length {
        return Err(malformed(sender, format!("the message has {} bytes where {length} are due", bytes.len())));
    }
    let (message, rest): (M, _) = postcard::take_from_bytes(bytes)
        .map_err(|_| malformed(sender, "a point is off the curve, a scalar out of range or a list cut short"))?;
    // Both sides are what the sender sent: there is nothing in the comparison to hide from it.
    let same = encode(&message, length).is_some_and(|again| *again == bytes);
    if !rest.is_empty() || !same || !message.is_whole(sender, me) {
        return Err(malformed(sender, "the message is not in the one form of its round, from its sender to us"));
    }
    Ok(message)
}

pub fn party(member: Index) -> Result<PartyIndex, Fault> {
    PartyIndex::new(member).map_err(|_| failed("members are counted from 1"))
}
