//! First-system share copy format v1: a share of the first system, as KMS gave it back, encrypted to a recipient who is
//! offline. docs/formats.md states every byte.
//!
//! HPKE in its base mode (RFC 9180, X25519, HKDF-SHA-256, ChaCha20-Poly1305), bound to every byte before the ciphertext.
//! Nothing tells whether a share is sound before two of them are put together, which the recovery program alone does.

use crate::error::{Error, Result};
use crate::memory::Slot;
use crate::recipient::Recipient;
use crate::sealed::{write_short, Reader};

/// What HPKE binds beside the bytes of the copy.
pub const INFO: &[u8] = b"hyperkms first system share copy v1";
const MAGIC: &[u8; 4] = b"HKFS";
const FORMAT: u8 = 1;
const TAG: usize = 16;
/// Characters of a share: it has 163.
pub const MOST: usize = 512;

/// Encrypts the text of a share, so that only the holder of the recipient's key reads it.
pub fn copy_for(share: &Slot, length: usize, wallet: &str, recipient: &Recipient) -> Result<Vec<u8>> {
    if !(1..=MOST).contains(&length) || !(1..=255).contains(&wallet.len()) {
        return Err(Error::tampered(
            "first-system-share-malformed",
            "what KMS decrypts is no share: 1 to 512 characters",
        ));
    }
    let mut head = MAGIC.to_vec();
    head.push(FORMAT);
    write_short(&mut head, wallet.as_bytes());
    recipient.encrypt(INFO, &share[..length], head)
}

/// A copy as anyone can read it; nothing of it is to be trusted before it was opened.
#[derive(Debug)]
pub struct ShareTextCopy<'a> {
    pub wallet: String,
    pub recipient: Recipient,
    /// The bytes that the ciphertext is bound to.
    pub bound: &'a [u8],
    pub encapsulated: &'a [u8; 32],
    pub ciphertext: &'a [u8],
}

impl<'a> ShareTextCopy<'a> {
    /// Tampered unless it is exactly of the form.
    pub fn read(copy: &'a [u8]) -> Result<ShareTextCopy<'a>> {
        let mut rest = Reader(copy);
        if rest.fixed::<4>().ok() != Some(MAGIC) || rest.byte().ok() != Some(FORMAT) {
            return Err(malformed());
        }
        let not_formed = |_| malformed();
        let wallet = rest.text().map_err(not_formed)?;
        let recipient = Recipient(*rest.fixed().map_err(not_formed)?);
        let bound = &copy[..copy.len() - rest.0.len()];
        let encapsulated = rest.fixed().map_err(not_formed)?;
        if wallet.is_empty() || !(1 + TAG..=MOST + TAG).contains(&rest.0.len()) {
            return Err(malformed());
        }
        Ok(ShareTextCopy { wallet, recipient, bound, encapsulated, ciphertext: rest.0 })
    }
}

fn malformed() -> Error {
    Error::tampered("copy-malformed", "the copy of a share of the first system is not of its form")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share() -> Slot {
        let mut share = Slot::take().unwrap();
        share[..163].fill(b'8');
        share
    }

    #[test]
    fn anyone_reads_whose_it_is_and_no_share() {
        let copy = copy_for(&share(), 163, "bot", &Recipient([9; 32])).unwrap();
        let read = ShareTextCopy::read(&copy).unwrap();
        assert_eq!((read.wallet.as_str(), read.recipient), ("bot", Recipient([9; 32])));
        assert_eq!(read.ciphertext.len(), 163 + TAG);
        assert!(!copy.windows(8).any(|window| window == b"88888888"));
    }

    #[test]
    fn what_is_not_of_the_form_is_refused() {
        let copy = copy_for(&share(), 1, "bot", &Recipient([9; 32])).unwrap();
        for cut in 0..copy.len() {
            assert_eq!(ShareTextCopy::read(&copy[..cut]).unwrap_err().code, "copy-malformed", "{cut}");
        }
        let long = copy_for(&share(), MOST, "bot", &Recipient([9; 32])).unwrap();
        assert!(ShareTextCopy::read(&long).is_ok());
        assert!(ShareTextCopy::read(&[&long[..], &[0]].concat()).is_err());
        for length in [0, MOST + 1] {
            let refused = copy_for(&share(), length, "bot", &Recipient([9; 32])).unwrap_err();
            assert_eq!(refused.code, "first-system-share-malformed");
        }
        assert_eq!(copy_for(&share(), 1, "bot", &Recipient([0; 32])).unwrap_err().code, "malformed-recipient");
    }
}
