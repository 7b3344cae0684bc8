//! Signing (RFC 9591 section 5): a commitment made ahead, one share of the signature, and the sum of the shares.

use std::collections::BTreeMap;

use frost_ed25519::rand_core::{CryptoRng, RngCore};
use frost_ed25519::round1::{NonceCommitment, SigningCommitments, SigningNonces};
use frost_ed25519::round2::{self, SignatureShare};
use frost_ed25519::{aggregate_custom, CheaterDetection, Error, SigningPackage};
use hyperkms_core::request;
use hyperkms_core::verify::verify_ed25519;

use super::encoding::{read_each, POINT, SCALAR};
use super::faults::{failed, fault, set_wrong};
use super::randomness::Drawn;
use super::share::public_package;
use crate::protocol::{Fault, GroupKey, GroupSignature, Index};

pub use super::share::open;

/// The hiding and the binding point.
const COMMITMENT: usize = 2 * POINT;

/// Two signing nonces, for one share of one signature: there is no copy of them, and no form to store.
pub struct Nonces {
    // On the heap, where freed memory is wiped whatever the compiler makes of the library's own wiping.
    secret: Box<SigningNonces>,
    commitment: Vec<u8>,
    me: Index,
    public_key: Vec<u8>,
}

/// RFC 9591 section 5.1: nonces, and the commitment to them that all signers need (64 bytes: hiding and binding point).
pub fn prepare(body: &[u8], group_key: &GroupKey, me: Index) -> Result<(Nonces, Vec<u8>), Fault> {
    prepare_with(body, group_key, me, &mut Drawn::new()?)
}

pub(super) fn prepare_with(
    body: &[u8],
    group_key: &GroupKey,
    me: Index,
    random: &mut (impl RngCore + CryptoRng),
) -> Result<(Nonces, Vec<u8>), Fault> {
    let key = open(body, group_key, me)?;
    let secret = Box::new(SigningNonces::new(key.signing_share(), random));
    let commitment = write_commitment(secret.commitments()).map_err(fault)?;
    let nonces = Nonces { secret, commitment: commitment.clone(), me, public_key: group_key.public_key.clone() };
    Ok((nonces, commitment))
}

fn write_commitment(commitment: &SigningCommitments) -> Result<Vec<u8>, Error> {
    Ok([commitment.hiding().serialize()?, commitment.binding().serialize()?].concat())
}

fn read_commitment(bytes: &[u8]) -> Result<SigningCommitments, Error> {
    let (hiding, binding) = bytes.split_at(POINT);
    Ok(SigningCommitments::new(NonceCommitment::deserialize(hiding)?, NonceCommitment::deserialize(binding)?))
}

/// RFC 9591 section 5.2: our share of the group's signature of the message. The nonces are gone whatever comes of it.
///
/// Refused for what only a client's request key signs, as the core refuses it for a key that one process holds.
pub fn sign_share(
    nonces: Nonces,
    body: &[u8],
    group_key: &GroupKey,
    me: Index,
    commitments: &BTreeMap<Index, Vec<u8>>,
    message: &[u8],
) -> Result<[u8; 32], Fault> {
    request::require_no_request(message)?;
    if nonces.me != me || nonces.public_key != group_key.public_key || commitments.get(&me) != Some(&nonces.commitment)
    {
        return Err(set_wrong("our own commitment is not among those to sign with as it was made"));
    }
    let key = open(body, group_key, me)?;
    let package = signing_package(group_key, commitments, message)?;
    let share = round2::sign(&package, &nonces.secret, &key).map_err(fault)?;
    share.serialize().try_into().map_err(|_| failed("a share of a signature has 32 bytes"))
}

fn signing_package(
    group_key: &GroupKey,
    commitments: &BTreeMap<Index, Vec<u8>>,
    message: &[u8],
) -> Result<SigningPackage, Fault> {
    let parameters = group_key.parameters;
    let members = commitments.keys().all(|member| (1..=parameters.members()).contains(member));
    if !members || commitments.len() < parameters.threshold().into() {
        return Err(set_wrong("the signers must be members of the group and at least t of them"));
    }
    let commitments = read_each(commitments.keys().copied(), commitments, COMMITMENT, read_commitment)?;
    Ok(SigningPackage::new(commitments, message))
}

/// RFC 9591 section 5.3: the group's signature, verified as anyone will verify it; or whose share is wrong.
///
/// Everything here is public.
pub fn aggregate(
    group_key: &GroupKey,
    commitments: &BTreeMap<Index, Vec<u8>>,
    message: &[u8],
    shares: &BTreeMap<Index, Vec<u8>>,
) -> Result<GroupSignature, Fault> {
    let public = public_package(group_key)?;
    if !shares.keys().eq(commitments.keys()) {
        return Err(set_wrong("there must be one share of the signature of each signer"));
    }
    let package = signing_package(group_key, commitments, message)?;
    let shares = read_each(shares.keys().copied(), shares, SCALAR, SignatureShare::deserialize)?;
    let signature = aggregate_custom(&package, &shares, &public, CheaterDetection::FirstCheater).map_err(fault)?;
    let bytes = signature.serialize().map_err(fault)?;
    verify_ed25519(&group_key.public_key, message, &bytes)?;
    let bytes = bytes.try_into().map_err(|_| failed("a signature has 64 bytes"))?;
    Ok(GroupSignature { bytes, recovery_id: 0 })
}
