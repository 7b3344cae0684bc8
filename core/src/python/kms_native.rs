//! What AWS KMS signs with a key of its own; nothing secret.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::typed::{shown, Given};
use super::{network_named, signed, Signed};
use crate::digest::{self, L1Extras};
use crate::error::{Error, Result};
use crate::kms_native::{self, Form};
use crate::single::KeyType;
use crate::typed::{self, Value};

#[pyclass(frozen, module = "hyperkms._core")]
pub struct KmsForm(Form);

#[pymethods]
impl KmsForm {
    #[staticmethod]
    #[pyo3(signature = (public_key, msgpack, *, nonce, vault, expires_after, network))]
    fn l1(
        public_key: &[u8],
        msgpack: &[u8],
        nonce: u64,
        vault: Option<&[u8]>,
        expires_after: Option<u64>,
        network: &str,
    ) -> Result<Self> {
        let vault = vault.map(<[u8; 20]>::try_from).transpose();
        let vault = vault.map_err(|_| Error::malformed("malformed-vault", "a vault address has 20 bytes"))?;
        let extras = L1Extras { nonce, vault, expires_after };
        Form::of_digest(public_key, digest::l1_action(msgpack, extras, network_named(network)?)?).map(KmsForm)
    }

    #[staticmethod]
    #[pyo3(signature = (public_key, *, primary_type, values, signature_chain_id, network))]
    fn user_action(
        public_key: &[u8],
        primary_type: &str,
        values: Vec<Given>,
        signature_chain_id: u64,
        network: &str,
    ) -> Result<Self> {
        let values: Vec<Value<'_>> = values.iter().map(shown).collect();
        let digest = typed::user_action(primary_type, &values, signature_chain_id, network_named(network)?)?;
        Form::of_digest(public_key, digest).map(KmsForm)
    }

    #[staticmethod]
    fn eip191(public_key: &[u8], message: &[u8]) -> Result<Self> {
        Form::of_digest(public_key, digest::eip191(message)).map(KmsForm)
    }

    #[staticmethod]
    fn ed25519(public_key: &[u8], message: &[u8]) -> Result<Self> {
        Form::of_message(public_key, message).map(KmsForm)
    }

    #[getter]
    fn asked<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.0.asked())
    }

    fn accept(&self, py: Python<'_>, answered: &[u8]) -> Result<Signed> {
        let signature = py.detach(|| self.0.accept(answered))?;
        Ok(signed(&[&signature], &self.0.digest))
    }
}

#[pyfunction]
pub fn read_kms_public_key<'py>(py: Python<'py>, key_type: &str, der: &[u8]) -> Result<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &kms_native::read_spki(KeyType::from_name(key_type)?, der)?))
}
