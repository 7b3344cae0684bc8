//! Share copy format v1: a share encrypted to a recipient who is no cosigner. docs/formats.md states every byte.
//!
//! HPKE in its base mode (RFC 9180, X25519, HKDF-SHA-256, ChaCha20-Poly1305), bound to every byte before the ciphertext.
//! Anyone can make one: who opens it compares the share with the group key, and the group key with what the wallet is
//! known by. Copies are opened by the recovery program alone, which no cosigner loads.

use hyperkms_core::error::{Error, Result};
use hyperkms_core::sealed::Reader;

use crate::protocol::{GroupKey, Index};
use crate::recipient::Recipient;
use crate::share_context::ShareContext;

/// What HPKE binds beside the bytes of the copy.
pub const INFO: &[u8] = b"hyperkms share copy v1";
const MAGIC: &[u8; 4] = b"HKSC";
const FORMAT: u8 = 1;

/// Encrypts the body of a share, with what it is for, so that only the holder of the recipient's key opens it.
pub fn copy_for(body: &[u8], group_key: &GroupKey, context: &ShareContext, recipient: &Recipient) -> Result<Vec<u8>> {
    let mut head = MAGIC.to_vec();
    head.push(FORMAT);
    context.write(&mut head);
    let group_key = group_key.to_bytes();
    head.extend((group_key.len() as u16).to_be_bytes());
    head.extend(&group_key);
    recipient.encrypt(INFO, body, head)
}

/// A copy as anyone can read it; nothing of it is to be trusted before it was opened.
pub struct ShareCopy<'a> {
    pub context: ShareContext,
    pub group_key: GroupKey,
    pub recipient: Recipient,
    /// The bytes that the ciphertext is bound to.
    pub bound: &'a [u8],
    pub encapsulated: &'a [u8; 32],
    pub ciphertext: &'a [u8],
}

impl<'a> ShareCopy<'a> {
    /// Tampered unless it is exactly of the form, and its group key can be one of its context.
    pub fn read(copy: &'a [u8]) -> Result<ShareCopy<'a>> {
        let mut rest = Reader(copy);
        if rest.fixed::<4>().ok() != Some(MAGIC) {
            return Err(malformed("does not start with HKSC"));
        }
        if rest.byte().ok() != Some(FORMAT) {
            return Err(malformed("is of a format that this release does not know"));
        }
        let (context, group_key) = Self::read_claims(&mut rest).map_err(|_| malformed("is not of its form"))?;
        let cut = |_| malformed("is cut short");
        let recipient = Recipient(*rest.fixed().map_err(cut)?);
        let bound = &copy[..copy.len() - rest.0.len()];
        let encapsulated = rest.fixed().map_err(cut)?;
        Ok(ShareCopy { context, group_key, recipient, bound, encapsulated, ciphertext: rest.0 })
    }

    /// What it says of itself, in the form that `ShareContext::new` would have given it.
    fn read_claims(rest: &mut Reader) -> Result<(ShareContext, GroupKey)> {
        let context = ShareContext::read(rest)?;
        let length = u16::from_be_bytes(*rest.fixed()?);
        let group_key = GroupKey::read(rest.take(length.into())?)?;
        context.check()?;
        let (threshold, members) = (group_key.parameters.threshold(), group_key.parameters.members());
        let fits =
            group_key.key_type == context.key_type && (threshold, members) == (context.threshold, context.members);
        if !fits {
            return Err(malformed("is not of its form"));
        }
        Ok((context, group_key))
    }

    /// The member whose share it says it holds.
    pub fn index(&self) -> Index {
        self.context.index
    }
}

fn malformed(what: &str) -> Error {
    Error::tampered("copy-malformed", format!("the copy of a share {what}"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hyperkms_core::single::KeyType;

    use super::*;
    use crate::testing::{context, group_of};

    fn made(recipient: &Recipient, test: &str) -> Result<Vec<u8>> {
        let (group, _) = group_of(2, 3, test);
        let public_shares: BTreeMap<Index, Vec<u8>> = (1..=3).map(|index| (index, vec![index; 32])).collect();
        let (key_type, parameters) = (KeyType::Ed25519, group.parameters);
        let group_key = GroupKey { key_type, parameters, public_key: vec![9; 32], public_shares };
        copy_for(b"the body of a share", &group_key, &context(&group, key_type, 2), recipient)
    }

    #[test]
    fn anyone_reads_whose_share_it_is_and_no_share() {
        let copy = made(&Recipient([9; 32]), "copy-read").unwrap();
        let read = ShareCopy::read(&copy).unwrap();
        assert_eq!((read.context.wallet.as_str(), read.index(), read.context.epoch), ("w", 2, 0));
        assert_eq!(read.recipient, Recipient([9; 32]));
        assert_eq!(read.ciphertext.len(), b"the body of a share".len() + 16);
        assert!(!copy.windows(8).any(|window| window == b"the body"));
        let again = made(&Recipient([9; 32]), "copy-again").unwrap();
        assert_ne!(ShareCopy::read(&again).unwrap().ciphertext, read.ciphertext);
    }

    #[test]
    fn what_it_says_of_itself_is_of_the_documented_form_or_it_is_refused() {
        let copy = made(&Recipient([9; 32]), "copy-form").unwrap();
        let refused = |place: usize, value: u8| {
            let mut changed = copy.clone();
            changed[place] = value;
            ShareCopy::read(&changed).err().map(|error| error.code) == Some("copy-malformed")
        };
        let wallet = 5 + 46;
        assert_eq!(copy[wallet], b'w');
        let places =
            [(0, 0), (4, 2), (5, 0), (5, 4), (6, 2), (6, 9), (7, 1), (48, 3), (49, 4), (50, 0), (wallet, 0x1b)];
        for (place, value) in places {
            assert!(refused(place, value), "byte {place} as {value}");
        }
        let head = copy.len() - b"the body of a share".len() - 16;
        for cut in 0..head {
            assert_eq!(ShareCopy::read(&copy[..cut]).err().map(|error| error.code), Some("copy-malformed"), "{cut}");
        }
    }

    #[test]
    fn a_weak_point_is_no_recipient() {
        let mut one = [0; 32];
        one[0] = 1;
        for weak in [[0; 32], one] {
            assert_eq!(made(&Recipient(weak), "copy-weak").err().unwrap().code, "malformed-recipient");
        }
    }
}
