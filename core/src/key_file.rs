//! Import of a private key: read, decoded and checked without leaving the arena.

use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::error::{Error, Result};
use crate::hex::decode_either_case;
use crate::memory::{on_wiped_stack, standard_input, Slot, SLOT_SIZE};
use crate::new_file::io_error;
use crate::root_file::{read_up_to, require_private};
use crate::single::{check_secret, KeyType};

/// Reads 64 hex digits, with or without 0x and surrounding white space: the scalar of a secp256k1
/// key, big-endian, or the seed of an Ed25519 key. `-` is standard input, read straight from its
/// descriptor; a file must be this user's own with mode 0600 or 0400.
pub fn read_private_key(path: &Path, key_type: KeyType) -> Result<Slot> {
    let mut text = Slot::take()?;
    let len = if path == Path::new("-") {
        read_all(&mut standard_input()?, &mut text, path)?
    } else {
        let mut file = OpenOptions::new()
            .read(true)
            .custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK)
            .open(path)
            .map_err(|e| io_error(path, &e))?;
        require_private(&file, path)?;
        read_all(&mut file, &mut text, path)?
    };
    let mut secret = Slot::take()?;
    on_wiped_stack(|| decode(&text[..len], &mut secret[..32]))?;
    check_secret(key_type, &secret)?;
    Ok(secret)
}

fn read_all(source: &mut impl Read, text: &mut Slot, path: &Path) -> Result<usize> {
    let len = read_up_to(source, &mut text[..]).map_err(|e| io_error(path, &e))?;
    if len == SLOT_SIZE {
        return Err(no_key());
    }
    Ok(len)
}

fn decode(text: &[u8], secret: &mut [u8]) -> Result<()> {
    let text = text.trim_ascii();
    let digits = text.strip_prefix(b"0x").or(text.strip_prefix(b"0X")).unwrap_or(text);
    decode_either_case(digits, secret).ok_or_else(no_key)
}

fn no_key() -> Error {
    Error::malformed("malformed-key-file", "the key file does not hold exactly 64 hex digits, with or without 0x")
}
