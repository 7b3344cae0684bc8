//! The root key at AWS KMS: data keys are taken out of its answers here.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::DataKey;
use crate::error::Result;
use crate::kms;

#[pyclass(frozen, module = "hyperkms._core")]
pub struct KmsClient(pub(super) kms::Client);

#[pymethods]
impl KmsClient {
    #[new]
    #[pyo3(signature = (*, trusted, proxy, connect_ms))]
    fn new(trusted: &[u8], proxy: Option<&str>, connect_ms: u64) -> Result<Self> {
        kms::Client::new(trusted, proxy, Duration::from_millis(connect_ms)).map(KmsClient)
    }

    #[pyo3(signature = (url, headers, body, *, within_ms))]
    fn send(
        &self,
        py: Python<'_>,
        url: &str,
        headers: Vec<(String, String)>,
        body: &[u8],
        within_ms: u64,
    ) -> Result<KmsAnswer> {
        py.detach(|| {
            let answer = self.0.send(url, &headers, body, Duration::from_millis(within_ms))?;
            let data_key = answer.plaintext.as_ref().map(DataKey::keep).transpose()?;
            let (status, refusal, key_id, wrapped) = (answer.status, answer.refusal, answer.key_id, answer.wrapped);
            Ok(KmsAnswer { status, refusal, key_id, wrapped, data_key: Mutex::new(data_key) })
        })
    }
}

#[pyclass(frozen, module = "hyperkms._core")]
pub struct KmsAnswer {
    #[pyo3(get)]
    status: u16,
    #[pyo3(get)]
    refusal: Option<String>,
    #[pyo3(get)]
    key_id: Option<String>,
    wrapped: Option<Vec<u8>>,
    data_key: Mutex<Option<DataKey>>,
}

#[pymethods]
impl KmsAnswer {
    #[getter]
    fn wrapped<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.wrapped.as_ref().map(|bytes| PyBytes::new(py, bytes))
    }

    /// Once: the key is moved out.
    fn take_data_key(&self) -> Option<DataKey> {
        self.data_key.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
