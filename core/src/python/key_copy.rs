//! A copy of a wallet's key for an offline recipient: opened and encrypted without ever leaving the core.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::{Context, DataKey};
use crate::error::Result;
use crate::key_copy::copy_for;
use crate::recipient::Recipient;
use crate::sealed;

#[pyfunction]
pub fn copy_key<'py>(
    py: Python<'py>,
    sealed_key: &[u8],
    context: &Context,
    data_key: &DataKey,
    recipient: &str,
) -> Result<Bound<'py, PyBytes>> {
    let copy = py.detach(|| {
        let recipient = Recipient::read(recipient)?;
        let (secret, _) = sealed::open(sealed_key, &context.0, &data_key.open()?)?;
        copy_for(&secret, &context.0, &recipient)
    })?;
    Ok(PyBytes::new(py, &copy))
}

#[pyfunction]
pub fn recipient_fingerprint(recipient: &str) -> Result<String> {
    Ok(Recipient::read(recipient)?.fingerprint())
}
