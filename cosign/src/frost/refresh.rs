//! New shares of the same key: two rounds of all members, after which the old shares fit no new one.
//!
//! `frost_ed25519::keys::refresh`: key generation with the constant term zero, added to the shares. It is worth what
//! the destruction of the old shares is worth.
//! Round 0, to all: commitments to coefficients 1 to t - 1. There is no proof of knowledge: the constant term is known
//! to be zero, since every share is checked against commitments that have the identity in its place.
//! Round 1, to each: the sender's polynomial at the receiver's identifier.

use std::collections::BTreeMap;

use frost_ed25519::keys::dkg::{round1, round2};
use frost_ed25519::keys::{refresh, KeyPackage, PublicKeyPackage, VerifiableSecretSharingCommitment};
use frost_ed25519::{Ed25519Group, Ed25519ScalarField, Error, Field, Group, Identifier};

use super::encoding::{identifier, read_each, POINT};
use super::faults::{failed, fault, set_wrong, share_wrong};
use super::keygen::{read_shares, write_shares};
use super::randomness::Drawn;
use super::share::{keep, open, public_package, require_everyone};
use crate::protocol::{Expected, Fault, GroupKey, Inbox, Index, KeyShare, Machine, Outbox, Running, Seat, Step};

type Commitments = BTreeMap<Identifier, round1::Package>;

/// All members end with the same group key: its public key as it was, its public shares new.
pub fn start(seat: Seat, body: &[u8], group_key: &GroupKey) -> Result<(Outbox, Running<KeyShare>), Fault> {
    require_everyone(&seat)?;
    if seat.parameters != group_key.parameters {
        return Err(set_wrong("a refresh changes neither the threshold nor the members"));
    }
    let old = Old { key: open(body, group_key, seat.me)?, public: public_package(group_key)? };
    let (members, threshold) = (seat.parameters.members(), seat.parameters.threshold());
    let (secret, package) =
        refresh::refresh_dkg_part1(identifier(seat.me)?, members.into(), threshold.into(), Drawn::new()?)
            .map_err(fault)?;
    let broadcast = Some(package.commitment().serialize_whole().map_err(fault)?);
    Ok((Outbox { broadcast, ..Outbox::default() }, Box::new(Committed { seat, old, secret, package })))
}

struct Old {
    key: KeyPackage,
    public: PublicKeyPackage,
}

struct Committed {
    seat: Seat,
    old: Old,
    secret: round1::SecretPackage,
    package: round1::Package,
}

impl Machine for Committed {
    type Outcome = KeyShare;

    fn expects(&self) -> Expected {
        Expected { broadcasts: self.seat.others().collect(), ..Expected::default() }
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<KeyShare>, Fault> {
        let Committed { seat, old, secret, package } = *self;
        // The library's form has room for a proof that its refresh never reads: our own stands there.
        let read = |bytes: &[u8]| {
            let commitments = VerifiableSecretSharingCommitment::deserialize_whole(bytes)?;
            Ok(round1::Package::new(commitments, *package.proof_of_knowledge()))
        };
        let length = usize::from(seat.parameters.threshold() - 1) * POINT;
        let commitments = read_each(seat.others(), &inbox.broadcasts, length, read)?;
        let (secret, shares) = refresh::refresh_dkg_part2(secret, &commitments).map_err(fault)?;
        let outbox = Outbox { direct: write_shares(&shares)?, ..Outbox::default() };
        Ok(Step::Send(outbox, Box::new(Shared { seat, old, secret, commitments })))
    }
}

struct Shared {
    seat: Seat,
    old: Old,
    secret: round2::SecretPackage,
    commitments: Commitments,
}

impl Machine for Shared {
    type Outcome = KeyShare;

    fn expects(&self) -> Expected {
        Expected { direct: self.seat.others().collect(), ..Expected::default() }
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<KeyShare>, Fault> {
        let Shared { seat, old, secret, commitments } = *self;
        let shares = read_shares(&seat, &inbox)?;
        require_fitting(&seat, &commitments, &inbox)?;
        let public_key = *old.public.verifying_key();
        let (key, public) =
            refresh::refresh_dkg_shares(&secret, &commitments, &shares, old.public, old.key).map_err(fault)?;
        if *public.verifying_key() != public_key {
            return Err(failed("the refresh would change the public key"));
        }
        keep(&key, &public, seat.parameters).map(Step::Done)
    }
}

/// Checks each share as the library will, which does not say whose it was.
fn require_fitting(seat: &Seat, commitments: &Commitments, inbox: &Inbox) -> Result<(), Fault> {
    for sender in seat.others() {
        let package = commitments.get(&identifier(sender)?);
        let share = inbox.direct.get(&sender);
        let (Some(package), Some(share)) = (package, share) else { return Err(unfit(sender)) };
        if !fits(seat.me, package.commitment(), share).map_err(fault)? {
            return Err(unfit(sender));
        }
    }
    Ok(())
}

fn unfit(sender: Index) -> Fault {
    share_wrong(Some(sender), "the share does not fit the commitments")
}

/// Whether share * G = me * (C1 + me * (C2 + ...)).
fn fits(me: Index, commitments: &VerifiableSecretSharingCommitment, share: &[u8]) -> Result<bool, Error> {
    let share = share.try_into().map_err(|_| Error::DeserializationError)?;
    let (me, share) = (<Ed25519ScalarField as Field>::Scalar::from(me), Ed25519ScalarField::deserialize(&share)?);
    let mut at_me = Ed25519Group::identity();
    for commitment in commitments.serialize()?.iter().rev() {
        let commitment = commitment.as_slice().try_into().map_err(|_| Error::DeserializationError)?;
        at_me = (at_me + Ed25519Group::deserialize(&commitment)?) * me;
    }
    Ok(Ed25519Group::generator() * share == at_me)
}
