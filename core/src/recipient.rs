//! Who a copy of a key or of a share is encrypted to: an X25519 public key, as a line that can be read out.

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeS, Serializable};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::hex::{decode_either_case, hex};
use crate::memory::on_deeply_wiped_stack;

type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;

const PREFIX: &str = "hkr1";
const LABEL: &[u8] = b"hyperkms recovery recipient v1";
/// The key, and four bytes by which a digit that was misheard is found.
const LENGTH: usize = 36;

/// The public half; whoever holds the other half opens what is encrypted to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient(pub [u8; 32]);

impl Recipient {
    /// `hkr1-` and nine groups of eight hex digits in either case; Malformed if a digit is wrong.
    pub fn read(text: &str) -> Result<Recipient> {
        let mut groups = text.trim().split('-');
        let named = groups.next().is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX));
        let digits: Vec<&str> = groups.collect();
        let mut bytes = [0; LENGTH];
        let formed = named && digits.len() == LENGTH / 4 && digits.iter().all(|group| group.len() == 8);
        if !formed || decode_either_case(digits.concat().as_bytes(), &mut bytes).is_none() {
            return Err(malformed("a recipient is hkr1- and nine groups of eight hex digits"));
        }
        let recipient = Recipient(*bytes.first_chunk().expect("it is longer than a key"));
        if bytes[32..] != recipient.hash()[28..] {
            return Err(malformed("a digit of the recipient is wrong: have it read out again"));
        }
        Ok(recipient)
    }

    /// As `read` takes it.
    pub fn to_text(&self) -> String {
        let digits = hex(&[&self.0[..], &self.hash()[28..]].concat());
        let groups: Vec<&str> = (0..LENGTH / 4).map(|place| &digits[8 * place..8 * place + 8]).collect();
        format!("{PREFIX}-{}", groups.join("-"))
    }

    /// As people read it to each other: 8 groups of 4 hex digits, none of which stand in `to_text`.
    pub fn fingerprint(&self) -> String {
        let digits = hex(&self.hash()[..16]);
        let groups: Vec<&str> = (0..8).map(|place| &digits[4 * place..4 * place + 4]).collect();
        groups.join(" ")
    }

    /// `head`, this recipient, and the secret so encrypted that only the holder of the other half reads it: HPKE in its
    /// base mode (RFC 9180, X25519, HKDF-SHA-256, ChaCha20-Poly1305), bound to `info` and to every byte before it.
    pub fn encrypt(&self, info: &[u8], secret: &[u8], mut head: Vec<u8>) -> Result<Vec<u8>> {
        let weak = || malformed("nothing can be encrypted to this recipient: its key is a weak point");
        let key = PublicKey::from_bytes(&self.0).map_err(|_| weak())?;
        head.extend(self.0);
        let sealed = on_deeply_wiped_stack(|| {
            hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &key,
                info,
                secret,
                &head,
            )
        });
        let (encapsulated, ciphertext) = sealed.map_err(|_| weak())?;
        head.extend(&encapsulated.to_bytes()[..]);
        head.extend(&ciphertext);
        Ok(head)
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::new().chain_update(LABEL).chain_update(self.0).finalize().into()
    }
}

/// The refusal of what is no recipient.
pub fn malformed(words: &str) -> Error {
    Error::malformed("malformed-recipient", words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_written_in_either_case() {
        let made = Recipient([0xc5; 32]);
        let text = made.to_text();
        assert_eq!(Recipient::read(&text).unwrap(), made);
        assert_eq!(Recipient::read(&format!(" {}\n", text.to_uppercase())).unwrap(), made);
        assert_eq!(made.fingerprint().len(), 39);
        assert_ne!(made.fingerprint(), Recipient([0xc4; 32]).fingerprint());
    }

    #[test]
    fn one_wrong_missing_or_further_character_is_found() {
        let text = Recipient([7; 32]).to_text();
        for place in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[place] = if changed[place] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(changed).unwrap();
            assert_eq!(Recipient::read(&changed).unwrap_err().code, "malformed-recipient", "{changed}");
            assert!(Recipient::read(&text[..place]).is_err());
        }
        for wrong in ["", "hkr1", &format!("{text}0"), &format!("{text}-00000000"), &text.replace('-', "")] {
            assert!(Recipient::read(wrong).is_err(), "{wrong}");
        }
        assert!(Recipient::read(&text.replacen("07", "é", 1)).is_err());
    }
}
