//! Keys that one process holds whole: Ed25519 (RFC 8032) and secp256k1 ECDSA (RFC 6979, low s).
//!
//! A secret key is the first 32 bytes of a slot: the seed of RFC 8032, or the scalar, big-endian.

use std::sync::OnceLock;

use secp256k1::ecdsa::{RecoverableSignature, RecoveryId};
use secp256k1::{All, Message, PublicKey, Secp256k1, SecretKey};

use crate::digest::keccak256;
use crate::ed25519;
use crate::error::{Error, Kind, Result};
use crate::memory::{on_wiped_stack, Slot};
use crate::request;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyType {
    Ed25519,
    Secp256k1,
}

impl KeyType {
    pub fn name(self) -> &'static str {
        match self {
            KeyType::Ed25519 => "ed25519",
            KeyType::Secp256k1 => "secp256k1",
        }
    }

    pub fn from_name(name: &str) -> Result<KeyType> {
        match name {
            "ed25519" => Ok(KeyType::Ed25519),
            "secp256k1" => Ok(KeyType::Secp256k1),
            _ => Err(Error::malformed("unknown-key-type", "the key type is neither ed25519 nor secp256k1")),
        }
    }

    /// Bytes of a public key: 32 (RFC 8032), or 33 (SEC 1 compressed).
    pub fn public_key_len(self) -> usize {
        match self {
            KeyType::Ed25519 => 32,
            KeyType::Secp256k1 => 33,
        }
    }
}

/// A recoverable ECDSA signature: r and s are 32 bytes big-endian, s is low, v is 27 or 28.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EcdsaSignature {
    pub r: [u8; 32],
    pub s: [u8; 32],
    pub v: u8,
}

/// A public key.
pub enum Public {
    Ed25519([u8; 32]),
    Secp256k1([u8; 33]),
}

impl Public {
    /// 32 bytes for Ed25519, 33 bytes compressed for secp256k1.
    pub fn read(key_type: KeyType, bytes: &[u8]) -> Result<Public> {
        match key_type {
            KeyType::Ed25519 => Ok(Public::Ed25519(bytes.try_into().map_err(|_| bad_public())?)),
            KeyType::Secp256k1 => Ok(Public::Secp256k1(bytes.try_into().map_err(|_| bad_public())?)),
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Public::Ed25519(bytes) => bytes,
            Public::Secp256k1(bytes) => bytes,
        }
    }
}

/// A new secret key, uniformly random.
pub fn generate(key_type: KeyType) -> Result<Slot> {
    loop {
        let secret = Slot::random()?;
        // A scalar of 0 or past the group order has a chance of 2^-128; drawing again keeps uniformity.
        if key_type == KeyType::Ed25519 || check_secret(key_type, &secret).is_ok() {
            return Ok(secret);
        }
    }
}

/// Refuses what is no secret key of the type: a scalar that is 0 or not below the group order.
pub fn check_secret(key_type: KeyType, secret: &Slot) -> Result<()> {
    match key_type {
        KeyType::Ed25519 => Ok(()),
        KeyType::Secp256k1 => on_wiped_stack(|| open_scalar(secret).map(Opened::forget)),
    }
}

/// The public key: 32 bytes for Ed25519, 33 bytes compressed for secp256k1.
pub fn public_key(key_type: KeyType, secret: &Slot) -> Result<Vec<u8>> {
    on_wiped_stack(|| match key_type {
        KeyType::Ed25519 => Ok(ed25519::public_key(secret.key()).to_vec()),
        KeyType::Secp256k1 => {
            let scalar = open_scalar(secret)?;
            Ok(PublicKey::from_secret_key(context()?, &scalar.0).serialize().to_vec())
        }
    })
}

/// RFC 8032 section 5.1.6; `public` must be the secret's own public key, of Ed25519.
///
/// A handle derives `public` from its secret when it is opened. A foreign one would leak the secret
/// (two signatures with one nonce), which is why no caller outside the core can name it.
/// Refused for what only a request key signs: whoever may let this wallet sign bytes could else ask as a client.
pub fn sign_ed25519(secret: &Slot, public: &Public, message: &[u8]) -> Result<[u8; 64]> {
    let Public::Ed25519(public) = public else { return Err(bad_public()) };
    request::require_no_request(message)?;
    on_wiped_stack(|| ed25519::sign(secret.key(), public, message))
        .ok_or_else(|| Error::unavailable("signing-failed", "the Ed25519 library did not sign"))
}

/// ECDSA over a digest with the RFC 6979 nonce (HMAC-SHA-256), s in the lower half.
pub fn sign_secp256k1(secret: &Slot, digest: &[u8; 32]) -> Result<EcdsaSignature> {
    on_wiped_stack(|| {
        let scalar = open_scalar(secret)?;
        let message = Message::from_digest(*digest);
        Ok(split(&context()?.sign_ecdsa_recoverable(message, &scalar.0)))
    })
}

/// The Ethereum address of a public key: the last 20 bytes of keccak256(x, y).
pub fn address(compressed: &[u8]) -> Result<[u8; 20]> {
    let key = PublicKey::from_slice(compressed).map_err(|_| bad_public())?;
    let hash = keccak256(&key.serialize_uncompressed()[1..]);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    Ok(address)
}

/// Tampered with `signature-wrong` unless the 65 bytes r, s, v are a signature of the digest by this key, with s in the
/// lower half and the v that leads back to the key.
pub fn verify_secp256k1(public: &[u8], digest: &[u8; 32], signature: &[u8]) -> Result<()> {
    let wrong = || Error::tampered("signature-wrong", "the signature is not one of this digest by this key");
    let (Some(v), Some(compact)) = (signature.get(64), signature.get(..64)) else { return Err(wrong()) };
    let id = v.checked_sub(27).and_then(|id| RecoveryId::try_from(i32::from(id)).ok());
    let (Some(id), 65) = (id, signature.len()) else { return Err(wrong()) };
    let signature = RecoverableSignature::from_compact(compact, id).map_err(|_| wrong())?;
    let mut low = signature.to_standard();
    low.normalize_s();
    let recovered = context()?.recover_ecdsa(Message::from_digest(*digest), &signature).map_err(|_| wrong())?;
    if low != signature.to_standard() || recovered.serialize() != public {
        return Err(wrong());
    }
    Ok(())
}

fn split(signature: &RecoverableSignature) -> EcdsaSignature {
    let (recovery, bytes) = signature.serialize_compact();
    let (mut r, mut s) = ([0; 32], [0; 32]);
    r.copy_from_slice(&bytes[..32]);
    s.copy_from_slice(&bytes[32..]);
    // With s low and r below the group order's complement, the id is 0 or 1 but for a chance of 2^-127.
    EcdsaSignature { r, s, v: 27 + (i32::from(recovery) as u8) }
}

/// A scalar outside the arena for the length of one computation, erased when dropped.
struct Opened(SecretKey);

impl Opened {
    fn forget(self) {}
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.non_secure_erase();
    }
}

fn open_scalar(secret: &Slot) -> Result<Opened> {
    SecretKey::from_byte_array(*secret.key())
        .map(Opened)
        .map_err(|_| Error::malformed("invalid-private-key", "the scalar is 0 or not below the group order"))
}

/// libsecp256k1's context, blinded once with fresh randomness against side channels.
fn context() -> Result<&'static Secp256k1<All>> {
    static CONTEXT: OnceLock<Result<Secp256k1<All>>> = OnceLock::new();
    CONTEXT
        .get_or_init(|| {
            let mut seed = Slot::random()?;
            let mut context = Secp256k1::new();
            on_wiped_stack(|| context.seeded_randomize(seed.key()));
            seed.fill(0);
            Ok(context)
        })
        .as_ref()
        .map_err(Clone::clone)
}

fn bad_public() -> Error {
    Error::new(Kind::Tampered, "invalid-public-key", "the recorded public key is not a point of its curve")
}
