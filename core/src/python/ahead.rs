//! Space of the disk that is allocated ahead.

use std::os::fd::RawFd;

use pyo3::prelude::*;

use crate::memory;

#[pyfunction]
pub fn allocate_ahead(py: Python<'_>, descriptor: RawFd, size: i64) -> PyResult<()> {
    Ok(py.detach(|| memory::allocate_ahead(descriptor, size))?)
}
