//! Root keys of cosigners and the data keys under them: in a file, or at AWS KMS, whose answers are received here.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hyperkms_core::error::Error;
use hyperkms_core::kms;
use hyperkms_core::memory::{Idle, Slot};
use hyperkms_core::root_file::RootFile;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::errors::Result;
use super::ShareContext;
use crate::{identity, sealed_share};

const IDLE_LABEL: &[u8] = b"data key of a cosigner";

/// A data key at rest in memory.
#[pyclass(frozen, module = "hyperkms_cosign")]
pub(crate) struct DataKey(Idle);

impl DataKey {
    fn keep(slot: &Slot) -> std::result::Result<DataKey, Error> {
        Ok(DataKey(Idle::seal(slot, IDLE_LABEL)?))
    }

    pub(crate) fn open(&self) -> std::result::Result<Slot, Error> {
        self.0.open(IDLE_LABEL)
    }
}

#[pyclass(frozen, module = "hyperkms_cosign")]
pub(crate) struct LocalRootKey(RootFile);

#[pymethods]
impl LocalRootKey {
    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> Result<Self> {
        py.detach(|| Ok(LocalRootKey(RootFile::open(&path)?)))
    }

    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    fn new_data_key<'py>(
        &self,
        py: Python<'py>,
        context: Option<&ShareContext>,
    ) -> Result<(DataKey, Bound<'py, PyBytes>)> {
        let (data_key, wrapped) = py.detach(|| -> Result<_> {
            let fresh = Slot::random()?;
            let wrapped = self.0.wrap(&fresh, &label_of(context))?;
            Ok((DataKey::keep(&fresh)?, wrapped))
        })?;
        Ok((data_key, PyBytes::new(py, &wrapped)))
    }

    fn unwrap(&self, py: Python<'_>, wrapped: &[u8], context: Option<&ShareContext>) -> Result<DataKey> {
        py.detach(|| Ok(DataKey::keep(&self.0.unwrap(wrapped, &label_of(context))?)?))
    }
}

/// Of a share, or of the identity key.
fn label_of(context: Option<&ShareContext>) -> Vec<u8> {
    context.map_or_else(identity::wrap_label, |share| sealed_share::wrap_label(&share.0))
}

#[pyclass(frozen, module = "hyperkms_cosign")]
pub(crate) struct KmsClient(kms::Client);

#[pymethods]
impl KmsClient {
    #[new]
    #[pyo3(signature = (*, trusted, proxy, connect_ms))]
    fn new(trusted: &[u8], proxy: Option<&str>, connect_ms: u64) -> Result<Self> {
        Ok(KmsClient(kms::Client::new(trusted, proxy, Duration::from_millis(connect_ms))?))
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

#[pyclass(frozen, module = "hyperkms_cosign")]
pub(crate) struct KmsAnswer {
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
