//! Signatures by the log key.

use pyo3::prelude::*;

use super::{hex, KeyHandle};
use crate::error::{Error, Result};
use crate::record;
use crate::sealed::Purpose;
use crate::single::{self, KeyType};

#[pyfunction]
pub fn sign_tree_head(handle: &KeyHandle, log: &[u8], size: u64, root: &[u8], time: u64) -> Result<String> {
    sign(handle, &record::tree_head(fixed(log)?, size, fixed(root)?, time))
}

#[pyfunction]
pub fn sign_manifest_entry(handle: &KeyHandle, index: u64, prev: &[u8], entry: &[u8]) -> Result<String> {
    sign(handle, &record::manifest_entry(index, fixed(prev)?, entry))
}

fn sign(handle: &KeyHandle, message: &[u8]) -> Result<String> {
    let secret = handle.open(Purpose::LogKey, KeyType::Ed25519)?;
    Ok(hex(&[&single::sign_ed25519(&secret, &handle.public_key, message)?]))
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<&[u8; N]> {
    bytes.try_into().map_err(|_| Error::malformed("malformed", format!("{N} bytes are due")))
}
