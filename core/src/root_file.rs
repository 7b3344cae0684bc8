//! The local root key: 32 random bytes in a file, which wrap data keys.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use sha2::Sha256;

use crate::error::{Error, Result};
use crate::hex::hex;
use crate::memory::{fill_random, on_wiped_stack, Idle, Slot};
use crate::new_file::{io_error, publish, remove_drafts};

const ID_LABEL: &[u8] = b"hyperkms root key id v1";
const WRAP_LABEL: &[u8] = b"hyperkms root key wrap v1";
const WRAP_FORMAT: u8 = 1;
const IDLE_LABEL: &[u8] = b"root key";
/// Format, salt, nonce, ciphertext, tag.
const WRAPPED_LEN: usize = 1 + 32 + 12 + 32 + 16;

/// A root key at rest in memory.
pub struct RootFile {
    /// `file:` and 32 hex digits, derived from the key: another file has another id.
    pub id: String,
    key: Idle,
}

impl RootFile {
    /// Makes a new file of mode 0600: complete and durable on return, or not there at all.
    ///
    /// Conflict when the path exists: a root key is never overwritten.
    pub fn create(path: &Path) -> Result<RootFile> {
        let key = Slot::random()?;
        publish(path, key.key())?;
        Self::keep(&key)
    }

    /// Opens the file; refused unless it is a regular file of this user with mode 0600 or 0400.
    pub fn open(path: &Path) -> Result<RootFile> {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC)
            .open(path)
            .map_err(|e| io_error(path, &e))?;
        require_private(&file, path)?;
        let mut key = Slot::take()?;
        let len = read_up_to(&mut file, &mut key[..33]).map_err(|e| io_error(path, &e))?;
        if len != 32 {
            let shown = path.display();
            return Err(Error::tampered("root-key-damaged", format!("the root key file {shown} is not 32 bytes long")));
        }
        remove_drafts(path);
        Self::keep(&key)
    }

    fn keep(key: &Slot) -> Result<RootFile> {
        let mut id = [0; 16];
        on_wiped_stack(|| Hkdf::<Sha256>::new(None, key.key()).expand(ID_LABEL, &mut id)).map_err(|_| broken())?;
        Ok(RootFile { id: format!("file:{}", hex(&id)), key: Idle::seal(key, IDLE_LABEL)? })
    }

    /// Wraps a data key under a label: format 01, 32-byte salt, 12-byte nonce, ciphertext, tag.
    ///
    /// Each wrap has an AES key of its own, HKDF-SHA-256(root key, salt), so the number of wraps
    /// under one root key has no practical limit.
    pub fn wrap(&self, data_key: &Slot, label: &[u8]) -> Result<Vec<u8>> {
        let (mut salt, mut nonce) = ([0; 32], [0; 12]);
        fill_random(&mut salt)?;
        fill_random(&mut nonce)?;
        let wrapping = self.wrapping_key(&salt)?;
        let mut body = Slot::take()?;
        body[..32].copy_from_slice(data_key.key());
        let tag = on_wiped_stack(|| {
            Aes256Gcm::new(wrapping.key().into())
                .encrypt_inout_detached(&nonce.into(), label, (&mut body[..32]).into())
                .map(|tag| tag.0)
        })
        .map_err(|_| broken())?;
        Ok([&[WRAP_FORMAT][..], &salt, &nonce, body.key(), &tag].concat())
    }

    /// Unwraps what `wrap` made under the same label; Tampered otherwise.
    pub fn unwrap(&self, wrapped: &[u8], label: &[u8]) -> Result<Slot> {
        let refuse = || Error::tampered("data-key-tampered", "the wrapped data key does not open under its context");
        if wrapped.len() != WRAPPED_LEN || wrapped[0] != WRAP_FORMAT {
            return Err(refuse());
        }
        let salt: &[u8; 32] = wrapped[1..33].try_into().map_err(|_| refuse())?;
        let nonce: &[u8; 12] = wrapped[33..45].try_into().map_err(|_| refuse())?;
        let tag: &[u8; 16] = wrapped[77..].try_into().map_err(|_| refuse())?;
        let wrapping = self.wrapping_key(salt)?;
        let mut data_key = Slot::take()?;
        data_key[..32].copy_from_slice(&wrapped[45..77]);
        on_wiped_stack(|| {
            let cipher = Aes256Gcm::new(wrapping.key().into());
            cipher.decrypt_inout_detached(nonce.into(), label, (&mut data_key[..32]).into(), tag.into())
        })
        .map_err(|_| refuse())?;
        Ok(data_key)
    }

    fn wrapping_key(&self, salt: &[u8; 32]) -> Result<Slot> {
        let root = self.key.open(IDLE_LABEL)?;
        let mut wrapping = Slot::take()?;
        on_wiped_stack(|| Hkdf::<Sha256>::new(Some(salt), root.key()).expand(WRAP_LABEL, &mut wrapping[..32]))
            .map_err(|_| broken())?;
        Ok(wrapping)
    }
}

/// Refuses a file that others could read: it must be regular, this user's own, mode 0600 or 0400.
pub fn require_private(file: &File, path: &Path) -> Result<()> {
    let data = file.metadata().map_err(|e| io_error(path, &e))?;
    let shown = path.display();
    let refuse = |what: String| Err(Error::refused("key-file-permissions", what));
    if !data.file_type().is_file() {
        return refuse(format!("{shown} is not a regular file"));
    }
    if data.uid() != crate::memory::effective_user() {
        return refuse(format!("{shown} belongs to another user"));
    }
    let mode = data.mode() & 0o7777;
    if mode != 0o600 && mode != 0o400 {
        return refuse(format!("{shown} has mode {mode:04o}; others must not read it: chmod 600 {shown}"));
    }
    Ok(())
}

/// Fills the target as far as the source goes; the number of bytes read.
pub fn read_up_to(source: &mut impl Read, target: &mut [u8]) -> std::io::Result<usize> {
    let mut len = 0;
    while len < target.len() {
        match source.read(&mut target[len..]) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(len)
}

fn broken() -> Error {
    Error::unavailable("seal-failed", "HKDF or AES-GCM refused the length")
}
