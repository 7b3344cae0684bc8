//! A sealed key under a new data key: opened and sealed again without ever leaving the core.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::{Context, DataKey};
use crate::error::Result;
use crate::sealed;

#[pyfunction]
#[pyo3(signature = (sealed_key, context, data_key, *, new_data_key, wrapped, root_key_id))]
pub fn reseal_key<'py>(
    py: Python<'py>,
    sealed_key: &[u8],
    context: &Context,
    data_key: &DataKey,
    new_data_key: &DataKey,
    wrapped: &[u8],
    root_key_id: &str,
) -> Result<Bound<'py, PyBytes>> {
    let resealed = py.detach(|| {
        let (secret, _) = sealed::open(sealed_key, &context.0, &data_key.open()?)?;
        sealed::seal(&secret, &context.0, &new_data_key.open()?, wrapped, root_key_id)
    })?;
    Ok(PyBytes::new(py, &resealed))
}
