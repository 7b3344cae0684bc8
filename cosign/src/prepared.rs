//! Ed25519 in one round trip: commitments that are handed out ahead, and shares of signatures, each signed by its maker.
//!
//! The nonces behind a commitment stay with the share that made them, are taken out before they are used, and so are
//! used at most once: two signatures with one nonce would give the share away.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyperkms_core::error::{Error, Kind, Result};
use hyperkms_core::memory::{fill_random, on_deeply_wiped_stack};
use hyperkms_core::sealed::Reader;
use sha2::{Digest as _, Sha256};

use crate::form::Form;
use crate::frost::signing::{self, Nonces};
use crate::group::Group;
use crate::identity::{self, Identity};
use crate::protocol::{Fault, GroupKey, GroupSignature, Index};
use crate::share_context::ShareContext;

const MAGIC: &[u8; 4] = b"HKCC";
const SHARE_MAGIC: &[u8; 4] = b"HKCG";
const FORMAT: u8 = 1;
const LABEL: &[u8] = b"hyperkms cosigner commitment v1\n";
const SHARE_LABEL: &[u8] = b"hyperkms cosigner signature share v1\n";
const SESSION: &[u8] = b"hyperkms cosigner prepared session v1\n";
/// Commitments kept for the same signers; of more the oldest is let go of.
const MOST: usize = 16;
/// Sets of signers that commitments are kept for; a group of five has no more than this.
const MOST_SETS: usize = 16;
const LONGEST: Duration = Duration::from_secs(60);

/// What a member hands out ahead: an id that it contributes to the session, and the commitment.
#[derive(Clone, PartialEq, Eq)]
struct Commitment {
    index: Index,
    id: [u8; 32],
    topic: [u8; 32],
    points: [u8; 64],
}

impl Commitment {
    fn signed_part(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend([FORMAT, self.index]);
        out.extend(self.id);
        out.extend(self.topic);
        out.extend(self.points);
        out
    }

    fn read(bytes: &[u8]) -> Result<(Commitment, &[u8; 64])> {
        let mut rest = Reader(bytes);
        if rest.fixed::<4>()? != MAGIC || rest.byte()? != FORMAT {
            return Err(malformed());
        }
        let (index, id, topic, points) = (rest.byte()?, *rest.fixed()?, *rest.fixed()?, *rest.fixed()?);
        let signature = rest.fixed()?;
        if rest.0.is_empty() {
            Ok((Commitment { index, id, topic, points }, signature))
        } else {
            Err(malformed())
        }
    }

    /// Tampered unless it is a member's own, for this share and these signers.
    fn verified(bytes: &[u8], group: &Group, topic: &[u8; 32]) -> Result<Commitment> {
        let (commitment, signature) = Commitment::read(bytes)?;
        let identity = group.identity(commitment.index).ok_or_else(malformed)?;
        identity::verify(identity, LABEL, &[&commitment.signed_part()], signature)
            .map_err(|_| not_authentic("commitment", commitment.index))?;
        if commitment.topic == *topic {
            Ok(commitment)
        } else {
            let words = format!("the commitment of cosigner {} is for another key or other signers", commitment.index);
            Err(Error::tampered("commitment-misplaced", words))
        }
    }
}

/// The commitments of one signature, one of each signer.
struct Together {
    session: [u8; 32],
    by_member: BTreeMap<Index, Commitment>,
}

impl Together {
    fn read(
        bytes: &[Vec<u8>],
        group: &Group,
        context: &ShareContext,
        group_key: &GroupKey,
        signers: &BTreeSet<Index>,
    ) -> Result<Together> {
        context.require_group(group)?;
        let topic = topic(context, group_key, signers);
        let mut by_member = BTreeMap::new();
        for each in bytes {
            let commitment = Commitment::verified(each, group, &topic)?;
            if by_member.insert(commitment.index, commitment).is_some() {
                return Err(Error::tampered("commitments-incomplete", "two commitments are of one cosigner"));
            }
        }
        if !by_member.keys().eq(signers.iter()) {
            return Err(Error::tampered("commitments-incomplete", "the commitments are not those of the signers"));
        }
        Ok(Together { session: session_id(by_member.values()), by_member })
    }

    fn points(&self) -> BTreeMap<Index, Vec<u8>> {
        self.by_member.iter().map(|(index, commitment)| (*index, commitment.points.to_vec())).collect()
    }
}

/// The session id that these commitments make, in whatever order they are given.
pub fn session_of(commitments: &[Vec<u8>]) -> Result<[u8; 32]> {
    let read: Result<BTreeMap<Index, Commitment>> = commitments
        .iter()
        .map(|bytes| Commitment::read(bytes).map(|(commitment, _)| (commitment.index, commitment)))
        .collect();
    Ok(session_id(read?.values()))
}

fn session_id<'a>(commitments: impl Iterator<Item = &'a Commitment>) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(SESSION);
    commitments.for_each(|commitment| hash.update(commitment.signed_part()));
    hash.finalize().into()
}

/// The key and the signers that a commitment is for; a wallet's key may be generated twice before one is in force.
fn topic(context: &ShareContext, group_key: &GroupKey, signers: &BTreeSet<Index>) -> [u8; 32] {
    let mut out = LABEL.to_vec();
    context.write_shared(&mut out);
    out.extend(group_key.to_bytes());
    out.push(signers.len() as u8);
    out.extend(signers);
    Sha256::digest(&out).into()
}

/// Nonces that wait for their one use.
#[derive(Default)]
pub struct Waiting(Mutex<BTreeMap<[u8; 32], VecDeque<Kept>>>);

struct Kept {
    commitment: Commitment,
    nonces: Nonces,
    made: Instant,
}

impl Waiting {
    fn keep(&self, kept: Kept) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|_, same| {
            same.retain(|each| each.made.elapsed() < LONGEST);
            !same.is_empty()
        });
        while waiting.len() >= MOST_SETS && !waiting.contains_key(&kept.commitment.topic) {
            waiting.pop_first();
        }
        let same = waiting.entry(kept.commitment.topic).or_default();
        if same.len() == MOST {
            same.pop_front();
        }
        same.push_back(kept);
    }

    /// Takes the nonces of exactly this commitment; whoever comes second finds none.
    fn take(&self, commitment: &Commitment) -> Result<Nonces> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = waiting.get_mut(&commitment.topic).and_then(|same| {
            let place = same.iter().position(|each| each.commitment == *commitment)?;
            same.remove(place)
        });
        match found {
            Some(kept) if kept.made.elapsed() < LONGEST => Ok(kept.nonces),
            _ => {
                let words = "this commitment was used, is too old, or was never made here";
                Err(Error::new(Kind::Conflict, "commitment-used", words))
            }
        }
    }

    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A share that is at hand for signing.
#[derive(Clone, Copy)]
pub struct Own<'a> {
    pub identity: &'a Identity,
    pub group: &'a Group,
    pub context: &'a ShareContext,
    pub group_key: &'a GroupKey,
    pub body: &'a [u8],
}

/// A commitment for these signers: its id, and the bytes to hand out.
pub fn prepare(
    own: Own<'_>,
    waiting: &Waiting,
    signers: &BTreeSet<Index>,
) -> std::result::Result<([u8; 32], Vec<u8>), Fault> {
    own.context.require_group(own.group)?;
    own.group.require_member(own.context.index, &own.identity.public)?;
    let mut id = [0; 32];
    fill_random(&mut id)?;
    let (nonces, points) = on_deeply_wiped_stack(|| signing::prepare(own.body, own.group_key, own.context.index))?;
    let points = points.try_into().map_err(|_| malformed())?;
    let commitment =
        Commitment { index: own.context.index, id, topic: topic(own.context, own.group_key, signers), points };
    let signed = commitment.signed_part();
    let signature = own.identity.sign(LABEL, &[&signed])?;
    waiting.keep(Kept { commitment, nonces, made: Instant::now() });
    Ok((id, [&signed[..], &signature].concat()))
}

/// This member's share of a signature, signed by it. Its nonces are used up whatever the outcome.
pub fn sign_share(
    own: Own<'_>,
    waiting: &Waiting,
    signers: &BTreeSet<Index>,
    commitments: &[Vec<u8>],
    form: &Form,
) -> std::result::Result<Vec<u8>, Fault> {
    let me = own.context.index;
    let nonces = commitments
        .iter()
        .filter_map(|bytes| Commitment::read(bytes).ok())
        .find(|(commitment, _)| commitment.index == me)
        .ok_or_else(|| Error::tampered("commitments-incomplete", "no commitment is of this cosigner"))
        .and_then(|(commitment, _)| waiting.take(&commitment))?;
    form.require_fitting(own.context)?;
    let together = Together::read(commitments, own.group, own.context, own.group_key, signers)?;
    let points = together.points();
    let share =
        on_deeply_wiped_stack(|| signing::sign_share(nonces, own.body, own.group_key, me, &points, form.message()))?;
    let signed = share_bytes(me, &together, form, &share);
    let signature = own.identity.sign(SHARE_LABEL, &[&signed])?;
    Ok([&signed[..], &signature].concat())
}

/// The signature of the group, verified; a wrong share or commitment names its maker.
pub fn aggregate(
    group: &Group,
    context: &ShareContext,
    group_key: &GroupKey,
    signers: &BTreeSet<Index>,
    commitments: &[Vec<u8>],
    form: &Form,
    shares: &[Vec<u8>],
) -> std::result::Result<GroupSignature, Fault> {
    let together = Together::read(commitments, group, context, group_key, signers)?;
    let mut by_member = BTreeMap::new();
    for bytes in shares {
        let (index, share) = read_share(bytes, group, &together, form)?;
        if by_member.insert(index, share.to_vec()).is_some() {
            return Err(Error::tampered("shares-incomplete", "two shares of the signature are of one cosigner").into());
        }
    }
    if !by_member.keys().eq(signers.iter()) {
        return Err(
            Error::tampered("shares-incomplete", "the shares of the signature are not those of the signers").into()
        );
    }
    signing::aggregate(group_key, &together.points(), form.message(), &by_member)
}

fn share_bytes(index: Index, together: &Together, form: &Form, share: &[u8; 32]) -> Vec<u8> {
    let mut out = SHARE_MAGIC.to_vec();
    out.extend([FORMAT, index]);
    out.extend(together.session);
    out.extend(form.digest);
    out.extend(share);
    out
}

fn read_share(bytes: &[u8], group: &Group, together: &Together, form: &Form) -> Result<(Index, [u8; 32])> {
    let mut rest = Reader(bytes);
    let head = (rest.fixed::<4>()?, rest.byte()?);
    let index = rest.byte()?;
    let (session, digest, share) = (rest.fixed::<32>()?, rest.fixed::<32>()?, *rest.fixed::<32>()?);
    let signature = rest.fixed::<64>()?;
    if head != (SHARE_MAGIC, FORMAT) || !rest.0.is_empty() {
        return Err(malformed());
    }
    let identity = group.identity(index).ok_or_else(malformed)?;
    let signed = &bytes[..bytes.len() - 64];
    identity::verify(identity, SHARE_LABEL, &[signed], signature)
        .map_err(|_| not_authentic("share of a signature", index))?;
    if *session != together.session || *digest != form.digest {
        let words = format!("the share of a signature of cosigner {index} is of another session");
        return Err(Error::tampered("share-of-another-session", words));
    }
    Ok((index, share))
}

fn malformed() -> Error {
    Error::tampered("message-malformed", "a commitment or a share of a signature is not of its form")
}

fn not_authentic(what: &str, index: Index) -> Error {
    let words = format!("a {what} that names cosigner {index} was not signed by it");
    Error::tampered("message-not-authentic", words)
}
