//! Keys that the first system split with secrets.js: its shares are read, and the seed is put together.
//!
//! A share is one line: `8` (the bits of the field in base 36), the id in two hex digits, then one byte for each byte of
//! the secret. The secret is a 1 bit in front of 64 bytes, the Ed25519 seed and its public key, filled up with zero bits
//! on the left to 640 bits. Nothing in a share tells whether it was changed, so what comes out counts only if the seed's
//! public key stands in it, and is the one that the wallet is known by.

use std::path::{Path, PathBuf};

use hyperkms_core::error::{Error, Result};
use hyperkms_core::first_system_share::{ShareTextCopy, INFO};
use hyperkms_core::hex::decode_either_case;
use hyperkms_core::memory::{on_wiped_stack, Slot};
use hyperkms_core::single::{public_key, KeyType};
use subtle::ConstantTimeEq;

use crate::field::{coefficient_at_zero, multiply};
use crate::files::read_private;
use crate::identity::{Encrypted, Identity};

/// Bytes of the secret with its padding: 15 of zero, 1, the seed, the public key.
const PADDED: usize = 80;
const PADDING: usize = 16;
const SEED: usize = 32;

/// One share: its id, and its bytes in a slot.
pub struct Share {
    id: u8,
    data: Slot,
}

impl Share {
    /// Reads a file of mode 0600 that holds one share and nothing else but white space around it.
    pub fn read(path: &Path) -> Result<Share> {
        let (text, length) = read_private(path)?;
        let malformed = || {
            let words = format!("{} holds no share of the first system: 8, then 162 hex digits", path.display());
            Error::malformed("first-system-share-malformed", words)
        };
        Share::parse(&text[..length])?.ok_or_else(malformed)
    }

    /// None if it is not of the form.
    pub fn parse(text: &[u8]) -> Result<Option<Share>> {
        let mut data = Slot::take()?;
        let mut id = [0];
        let read = on_wiped_stack(|| {
            let digits = text.trim_ascii().strip_prefix(b"8")?;
            let (of_id, of_data) = digits.split_at_checked(2)?;
            decode_either_case(of_id, &mut id)?;
            decode_either_case(of_data, &mut data[..PADDED])
        });
        Ok(read.filter(|()| id[0] != 0).map(|()| Share { id: id[0], data }))
    }
}

/// Opens a copy that was made for this identity, and reads the share in it.
pub fn open(copy: &[u8], identity: &Identity) -> Result<(String, Share)> {
    let read = ShareTextCopy::read(copy)?;
    let text = identity.decrypt(&Encrypted {
        what: "share",
        wallet: &read.wallet,
        recipient: &read.recipient,
        info: INFO,
        encapsulated: read.encapsulated,
        ciphertext: read.ciphertext,
        bound: read.bound,
    })?;
    let malformed = || {
        let words = "the copy holds no share of the first system: 8, then 162 hex digits";
        Error::malformed("first-system-share-malformed", words)
    };
    let share = Share::parse(&text)?.ok_or_else(malformed)?;
    Ok((read.wallet, share))
}

/// The seed from copies of shares of one wallet.
pub fn recover_copies(copies: &[Vec<u8>], identity: &Identity, public: &[u8; 32]) -> Result<Slot> {
    let opened = copies.iter().map(|copy| open(copy, identity)).collect::<Result<Vec<_>>>()?;
    let (wallets, shares): (Vec<String>, Vec<Share>) = opened.into_iter().unzip();
    if wallets.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(Error::refused("copies-differ", "the copies are of shares of two wallets"));
    }
    combine(&shares, public)
}

/// The seed from the shares in these files; `public` is the key that the wallet is known by.
pub fn recover(paths: &[PathBuf], public: &[u8; 32]) -> Result<Slot> {
    let shares = paths.iter().map(|path| Share::read(path)).collect::<Result<Vec<_>>>()?;
    combine(&shares, public)
}

/// Tampered unless they give a seed whose public key is both the one beside it and `public`.
pub fn combine(shares: &[Share], public: &[u8; 32]) -> Result<Slot> {
    let mut ids: Vec<u8> = shares.iter().map(|share| share.id).collect();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() != shares.len() || ids.len() < 2 {
        let words = "at least two shares are needed, each with an id of its own";
        return Err(Error::malformed("first-system-shares-incomplete", words));
    }
    let mut seed = Slot::take()?;
    let padded = interpolate(shares)?;
    seed[..SEED].copy_from_slice(&padded[PADDING..PADDING + SEED]);
    let derived = public_key(KeyType::Ed25519, &seed)?;
    let mut padding = [0; PADDING];
    padding[PADDING - 1] = 1;
    let holds =
        padded[..PADDING].ct_eq(&padding) & padded[PADDING + SEED..PADDED].ct_eq(&derived) & derived.ct_eq(public);
    if bool::from(holds) {
        return Ok(seed);
    }
    // Which of the checks failed is not said: whoever can change a share would learn of the key from it.
    let words =
        "the shares do not give the private key of this public key, and nothing was put out: one was changed or \
        is of another wallet, they are fewer than the key was split to need, or the public key is another wallet's";
    Err(Error::tampered("first-system-shares-mismatch", words))
}

/// The polynomials' values at 0, one for each byte.
fn interpolate(shares: &[Share]) -> Result<Slot> {
    let ids: Vec<u8> = shares.iter().map(|share| share.id).collect();
    let mut sum = Slot::take()?;
    on_wiped_stack(|| {
        for (place, share) in shares.iter().enumerate() {
            let coefficient = coefficient_at_zero(&ids, place);
            for (total, byte) in sum[..PADDED].iter_mut().zip(&share.data[..PADDED]) {
                *total ^= multiply(coefficient, *byte);
            }
        }
    });
    Ok(sum)
}
