//! Key copy format v1: a whole key encrypted to a recipient who is offline. docs/formats.md states every byte.
//!
//! HPKE in its base mode (RFC 9180, X25519, HKDF-SHA-256, ChaCha20-Poly1305), bound to every byte before the ciphertext.
//! Anyone can make one: who opens it compares the key with its public key, and that with what the account is known by.
//! Copies are opened by the recovery program alone, which no service loads.

use crate::error::{Error, Result};
use crate::memory::Slot;
use crate::recipient::Recipient;
use crate::sealed::{read_context, write_short, Context, Purpose, Reader};
use crate::single;

/// What HPKE binds beside the bytes of the copy.
pub const INFO: &[u8] = b"hyperkms key copy v1";
const MAGIC: &[u8; 4] = b"HKKC";
const FORMAT: u8 = 1;
/// The key, and the tag.
const CIPHERTEXT: usize = 48;

/// Encrypts a wallet's key, with what it is for, so that only the holder of the recipient's key opens it.
pub fn copy_for(secret: &Slot, context: &Context, recipient: &Recipient) -> Result<Vec<u8>> {
    if context.purpose != Purpose::PrivateKey {
        return Err(Error::refused("wrong-key-purpose", "a key of which a copy is made is a wallet's"));
    }
    let mut head = MAGIC.to_vec();
    head.push(FORMAT);
    context.write(&mut head);
    write_short(&mut head, &single::public_key(context.key_type, secret)?);
    recipient.encrypt(INFO, &secret.key()[..], head)
}

/// A copy as anyone can read it; nothing of it is to be trusted before it was opened.
#[derive(Debug)]
pub struct KeyCopy<'a> {
    pub context: Context,
    pub public_key: Vec<u8>,
    pub recipient: Recipient,
    /// The bytes that the ciphertext is bound to.
    pub bound: &'a [u8],
    pub encapsulated: &'a [u8; 32],
    pub ciphertext: &'a [u8],
}

impl<'a> KeyCopy<'a> {
    /// Whether these bytes say that they are a copy of a key, and not of a share.
    pub fn is_one(copy: &[u8]) -> bool {
        copy.starts_with(MAGIC)
    }

    /// Tampered unless it is exactly of the form.
    pub fn read(copy: &'a [u8]) -> Result<KeyCopy<'a>> {
        let mut rest = Reader(copy);
        if rest.fixed::<4>().ok() != Some(MAGIC) {
            return Err(malformed("does not start with HKKC"));
        }
        if rest.byte().ok() != Some(FORMAT) {
            return Err(malformed("is of a format that this release does not know"));
        }
        let not_formed = |_| malformed("is not of its form");
        let context = read_context(&mut rest).map_err(not_formed)?;
        let public_key = rest.short().map_err(not_formed)?.to_vec();
        let recipient = Recipient(*rest.fixed().map_err(not_formed)?);
        let bound = &copy[..copy.len() - rest.0.len()];
        let encapsulated = rest.fixed().map_err(not_formed)?;
        let fits = context.purpose == Purpose::PrivateKey
            && public_key.len() == context.key_type.public_key_len()
            && rest.0.len() == CIPHERTEXT;
        if !fits {
            return Err(malformed("is not of its form"));
        }
        Ok(KeyCopy { context, public_key, recipient, bound, encapsulated, ciphertext: rest.0 })
    }
}

fn malformed(what: &str) -> Error {
    Error::tampered("copy-malformed", format!("the copy of a key {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealed::{Binding, Origin};
    use crate::single::{generate, KeyType};

    fn context() -> Context {
        Context {
            purpose: Purpose::PrivateKey,
            wallet: "treasury".into(),
            version: 1,
            key_type: KeyType::Secp256k1,
            network: Binding::Mainnet,
            origin: Origin::Generated,
        }
    }

    #[test]
    fn anyone_reads_whose_key_it_is_and_no_key() {
        let secret = generate(KeyType::Secp256k1).unwrap();
        let copy = copy_for(&secret, &context(), &Recipient([9; 32])).unwrap();
        let read = KeyCopy::read(&copy).unwrap();
        assert_eq!((&read.context, read.recipient), (&context(), Recipient([9; 32])));
        assert_eq!(read.public_key, single::public_key(KeyType::Secp256k1, &secret).unwrap());
        assert!(!copy.windows(8).any(|window| secret.key().windows(8).any(|part| part == window)));
        assert_ne!(copy_for(&secret, &context(), &Recipient([9; 32])).unwrap(), copy);
    }

    #[test]
    fn what_is_not_of_the_form_is_refused() {
        let secret = generate(KeyType::Secp256k1).unwrap();
        let copy = copy_for(&secret, &context(), &Recipient([9; 32])).unwrap();
        for cut in 0..copy.len() {
            assert_eq!(KeyCopy::read(&copy[..cut]).unwrap_err().code, "copy-malformed", "{cut}");
        }
        assert!(KeyCopy::read(&[&copy[..], &[0]].concat()).is_err());
        for (place, value) in [(0, 0), (4, 2), (5, 2), (6, 1), (6, 9)] {
            let mut changed = copy.clone();
            changed[place] = value;
            assert_eq!(KeyCopy::read(&changed).unwrap_err().code, "copy-malformed", "byte {place}");
        }
    }

    #[test]
    fn a_weak_point_is_no_recipient_and_a_log_key_is_not_copied() {
        let secret = generate(KeyType::Secp256k1).unwrap();
        let refused = copy_for(&secret, &context(), &Recipient([0; 32])).unwrap_err();
        assert_eq!(refused.code, "malformed-recipient");
        let log = Context { purpose: Purpose::LogKey, ..context() };
        assert_eq!(copy_for(&secret, &log, &Recipient([9; 32])).unwrap_err().code, "wrong-key-purpose");
    }
}
