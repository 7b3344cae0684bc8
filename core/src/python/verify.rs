//! Whether a signature is true; nothing secret.

use pyo3::prelude::*;

use super::signing;
use crate::error::Result;
use crate::verify;

#[pyfunction]
pub fn verify_ed25519(py: Python<'_>, public_key: &[u8], message: &[u8], signature: &[u8]) -> Result<()> {
    signing(py, message.len(), || verify::verify_ed25519(public_key, message, signature))
}
