//! Distributed key generation: two rounds of all members, after which each has a share of a key that nobody has.
//!
//! `frost_ed25519::keys::dkg`: figure 1 of the FROST paper (eprint 2020/852), Pedersen's with proofs of knowledge.
//! Round 0, to all: t commitments to coefficients and a proof of knowledge of the first (point and scalar).
//! Round 1, to each: the sender's polynomial at the receiver's identifier.

use std::collections::BTreeMap;

use frost_ed25519::keys::dkg::{self, round1, round2};
use frost_ed25519::keys::{SigningShare, VerifiableSecretSharingCommitment};
use frost_ed25519::rand_core::{CryptoRng, RngCore};
use frost_ed25519::{Error, Identifier, Signature};

use super::encoding::{identifier, member, read_each, write_share, POINT, SCALAR};
use super::faults::{failed, fault};
use super::randomness::Drawn;
use super::share::{keep, require_everyone};
use crate::protocol::{Expected, Fault, Inbox, Index, KeyShare, Machine, Outbox, Running, Seat, Secret, Step};

type Commitments = BTreeMap<Identifier, round1::Package>;

/// All members end with the same group key, or one that was given something wrong names who gave it.
pub fn start(seat: Seat) -> Result<(Outbox, Running<KeyShare>), Fault> {
    start_with(seat, Drawn::new()?)
}

pub(super) fn start_with(seat: Seat, random: impl RngCore + CryptoRng) -> Result<(Outbox, Running<KeyShare>), Fault> {
    require_everyone(&seat)?;
    let (members, threshold) = (seat.parameters.members(), seat.parameters.threshold());
    let (secret, package) =
        dkg::part1(identifier(seat.me)?, members.into(), threshold.into(), random).map_err(fault)?;
    let broadcast = Some(write_package(&package).map_err(fault)?);
    Ok((Outbox { broadcast, ..Outbox::default() }, Box::new(Committed { seat, secret })))
}

fn write_package(package: &round1::Package) -> Result<Vec<u8>, Error> {
    Ok([package.commitment().serialize_whole()?, package.proof_of_knowledge().serialize()?].concat())
}

fn read_package(bytes: &[u8]) -> Result<round1::Package, Error> {
    let (commitments, proof) = bytes.split_at(bytes.len() - POINT - SCALAR);
    let commitments = VerifiableSecretSharingCommitment::deserialize_whole(commitments)?;
    Ok(round1::Package::new(commitments, Signature::deserialize(proof)?))
}

struct Committed {
    seat: Seat,
    secret: round1::SecretPackage,
}

impl Machine for Committed {
    type Outcome = KeyShare;

    fn expects(&self) -> Expected {
        Expected { broadcasts: self.seat.others().collect(), ..Expected::default() }
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<KeyShare>, Fault> {
        let Committed { seat, secret } = *self;
        let length = usize::from(seat.parameters.threshold()) * POINT + POINT + SCALAR;
        let commitments = read_each(seat.others(), &inbox.broadcasts, length, read_package)?;
        let (secret, shares) = dkg::part2(secret, &commitments).map_err(fault)?;
        let outbox = Outbox { direct: write_shares(&shares)?, ..Outbox::default() };
        Ok(Step::Send(outbox, Box::new(Shared { seat, secret, commitments })))
    }
}

pub(super) fn write_shares(shares: &BTreeMap<Identifier, round2::Package>) -> Result<BTreeMap<Index, Secret>, Fault> {
    let written = |(receiver, share): (_, &round2::Package)| {
        let receiver = member(receiver).ok_or_else(|| failed("a share was made for nobody"))?;
        Ok((receiver, write_share(share.signing_share())))
    };
    shares.iter().map(written).collect()
}

pub(super) fn read_shares(seat: &Seat, inbox: &Inbox) -> Result<BTreeMap<Identifier, round2::Package>, Fault> {
    let read = |bytes: &[u8]| SigningShare::deserialize(bytes).map(round2::Package::new);
    read_each(seat.others(), &inbox.direct, SCALAR, read)
}

struct Shared {
    seat: Seat,
    secret: round2::SecretPackage,
    commitments: Commitments,
}

impl Machine for Shared {
    type Outcome = KeyShare;

    fn expects(&self) -> Expected {
        Expected { direct: self.seat.others().collect(), ..Expected::default() }
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<KeyShare>, Fault> {
        let shares = read_shares(&self.seat, &inbox)?;
        let (key, public) = dkg::part3(&self.secret, &self.commitments, &shares).map_err(fault)?;
        keep(&key, &public, self.seat.parameters).map(Step::Done)
    }
}
