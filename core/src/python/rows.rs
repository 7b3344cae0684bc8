//! Signatures by the store key.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::{Context, KeyHandle};
use crate::error::Result;
use crate::rows::signed_rows;
use crate::sealed::{self, Binding, Origin, Purpose};
use crate::single::{self, KeyType};
use crate::verify;

#[pyfunction]
pub fn sign_rows<'py>(
    py: Python<'py>,
    handle: &KeyHandle,
    kind: &str,
    subject: &str,
    sequence: u64,
    rows: &[u8],
) -> Result<Bound<'py, PyBytes>> {
    let message = signed_rows(kind, subject, sequence, rows)?;
    let secret = handle.open(Purpose::StoreKey, KeyType::Ed25519)?;
    Ok(PyBytes::new(py, &single::sign_ed25519(&secret, &handle.public_key, &message)?))
}

#[pyfunction]
pub fn verify_rows(
    public: &[u8],
    kind: &str,
    subject: &str,
    sequence: u64,
    rows: &[u8],
    signature: &[u8],
) -> Result<()> {
    verify::verify_ed25519(public, &signed_rows(kind, subject, sequence, rows)?, signature)
}

#[pyfunction]
pub fn store_key_context() -> Context {
    Context(sealed::Context {
        purpose: Purpose::StoreKey,
        wallet: "store".into(),
        version: 1,
        key_type: KeyType::Ed25519,
        network: Binding::None,
        origin: Origin::Generated,
    })
}
