//! The private key by which a client signs its requests, or a person approves: in a file of its own kind, and of no
//! other use.
//!
//! Neither can stand for a wallet's key: the file is refused where such a key is imported, and the other way round;
//! all that it signs begins with the domain of requests or of approvals, and a wallet signs nothing that does.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::approval::{self, Matter};
use crate::ed25519;
use crate::error::{Error, Result};
use crate::hex::{self, hex};
use crate::memory::{fill_random, on_wiped_stack, Idle, Slot};
use crate::new_file::{io_error, publish, remove_drafts};
use crate::request::{fingerprint, Claim, Sent};
use crate::root_file::{read_up_to, require_private};

const BEFORE: &[u8] = b"hyperkms-request-key-v1 ";
const FILE_LEN: usize = BEFORE.len() + 64 + 1;
const IDLE_LABEL: &[u8] = b"request key";

/// A request key at rest in memory.
pub struct RequestKey {
    pub public: [u8; 32],
    key: Idle,
}

impl RequestKey {
    /// A new key in a new file of mode 0600: complete and durable on return, or not there at all.
    ///
    /// Conflict when the path exists.
    pub fn create(path: &Path) -> Result<RequestKey> {
        let seed = Slot::random()?;
        let mut text = Slot::take()?;
        on_wiped_stack(|| {
            text[..BEFORE.len()].copy_from_slice(BEFORE);
            hex::encode(seed.key(), &mut text[BEFORE.len()..FILE_LEN - 1]);
            text[FILE_LEN - 1] = b'\n';
        });
        publish(path, &text[..FILE_LEN])?;
        Self::keep(&seed)
    }

    /// Opens the file; refused unless it is a regular file of this user with mode 0600 or 0400.
    pub fn open(path: &Path) -> Result<RequestKey> {
        let flags = libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK;
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(path);
        let mut file = opened.map_err(|e| io_error(path, &e))?;
        require_private(&file, path)?;
        let mut text = Slot::take()?;
        let len = read_up_to(&mut file, &mut text[..]).map_err(|e| io_error(path, &e))?;
        remove_drafts(path);
        let mut seed = Slot::take()?;
        on_wiped_stack(|| decode(&text[..len], &mut seed[..32])).ok_or_else(|| {
            let words = "is no request key of hyperkms; `hyperkms identity create` makes one";
            Error::malformed("malformed-request-key", format!("{} {words}", path.display()))
        })?;
        Self::keep(&seed)
    }

    /// The header of one request: signed for one service, under a new random id. `time` is milliseconds since 1970.
    pub fn sign(&self, service: [u8; 16], time: u64, sent: Sent<'_>) -> Result<String> {
        let id = hex(&random_id()?).into_bytes();
        let claim = Claim { key: fingerprint(&self.public), service, time, id };
        Ok(claim.header(&self.sign_message(&claim.message(sent)?)?))
    }

    /// An approval of one action under a new random id, from `time` until `until`, milliseconds since 1970.
    pub fn approve(&self, matter: Matter<'_>, time: u64, until: u64) -> Result<String> {
        let claim = approval::Claim { key: fingerprint(&self.public), time, until, id: random_id()? };
        Ok(claim.text(&self.sign_message(&claim.message(matter)?)?))
    }

    /// Of a message that begins with one of the two domains, whose bytes are made in this crate.
    fn sign_message(&self, message: &[u8]) -> Result<[u8; 64]> {
        let seed = self.key.open(IDLE_LABEL)?;
        on_wiped_stack(|| ed25519::sign(seed.key(), &self.public, message))
            .ok_or_else(|| Error::unavailable("signing-failed", "the Ed25519 library did not sign"))
    }

    fn keep(seed: &Slot) -> Result<RequestKey> {
        let public = on_wiped_stack(|| ed25519::public_key(seed.key()));
        Ok(RequestKey { public, key: Idle::seal(seed, IDLE_LABEL)? })
    }
}

fn random_id() -> Result<[u8; 16]> {
    let mut id = [0; 16];
    fill_random(&mut id)?;
    Ok(id)
}

fn decode(text: &[u8], seed: &mut [u8]) -> Option<()> {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    hex::decode(text.strip_prefix(BEFORE)?, seed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Signature;

    const SENT: Sent<'_> = Sent { method: b"GET", target: b"/wallets", body: b"", idempotency_key: b"" };

    #[test]
    fn a_key_that_was_made_opens_again_and_signs_what_its_public_key_verifies() {
        let folder = std::env::temp_dir().join(format!("hyperkms-request-key-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("bot.key");
        let made = RequestKey::create(&path).unwrap();
        let opened = RequestKey::open(&path).unwrap();
        assert_eq!(made.public, opened.public);
        assert_eq!(RequestKey::create(&path).err().unwrap().code, "file-exists");
        let header = opened.sign([5; 16], 1_780_000_000_000, SENT).unwrap();
        let read = Signature::read(header.as_bytes()).unwrap();
        read.verify(&made.public, SENT).unwrap();
        assert!(read.verify(&made.public, Sent { target: b"/wallets?", ..SENT }).is_err());
        let matter = Matter { wallet: b"w", network: b"testnet", vault: b"", action: b"\x80" };
        let text = opened.approve(matter, 1_780_000_000_000, 1_780_000_600_000).unwrap();
        let read = approval::Approval::read(text.as_bytes()).unwrap();
        read.verify(&made.public, matter).unwrap();
        assert!(read.verify(&made.public, Matter { wallet: b"v", ..matter }).is_err());
        assert_ne!(
            opened.approve(matter, 1_780_000_000_000, 1_780_000_600_000).unwrap(),
            text,
            "under an id of its own"
        );
        let text = std::fs::read(&path).unwrap();
        assert_eq!(text.len(), FILE_LEN);
        for changed in [&text[..88], &text[24..], &text[..0], &[&text[..], b"\n"].concat(), &text.to_ascii_uppercase()]
        {
            std::fs::write(&path, changed).unwrap();
            let outcome = RequestKey::open(&path);
            if changed.len() == 88 {
                assert_eq!(outcome.ok().unwrap().public, made.public, "an editor may drop the last line break");
            } else {
                assert_eq!(outcome.err().unwrap().code, "malformed-request-key");
            }
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
