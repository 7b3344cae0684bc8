//! Keys of the first system: decrypted by AWS KMS, and sealed for this one, without ever leaving the core.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::kms::KmsClient;
use super::{Context, DataKey};
use crate::error::{Error, Result};
use crate::first_system::{read_share, require_recorded, Key};
use crate::first_system_share::copy_for;
use crate::memory::Idle;
use crate::recipient::Recipient;
use crate::sealed::{self, Origin};
use crate::single::KeyType;

#[pyfunction]
#[pyo3(signature = (client, url, headers, body, *, within_ms))]
pub fn ask_first_system(
    py: Python<'_>,
    client: &KmsClient,
    url: &str,
    headers: Vec<(String, String)>,
    body: &[u8],
    within_ms: u64,
) -> Result<FirstSystemAnswer> {
    py.detach(|| {
        let answer = client.0.send_for(Key::read, url, &headers, body, Duration::from_millis(within_ms))?;
        let key = answer.plaintext.flatten().map(|key| FoundKey::keep(&key)).transpose()?;
        Ok(FirstSystemAnswer { status: answer.status, refusal: answer.refusal, key_id: answer.key_id, key })
    })
}

/// A share, encrypted to a recipient who is offline; nothing else comes out.
#[pyfunction]
#[pyo3(signature = (client, request, *, within_ms, wallet, recipient))]
pub fn copy_first_system_share(
    py: Python<'_>,
    client: &KmsClient,
    request: SignedRequest,
    within_ms: u64,
    wallet: &str,
    recipient: &str,
) -> Result<FirstSystemShare> {
    let (url, headers, body) = request;
    py.detach(|| {
        let recipient = Recipient::read(recipient)?;
        let answer = client.0.send_for(read_share, &url, &headers, &body, Duration::from_millis(within_ms))?;
        let copy = answer
            .plaintext
            .flatten()
            .map(|(share, length)| copy_for(&share, length, wallet, &recipient))
            .transpose()?;
        Ok(FirstSystemShare { status: answer.status, refusal: answer.refusal, key_id: answer.key_id, copy })
    })
}

/// Address, headers and body.
type SignedRequest = (String, Vec<(String, String)>, Vec<u8>);

#[pyclass(frozen, module = "hyperkms._core")]
pub struct FirstSystemShare {
    #[pyo3(get)]
    status: u16,
    #[pyo3(get)]
    refusal: Option<String>,
    #[pyo3(get)]
    key_id: Option<String>,
    copy: Option<Vec<u8>>,
}

#[pymethods]
impl FirstSystemShare {
    #[getter]
    fn copy<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.copy.as_ref().map(|bytes| PyBytes::new(py, bytes))
    }
}

/// A seed at rest in memory.
struct FoundKey {
    public_key: Vec<u8>,
    seed: Idle,
}

impl FoundKey {
    fn keep(key: &Key) -> Result<FoundKey> {
        Ok(FoundKey { public_key: key.public_key.clone(), seed: Idle::seal(&key.seed, &key.public_key)? })
    }
}

#[pyclass(frozen, module = "hyperkms._core")]
pub struct FirstSystemAnswer {
    #[pyo3(get)]
    status: u16,
    #[pyo3(get)]
    refusal: Option<String>,
    #[pyo3(get)]
    key_id: Option<String>,
    key: Option<FoundKey>,
}

impl FirstSystemAnswer {
    fn found(&self, recorded: Option<&[u8]>) -> Result<&FoundKey> {
        require_recorded(self.key.as_ref().map(|key| &key.public_key[..]), recorded)?;
        Ok(self.key.as_ref().expect("there is one, or it was refused"))
    }
}

#[pymethods]
impl FirstSystemAnswer {
    fn public_key<'py>(&self, py: Python<'py>, recorded: Option<&[u8]>) -> Result<Bound<'py, PyBytes>> {
        Ok(PyBytes::new(py, &self.found(recorded)?.public_key))
    }

    #[pyo3(signature = (context, data_key, wrapped, root_key_id, *, recorded))]
    fn seal<'py>(
        &self,
        py: Python<'py>,
        context: &Context,
        data_key: &DataKey,
        wrapped: &[u8],
        root_key_id: &str,
        recorded: Option<&[u8]>,
    ) -> Result<Bound<'py, PyBytes>> {
        if (context.0.key_type, context.0.origin) != (KeyType::Ed25519, Origin::Imported) {
            let words = "a key of the first system is an imported Ed25519 key";
            return Err(Error::malformed("malformed-context", words));
        }
        let sealed = py.detach(|| {
            let key = self.found(recorded)?;
            let seed = key.seed.open(&key.public_key)?;
            sealed::seal(&seed, &context.0, &data_key.open()?, wrapped, root_key_id)
        })?;
        Ok(PyBytes::new(py, &sealed))
    }
}
