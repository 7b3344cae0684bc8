//! Private keys of the first system, as AWS KMS gives them back: taken out of its answer, and checked.
//!
//! The first system had KMS encrypt 128 hex digits: the Ed25519 seed of 32 bytes and its public key. Nothing but a key
//! whose two halves belong together, and to the recorded public key, comes out of here.

use base64ct::{Base64, Encoding};
use subtle::ConstantTimeEq;

use crate::error::{Error, Result};
use crate::first_system_share::MOST;
use crate::hex::decode_either_case;
use crate::memory::{on_wiped_stack, Slot};
use crate::single::{public_key, KeyType};

const SEED: usize = 32;
const KEY: usize = 64;

/// A seed in a slot, with the public key that was derived from it.
pub struct Key {
    pub seed: Slot,
    pub public_key: Vec<u8>,
}

impl Key {
    /// Reads the base64 of a plaintext of KMS; None unless it is exactly a key of the first system.
    pub fn read(text: &str) -> Result<Option<Key>> {
        let (mut digits, mut pair) = (Slot::take()?, Slot::take()?);
        let read = on_wiped_stack(|| {
            let length = Base64::decode(text, &mut digits[..=2 * KEY]).ok()?.len();
            decode_either_case(&digits[..length], &mut pair[..KEY])
        });
        if read.is_none() {
            return Ok(None);
        }
        let mut seed = Slot::take()?;
        seed[..SEED].copy_from_slice(&pair[..SEED]);
        let public_key = public_key(KeyType::Ed25519, &seed)?;
        let belongs = bool::from(pair[SEED..KEY].ct_eq(&public_key));
        Ok(belongs.then_some(Key { seed, public_key }))
    }
}

/// The text of a share in a slot, with its length; None if it is longer than any, or no base64.
pub fn read_share(text: &str) -> Result<Option<(Slot, usize)>> {
    let mut share = Slot::take()?;
    let length = on_wiped_stack(|| Base64::decode(text, &mut share[..=MOST]).ok().map(<[u8]>::len));
    Ok(length.filter(|length| *length <= MOST).map(|length| (share, length)))
}

/// Tampered unless the key was one, and is the recorded one, as far as a public key is recorded.
pub fn require_recorded<'a>(found: Option<&'a [u8]>, recorded: Option<&[u8]>) -> Result<&'a [u8]> {
    let malformed = || {
        let words =
            "what KMS decrypts is no key of the first system: 128 hex digits, the Ed25519 seed and its public key";
        Error::tampered("first-system-key-malformed", words)
    };
    let found = found.ok_or_else(malformed)?;
    if recorded.is_some_and(|recorded| recorded != found) {
        let words = "the private key has another public key than the one that is recorded for it";
        return Err(Error::tampered("first-system-key-mismatch", words));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hex::{hex, unhex};

    // RFC 8032, section 7.1, test 1.
    const SEED_DIGITS: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
    const PUBLIC_DIGITS: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn read(text: &str) -> Option<Key> {
        Key::read(&Base64::encode_string(text.as_bytes())).unwrap()
    }

    #[test]
    fn a_seed_and_its_public_key_are_read_in_either_case() {
        let digits = format!("{SEED_DIGITS}{PUBLIC_DIGITS}");
        for text in [&digits, &digits.to_uppercase()] {
            let key = read(text).unwrap();
            assert_eq!(hex(key.seed.key()), SEED_DIGITS);
            assert_eq!(hex(&key.public_key), PUBLIC_DIGITS);
        }
    }

    #[test]
    fn every_cut_every_other_digit_and_every_other_form_is_none() {
        let digits = format!("{SEED_DIGITS}{PUBLIC_DIGITS}");
        for end in 0..digits.len() {
            assert!(read(&digits[..end]).is_none(), "{end}");
        }
        for place in 0..digits.len() {
            let mut changed = digits.clone();
            let other = if &digits[place..=place] == "0" { "1" } else { "0" };
            changed.replace_range(place..=place, other);
            assert!(read(&changed).is_none(), "{place}");
        }
        for text in [format!("0x{digits}"), format!("{digits}\n"), format!("{digits}00"), digits.repeat(8)] {
            assert!(read(&text).is_none(), "{}", text.len());
        }
        for text in ["", "*", &digits] {
            assert!(Key::read(text).unwrap().is_none());
        }
    }

    #[test]
    fn a_key_that_is_not_the_recorded_one_is_refused() {
        let public: [u8; 32] = unhex(PUBLIC_DIGITS.as_bytes()).unwrap();
        assert_eq!(require_recorded(Some(&public), Some(&public)).unwrap(), public);
        assert_eq!(require_recorded(Some(&public), None).unwrap(), public);
        for recorded in [&[7; 32][..], &public[..31], b""] {
            let refused = require_recorded(Some(&public), Some(recorded)).unwrap_err();
            assert_eq!(refused.code, "first-system-key-mismatch");
        }
        assert_eq!(require_recorded(None, None).unwrap_err().code, "first-system-key-malformed");
    }
}
