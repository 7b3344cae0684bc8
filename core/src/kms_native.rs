//! Keys that AWS KMS made and keeps: what it is asked to sign, and whether what it answers is a signature.
//!
//! Nothing here is secret. As elsewhere a digest is made here of what a person could read, and no answer is taken for a
//! signature before it verified under the public key of the wallet.

use secp256k1::ecdsa::Signature;
use secp256k1::PublicKey;
use sha2::{Digest as _, Sha256};

use crate::digest::Digest;
use crate::error::{Error, Result};
use crate::request;
use crate::single::{verify_secp256k1, KeyType, Public};
use crate::verify::{is_strict, verify_ed25519};

/// Bytes of a message that KMS signs as it is.
pub const LONGEST: usize = 4096;

/// SubjectPublicKeyInfo of id-ecPublicKey on secp256k1 (RFC 5480, SEC 2), up to the uncompressed point of 65 bytes.
const SECP256K1_SPKI: [u8; 23] = [
    0x30, 0x56, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00,
    0x0a, 0x03, 0x42, 0x00,
];
/// SubjectPublicKeyInfo of Ed25519 (RFC 8410 section 4), up to the 32 bytes of the key.
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The public key of a SubjectPublicKeyInfo: 32 bytes for Ed25519, 33 bytes compressed for secp256k1.
///
/// Tampered with `kms-public-key-wrong` unless it is the one DER form of a key of this type.
pub fn read_spki(key_type: KeyType, der: &[u8]) -> Result<Vec<u8>> {
    let wrong = || {
        let words = format!("AWS KMS answered with a public key that is no {} key in its one form", key_type.name());
        Error::tampered("kms-public-key-wrong", words)
    };
    match key_type {
        KeyType::Ed25519 => {
            let key = der.strip_prefix(&ED25519_SPKI).ok_or_else(wrong)?;
            let key: &[u8; 32] = key.try_into().map_err(|_| wrong())?;
            is_strict(key).then(|| key.to_vec()).ok_or_else(wrong)
        }
        KeyType::Secp256k1 => {
            let point = der.strip_prefix(&SECP256K1_SPKI).filter(|point| point.len() == 65).ok_or_else(wrong)?;
            let key = PublicKey::from_slice(point).map_err(|_| wrong())?;
            // Of the uncompressed forms there is a hybrid one as well, which begins with 6 or 7.
            (point[0] == 4).then(|| key.serialize().to_vec()).ok_or_else(wrong)
        }
    }
}

/// What a KMS key is asked to sign.
pub struct Form {
    public: Public,
    /// What the record names: the digest itself, or SHA-256 of a message.
    pub digest: [u8; 32],
    message: Option<Vec<u8>>,
}

impl Form {
    /// A digest of `digest.rs` or `typed.rs`, for a secp256k1 key.
    pub fn of_digest(public: &[u8], digest: Digest) -> Result<Form> {
        let public = Public::read(KeyType::Secp256k1, public)?;
        Ok(Form { public, digest: digest.0, message: None })
    }

    /// Bytes as they are, for an Ed25519 key; at most 4096. Refused for what only a request key signs.
    pub fn of_message(public: &[u8], message: &[u8]) -> Result<Form> {
        let public = Public::read(KeyType::Ed25519, public)?;
        request::require_no_request(message)?;
        if message.len() > LONGEST {
            let words = format!("AWS KMS signs messages of at most {LONGEST} bytes, and this has {}", message.len());
            return Err(Error::malformed("message-too-long-for-kms", words));
        }
        Ok(Form { public, digest: Sha256::digest(message).into(), message: Some(message.to_vec()) })
    }

    /// The `Message` of the call: 32 bytes with MessageType DIGEST, or the bytes themselves with RAW.
    pub fn asked(&self) -> &[u8] {
        self.message.as_deref().unwrap_or(&self.digest)
    }

    /// The signature that KMS answered, as the wallet's other ones are: 64 bytes R, S; or 65 bytes r, s, v with s low.
    ///
    /// Tampered with `kms-signature-wrong` unless it is one of this very message by this very key.
    pub fn accept(&self, answered: &[u8]) -> Result<Vec<u8>> {
        match (&self.public, &self.message) {
            (Public::Ed25519(public), Some(message)) => {
                verify_ed25519(public, message, answered).map_err(|_| wrong())?;
                Ok(answered.to_vec())
            }
            (Public::Secp256k1(public), None) => recoverable(public, &self.digest, answered),
            _ => Err(wrong()),
        }
    }
}

/// r, s and the v that leads back to the key, found by trial, of an ECDSA signature in DER.
fn recoverable(public: &[u8], digest: &[u8; 32], der: &[u8]) -> Result<Vec<u8>> {
    let compact = compact(der).ok_or_else(wrong)?;
    let mut signature = Signature::from_compact(&compact).map_err(|_| wrong())?;
    signature.normalize_s();
    let mut candidate = signature.serialize_compact().to_vec();
    candidate.push(27);
    for v in [27, 28] {
        candidate[64] = v;
        if verify_secp256k1(public, digest, &candidate).is_ok() {
            return Ok(candidate);
        }
    }
    Err(wrong())
}

/// r and s, 32 bytes each, of `SEQUENCE { r INTEGER, s INTEGER }` in DER: one form for each pair, nothing behind it.
fn compact(der: &[u8]) -> Option<[u8; 64]> {
    // With two numbers below 2^256 the content has at most 70 bytes, so that every length is a byte.
    let (&[0x30, length], content) = der.split_first_chunk()? else { return None };
    if content.len() != usize::from(length) {
        return None;
    }
    let (r, rest) = integer(content)?;
    let (s, rest) = integer(rest)?;
    let mut compact = [0; 64];
    compact[..32].copy_from_slice(&r);
    compact[32..].copy_from_slice(&s);
    rest.is_empty().then_some(compact)
}

/// A positive number of at most 256 bits in its shortest form, and what follows it.
fn integer(der: &[u8]) -> Option<([u8; 32], &[u8])> {
    let (&[0x02, length], rest) = der.split_first_chunk()? else { return None };
    let (bytes, rest) = rest.split_at_checked(usize::from(length))?;
    let magnitude = match bytes {
        [0, second, ..] if *second >= 0x80 => &bytes[1..],
        [first, ..] if (0x01..0x80).contains(first) => bytes,
        _ => return None, // none at all, negative, zero, or with a zero too many
    };
    let mut number = [0; 32];
    number[32usize.checked_sub(magnitude.len())?..].copy_from_slice(magnitude);
    Some((number, rest))
}

fn wrong() -> Error {
    let words = "what AWS KMS answered is no signature of this by the wallet's key: nothing was signed";
    Error::tampered("kms-signature-wrong", words)
}

#[cfg(test)]
mod tests;
