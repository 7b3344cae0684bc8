//! What a member keeps, and the group's key in the library's form and in ours.

use frost_ed25519::keys::{KeyPackage, PublicKeyPackage, SigningShare, VerifyingShare};
use frost_ed25519::VerifyingKey;
use hyperkms_core::single::KeyType;

use super::encoding::{identifier, member, write_share, POINT, SCALAR};
use super::faults::{failed, fault, mismatch, set_wrong};
use crate::protocol::{Fault, GroupKey, Index, KeyShare, Parameters, Seat, Secret};

const FORMAT: u8 = 1;
/// Format, index, share, the group's public key (docs/formats.md).
const LENGTH: usize = 2 + SCALAR + POINT;

/// The share of `me`, whose body is of a known form and belongs to this group key and to no other epoch of it.
pub fn open(body: &[u8], group_key: &GroupKey, me: Index) -> Result<KeyPackage, Fault> {
    require_shape(group_key)?;
    if body.len() != LENGTH || body[..2] != [FORMAT, me] || body[2 + SCALAR..] != group_key.public_key {
        return Err(foreign());
    }
    let share = SigningShare::deserialize(&body[2..2 + SCALAR]).map_err(|_| foreign())?;
    let public_share = VerifyingShare::from(share);
    if public_share.serialize().ok().as_ref() != group_key.public_shares.get(&me) {
        return Err(foreign());
    }
    let public_key = VerifyingKey::deserialize(&group_key.public_key).map_err(|_| foreign())?;
    let threshold = u16::from(group_key.parameters.threshold());
    Ok(KeyPackage::new(identifier(me)?, share, public_share, public_key, threshold))
}

fn foreign() -> Fault {
    mismatch("the stored share does not belong to this member of this group key")
}

/// The outcome of a run, opened once as every later user will open it.
pub fn keep(key: &KeyPackage, public: &PublicKeyPackage, parameters: Parameters) -> Result<KeyShare, Fault> {
    let group_key = group_key(public, parameters)?;
    let me = member(key.identifier()).ok_or_else(no_member)?;
    let mut body = Secret::new(Vec::with_capacity(LENGTH));
    body.extend([FORMAT, me]);
    body.extend_from_slice(&write_share(key.signing_share()));
    body.extend_from_slice(&group_key.public_key);
    open(&body, &group_key, me)?;
    Ok(KeyShare { body, group_key })
}

fn group_key(public: &PublicKeyPackage, parameters: Parameters) -> Result<GroupKey, Fault> {
    let bytes = |(identifier, share): (_, &VerifyingShare)| {
        Ok((member(identifier).ok_or_else(no_member)?, share.serialize().map_err(fault)?))
    };
    Ok(GroupKey {
        key_type: KeyType::Ed25519,
        parameters,
        public_key: public.verifying_key().serialize().map_err(fault)?,
        public_shares: public.verifying_shares().iter().map(bytes).collect::<Result<_, Fault>>()?,
    })
}

fn no_member() -> Fault {
    failed("the protocol made a share for nobody")
}

pub fn public_package(group_key: &GroupKey) -> Result<PublicKeyPackage, Fault> {
    require_shape(group_key)?;
    let read = |(member, share): (&Index, &Vec<u8>)| {
        let share = VerifyingShare::deserialize(share).map_err(|_| no_point())?;
        Ok((identifier(*member)?, share))
    };
    let shares = group_key.public_shares.iter().map(read).collect::<Result<_, Fault>>()?;
    let public_key = VerifyingKey::deserialize(&group_key.public_key).map_err(|_| no_point())?;
    Ok(PublicKeyPackage::new(shares, public_key, Some(group_key.parameters.threshold().into())))
}

fn no_point() -> Fault {
    mismatch("the group key is made of bytes that are no points of Ed25519")
}

fn require_shape(group_key: &GroupKey) -> Result<(), Fault> {
    let members = group_key.public_shares.keys().copied();
    if group_key.key_type != KeyType::Ed25519 || !members.eq(group_key.parameters.everyone()) {
        return Err(mismatch("the group key is not one of Ed25519 with a public share of every member"));
    }
    Ok(())
}

/// Key generation and refresh are runs of all members.
pub fn require_everyone(seat: &Seat) -> Result<(), Fault> {
    if seat.set != seat.parameters.everyone() || !seat.set.contains(&seat.me) {
        return Err(set_wrong("every member of the group must take part, and no other"));
    }
    Ok(())
}
