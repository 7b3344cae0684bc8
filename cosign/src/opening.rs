//! How a session begins: each member contributes 32 fresh random bytes and a key for this session alone.
//!
//! An opening is signed by the identity key, over the topic: what the session is about, to the last byte. Members that
//! were told different things do not begin. The session id is a hash of all contributions, one's own among them, so no
//! id that anyone chose is ever accepted.

use std::collections::{BTreeMap, BTreeSet};

use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, Serializable};
use hyperkms_core::error::{Error, Result};
use hyperkms_core::memory::fill_random;
use hyperkms_core::sealed::Reader;
use sha2::{Digest as _, Sha256};

use crate::group::Group;
use crate::identity::{self, Identity};
use crate::protocol::Index;

pub(crate) type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
pub(crate) type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;

const MAGIC: &[u8; 4] = b"HKCO";
const FORMAT: u8 = 1;
const LABEL: &[u8] = b"hyperkms cosigner opening v1\n";
const SESSION: &[u8] = b"hyperkms cosigner session v1\n";

/// What a member opens with, as every other member reads it.
#[derive(Clone)]
pub(crate) struct Opening {
    index: Index,
    contribution: [u8; 32],
    pub(crate) key: PublicKey,
    topic: [u8; 32],
}

/// One's own opening, with the key behind it.
pub(crate) struct Own {
    pub(crate) bytes: Vec<u8>,
    opening: Opening,
    pub(crate) secret: PrivateKey,
}

/// All openings of a session.
pub(crate) struct Begun {
    pub(crate) session: [u8; 32],
    pub(crate) keys: BTreeMap<Index, PublicKey>,
}

impl Opening {
    fn signed_part(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend([FORMAT, self.index]);
        out.extend(self.contribution);
        out.extend(&self.key.to_bytes()[..]);
        out.extend(self.topic);
        out
    }

    /// Tampered unless it is a member's own, for this topic.
    fn read(bytes: &[u8], group: &Group, topic: &[u8; 32]) -> Result<Opening> {
        let mut rest = Reader(bytes);
        if rest.fixed::<4>()? != MAGIC || rest.byte()? != FORMAT {
            return Err(malformed());
        }
        let index = rest.byte()?;
        let contribution = *rest.fixed()?;
        let key = PublicKey::from_bytes(rest.fixed::<32>()?).map_err(|_| malformed())?;
        let opening = Opening { index, contribution, key, topic: *rest.fixed()? };
        let signature = rest.fixed::<64>()?;
        if !rest.0.is_empty() {
            return Err(malformed());
        }
        let identity = group.identity(index).ok_or_else(malformed)?;
        identity::verify(identity, LABEL, &[&opening.signed_part()], signature).map_err(|_| {
            Error::tampered("opening-not-authentic", format!("the opening of cosigner {index} was not signed by it"))
        })?;
        if opening.topic != *topic {
            let words = format!("cosigner {index} was asked for something else than this one");
            return Err(Error::tampered("openings-differ", words));
        }
        Ok(opening)
    }
}

impl Own {
    pub(crate) fn make(identity: &Identity, me: Index, topic: [u8; 32]) -> Result<Own> {
        let mut contribution = [0; 32];
        fill_random(&mut contribution)?;
        let (secret, key) = X25519HkdfSha256::gen_keypair();
        let opening = Opening { index: me, contribution, key, topic };
        let signed = opening.signed_part();
        let signature = identity.sign(LABEL, &[&signed])?;
        Ok(Own { bytes: [&signed[..], &signature].concat(), opening, secret })
    }

    /// Exactly one opening of every other member of the set.
    pub(crate) fn begin(&self, group: &Group, set: &BTreeSet<Index>, others: &[Vec<u8>]) -> Result<Begun> {
        let mut openings = BTreeMap::from([(self.opening.index, self.opening.clone())]);
        for bytes in others {
            let opening = Opening::read(bytes, group, &self.opening.topic)?;
            if openings.insert(opening.index, opening).is_some() {
                return Err(Error::tampered("openings-incomplete", "two openings are of one cosigner"));
            }
        }
        if !openings.keys().eq(set.iter()) {
            return Err(Error::tampered("openings-incomplete", "the openings are not those of the set"));
        }
        let mut hash = Sha256::new();
        hash.update(SESSION);
        hash.update(self.opening.topic);
        openings.values().for_each(|opening| hash.update(opening.signed_part()));
        let keys = openings.into_iter().map(|(index, opening)| (index, opening.key)).collect();
        Ok(Begun { session: hash.finalize().into(), keys })
    }
}

fn malformed() -> Error {
    Error::tampered("opening-malformed", "an opening is not of its form")
}
