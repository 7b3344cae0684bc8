//! A whole key from its second copy, which was made when the key was.

use hyperkms_core::error::{Error, Result};
use hyperkms_core::key_copy::{KeyCopy, INFO};
use hyperkms_core::memory::Slot;
use hyperkms_core::sealed::Context;
use hyperkms_core::single::public_key;

use crate::identity::{Encrypted, Identity};

/// A key, and what it is for.
pub struct Whole {
    pub context: Context,
    pub public_key: Vec<u8>,
    pub key: Slot,
}

impl Whole {
    /// Opens a copy; Tampered unless the key in it has the public key that the copy names.
    pub fn open(copy: &[u8], identity: &Identity) -> Result<Whole> {
        let read = KeyCopy::read(copy)?;
        let body = identity.decrypt(&Encrypted {
            what: "key",
            wallet: &read.context.wallet,
            recipient: &read.recipient,
            info: INFO,
            encapsulated: read.encapsulated,
            ciphertext: read.ciphertext,
            bound: read.bound,
        })?;
        let mut key = Slot::take()?;
        key[..32].copy_from_slice(body.get(..32).ok_or_else(mismatch)?);
        if public_key(read.context.key_type, &key).ok().as_deref() != Some(&read.public_key[..]) {
            return Err(mismatch());
        }
        Ok(Whole { context: read.context, public_key: read.public_key, key })
    }
}

fn mismatch() -> Error {
    Error::tampered("recovered-key-mismatch", "the copy holds another key than it says, and nothing was put out")
}
