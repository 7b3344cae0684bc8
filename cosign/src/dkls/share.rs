//! What a member keeps, and the group's key in the library's form and in ours.

use std::collections::BTreeMap;

use dkls23_secp256k1::protocols::{self, PartyIndex};
use dkls23_secp256k1::utilities::ot::extension::{BATCH_SIZE, KAPPA};
use dkls23_secp256k1::{Party, PublicKeyPackage};
use hyperkms_core::single::KeyType;
use k256::elliptic_curve::sec1::ToSec1Point;
use k256::{AffinePoint, ProjectivePoint, PublicKey};

use super::faults::{failed, mismatch, set_wrong};
use super::messages::{encode, party, HASH, POINT, SCALAR};
use crate::protocol::{Fault, GroupKey, Index, KeyShare, Parameters, Seat, Secret};

const FORMAT: u8 = 1;
/// The member can sign.
const WHOLE: u8 = 0;
/// A share that was repaired: it takes part in a refresh, and cannot sign before that.
const HOLLOW: u8 = 1;
const HEADER: usize = 2;

const BATCH: usize = BATCH_SIZE as usize;
const TRANSFERS: usize = KAPPA as usize;
/// The gadget vector, and what a sender and a receiver keep of their base oblivious transfers.
const MUL_SENDER: usize = 2 + BATCH * SCALAR + 2 + TRANSFERS + 2 + TRANSFERS * HASH;
const MUL_RECEIVER: usize = 2 + BATCH * SCALAR + 2 * (2 + TRANSFERS * HASH);
/// Parameters, index, session id, share, public key; three counts; data of derivation; an empty address.
const ALONE: usize = 3 + 1 + HASH + SCALAR + POINT + 3 + (1 + 1 + 4 + SCALAR + POINT + HASH) + 1;
/// With each other member: the seed of shares of zero, and both sides of multiplication.
const PAIR: usize = 2 + HASH + 1 + MUL_SENDER + 1 + MUL_RECEIVER;

/// Bytes of a body (docs/formats.md).
pub fn body_length(members: u8, hollow: bool) -> usize {
    let pairs = if hollow { 0 } else { usize::from(members) - 1 };
    HEADER + ALONE + pairs * PAIR
}

/// Whether the share was repaired and not yet refreshed, by what its body says of itself; `open` checks that it is so.
pub fn is_hollow(body: &[u8]) -> Result<bool, Fault> {
    match body {
        [FORMAT, WHOLE, ..] => Ok(false),
        [FORMAT, HOLLOW, ..] => Ok(true),
        _ => Err(mismatch("the stored share is not of a form that is known")),
    }
}

/// The share of `me`, whose body is of a known form and belongs to this group key and to no other epoch of it.
pub fn open(body: &[u8], group_key: &GroupKey, me: Index) -> Result<Party, Fault> {
    let public = public_package(group_key)?;
    let hollow = is_hollow(body)?;
    if body.len() != body_length(group_key.parameters.members(), hollow) {
        return Err(foreign());
    }
    let (share, rest): (Party, _) = postcard::take_from_bytes(&body[HEADER..]).map_err(|_| foreign())?;
    if !rest.is_empty() || !belongs(&share, &public, me) || !is_complete(&share, hollow) {
        return Err(foreign());
    }
    Ok(share)
}

fn foreign() -> Fault {
    mismatch("the stored share does not belong to this member of this group key")
}

fn belongs(share: &Party, public: &PublicKeyPackage, me: Index) -> bool {
    let (parameters, derived) = (&share.parameters, &share.derivation_data);
    let point = (ProjectivePoint::GENERATOR * share.poly_point).to_affine();
    share.party_index.as_u8() == me
        && (parameters.threshold, parameters.share_count) == (public.threshold(), public.share_count())
        && share.pk == *public.verifying_key()
        && public.verify_share(share.party_index, &point)
        && share.session_id.len() == HASH
        && derived.depth == 0
        && derived.poly_point == share.poly_point
        && derived.pk == share.pk
        && share.address.is_empty()
}

/// What the share keeps for each other member: nothing for anyone if it is hollow, all of it for everyone if not.
fn is_complete(share: &Party, hollow: bool) -> bool {
    let others: Vec<PartyIndex> = (1..=share.parameters.share_count)
        .filter_map(|index| PartyIndex::new(index).ok())
        .filter(|index| !hollow && *index != share.party_index)
        .collect();
    let seeds = share.zero_share.seeds.iter();
    seeds.clone().map(|seed| &seed.index_counterparty).eq(&others)
        && seeds.clone().all(|seed| seed.lowest_index == (share.party_index < seed.index_counterparty))
        && share.mul_senders.keys().eq(&others)
        && share.mul_receivers.keys().eq(&others)
        && share.mul_senders.values().all(|sender| sender.check_state().is_ok())
        && share.mul_receivers.values().all(|receiver| receiver.check_state(None).is_ok())
}

/// The outcome of a run, opened once as every later user will open it.
pub fn keep(share: &Party, group_key: GroupKey) -> Result<KeyShare, Fault> {
    let hollow = share.mul_senders.is_empty();
    let length = body_length(group_key.parameters.members(), hollow);
    let kind = if hollow { HOLLOW } else { WHOLE };
    let body: Secret =
        encode(&(FORMAT, kind, share), length).ok_or_else(|| failed("the library made a share of another size"))?;
    open(&body, &group_key, share.party_index.as_u8())?;
    Ok(KeyShare { body, group_key })
}

pub fn group_key(public: &PublicKeyPackage, parameters: Parameters) -> Result<GroupKey, Fault> {
    let share = |member: Index| {
        let point = public.verifying_share(party(member)?).ok_or_else(|| failed("a member has no public share"))?;
        Ok((member, write_point(point)?))
    };
    Ok(GroupKey {
        key_type: KeyType::Secp256k1,
        parameters,
        public_key: write_point(public.verifying_key())?,
        public_shares: parameters.everyone().into_iter().map(share).collect::<Result<_, Fault>>()?,
    })
}

fn write_point(point: &AffinePoint) -> Result<Vec<u8>, Fault> {
    let point = PublicKey::from_affine(*point).map_err(|_| failed("a public share is the point at infinity"))?;
    Ok(point.to_sec1_point(true).as_bytes().to_vec())
}

pub fn public_package(group_key: &GroupKey) -> Result<PublicKeyPackage, Fault> {
    let members = group_key.public_shares.keys().copied();
    if group_key.key_type != KeyType::Secp256k1 || !members.eq(group_key.parameters.everyone()) {
        return Err(mismatch("the group key is not one of secp256k1 with a public share of every member"));
    }
    let share = |(member, bytes): (&Index, &Vec<u8>)| Ok((party(*member)?, read_point(bytes)?));
    let shares = group_key.public_shares.iter().map(share).collect::<Result<BTreeMap<_, _>, Fault>>()?;
    Ok(PublicKeyPackage::new(read_point(&group_key.public_key)?, shares, library_parameters(group_key.parameters)?))
}

fn read_point(bytes: &[u8]) -> Result<AffinePoint, Fault> {
    let compressed = bytes.len() == KeyType::Secp256k1.public_key_len();
    let point = PublicKey::from_sec1_bytes(bytes).ok().filter(|_| compressed);
    let point = point.ok_or_else(|| mismatch("the group key is made of bytes that are no points of secp256k1"))?;
    Ok(*point.as_affine())
}

pub fn library_parameters(parameters: Parameters) -> Result<protocols::Parameters, Fault> {
    protocols::Parameters::new(parameters.threshold(), parameters.members())
        .map_err(|_| failed("the library does not serve this threshold"))
}

/// Key generation and refresh are runs of all members.
pub fn require_everyone(seat: &Seat) -> Result<(), Fault> {
    if seat.set != seat.parameters.everyone() || !seat.set.contains(&seat.me) {
        return Err(set_wrong("every member of the group must take part, and no other"));
    }
    Ok(())
}
