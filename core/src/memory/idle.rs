//! A 32-byte secret at rest in memory: AES-256-GCM under the process key.

use std::sync::atomic::{AtomicU64, Ordering};

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use zeroize::Zeroizing;

use crate::error::{Error, Result};

use super::{on_wiped_stack, Arena, Slot};

/// The process key is new in every process, so a counter never repeats a nonce under it.
static NEXT_NONCE: AtomicU64 = AtomicU64::new(1);

/// A sealed 32-byte secret in ordinary memory; bound to the label it was sealed with.
pub struct Idle {
    nonce: u64,
    ciphertext: [u8; 32],
    tag: [u8; 16],
}

impl Idle {
    /// Seals the first 32 bytes of `secret`.
    pub fn seal(secret: &Slot, label: &[u8]) -> Result<Idle> {
        let nonce = NEXT_NONCE.fetch_add(1, Ordering::Relaxed);
        let mut sealed = Slot::take()?;
        sealed[..32].copy_from_slice(&secret[..32]);
        let tag = Arena::with_process_key(|key| {
            on_wiped_stack(|| {
                let cipher = Aes256Gcm::new(key.into());
                cipher
                    .encrypt_inout_detached(&gcm_nonce(nonce).into(), label, (&mut sealed[..32]).into())
                    .map(|tag| tag.0)
            })
        })?
        .map_err(|_| broken())?;
        Ok(Idle { nonce, ciphertext: *sealed.key(), tag })
    }

    /// Opens it into a slot of the arena.
    pub fn open(&self, label: &[u8]) -> Result<Slot> {
        let mut opened = Slot::take()?;
        opened[..32].copy_from_slice(&self.ciphertext);
        Arena::with_process_key(|key| {
            on_wiped_stack(|| {
                let cipher = Aes256Gcm::new(key.into());
                let nonce = gcm_nonce(self.nonce).into();
                cipher.decrypt_inout_detached(&nonce, label, (&mut opened[..32]).into(), (&self.tag).into())
            })
        })?
        .map_err(|_| broken())?;
        Ok(opened)
    }
}

/// A sealed secret of any length; while it is open it lies in the extension's heap, which is wiped when freed.
pub struct IdleBytes {
    nonce: u64,
    ciphertext: Vec<u8>,
    tag: [u8; 16],
}

impl IdleBytes {
    pub fn seal(mut secret: Zeroizing<Vec<u8>>, label: &[u8]) -> Result<IdleBytes> {
        let nonce = NEXT_NONCE.fetch_add(1, Ordering::Relaxed);
        let tag = Arena::with_process_key(|key| {
            on_wiped_stack(|| {
                let cipher = Aes256Gcm::new(key.into());
                cipher
                    .encrypt_inout_detached(&gcm_nonce(nonce).into(), label, (&mut secret[..]).into())
                    .map(|tag| tag.0)
            })
        })?
        .map_err(|_| broken())?;
        Ok(IdleBytes { nonce, ciphertext: std::mem::take(&mut *secret), tag })
    }

    pub fn open(&self, label: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let mut opened = Zeroizing::new(self.ciphertext.clone());
        Arena::with_process_key(|key| {
            on_wiped_stack(|| {
                let cipher = Aes256Gcm::new(key.into());
                let nonce = gcm_nonce(self.nonce).into();
                cipher.decrypt_inout_detached(&nonce, label, (&mut opened[..]).into(), (&self.tag).into())
            })
        })?
        .map_err(|_| broken())?;
        Ok(opened)
    }
}

fn gcm_nonce(counter: u64) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[4..].copy_from_slice(&counter.to_be_bytes());
    nonce
}

fn broken() -> Error {
    Error::tampered("memory-tampered", "a key held in memory no longer opens; restart the service")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_to_what_was_sealed_and_only_under_its_label() {
        let secret = Slot::random().unwrap();
        let idle = Idle::seal(&secret, b"one").unwrap();
        assert_eq!(idle.open(b"one").unwrap().key(), secret.key());
        assert!(idle.open(b"two").is_err());
        assert_ne!(&idle.ciphertext, secret.key());
    }

    #[test]
    fn a_long_secret_opens_to_what_was_sealed_and_only_under_its_label() {
        let secret = Zeroizing::new((0..100_000_u32).map(|at| at.to_le_bytes()[1]).collect::<Vec<u8>>());
        let mut idle = IdleBytes::seal(secret.clone(), b"one").unwrap();
        assert!(*idle.open(b"one").unwrap() == *secret);
        assert!(idle.open(b"two").is_err());
        assert!(idle.ciphertext != *secret);
        idle.ciphertext[50_000] ^= 1;
        assert!(idle.open(b"one").is_err());
    }

    #[test]
    fn a_flipped_bit_is_found() {
        let secret = Slot::random().unwrap();
        for byte in 0..32 {
            let mut idle = Idle::seal(&secret, b"").unwrap();
            idle.ciphertext[byte] ^= 1;
            assert!(idle.open(b"").is_err());
        }
    }
}
