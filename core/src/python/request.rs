//! Signed requests and approvals: keys of clients and approvers, headers, and which were accepted already.

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::signing;
use crate::approval::{self, Matter};
use crate::error::{Error, Result};
use crate::hex::{hex, unhex};
use crate::memory::Replays;
use crate::request::{fingerprint, Sent, Signature};
use crate::request_key;
use crate::verify::is_strict;

#[pyclass(frozen, module = "hyperkms._core")]
pub struct RequestKey(request_key::RequestKey);

#[pymethods]
impl RequestKey {
    #[staticmethod]
    fn create(py: Python<'_>, path: PathBuf) -> Result<Self> {
        py.detach(|| request_key::RequestKey::create(&path).map(RequestKey))
    }

    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> Result<Self> {
        py.detach(|| request_key::RequestKey::open(&path).map(RequestKey))
    }

    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.public)
    }

    #[pyo3(signature = (service, *, time, method, target, body, idempotency_key))]
    #[allow(clippy::too_many_arguments)] // by name, in Python
    fn sign(
        &self,
        py: Python<'_>,
        service: &str,
        time: u64,
        method: &[u8],
        target: &[u8],
        body: &[u8],
        idempotency_key: &[u8],
    ) -> Result<String> {
        let service = unhex(service.as_bytes())
            .ok_or_else(|| Error::malformed("malformed-setting", "the id of a service is 32 hex digits"))?;
        let sent = Sent { method, target, body, idempotency_key };
        signing(py, body.len(), || self.0.sign(service, time, sent))
    }

    #[pyo3(signature = (*, wallet, network, vault, action, time, until))]
    #[allow(clippy::too_many_arguments)] // by name, in Python
    fn approve(
        &self,
        py: Python<'_>,
        wallet: &str,
        network: &str,
        vault: Option<&[u8]>,
        action: &[u8],
        time: u64,
        until: u64,
    ) -> Result<String> {
        let matter = matter_of(wallet, network, vault, action)?;
        signing(py, action.len(), || self.0.approve(matter, time, until))
    }

    fn __repr__(&self) -> String {
        format!("RequestKey('{}')", hex(&fingerprint(&self.0.public)))
    }
}

#[pyclass(frozen, module = "hyperkms._core")]
pub struct RequestSignature(Signature);

#[pymethods]
impl RequestSignature {
    #[staticmethod]
    fn read(header: &[u8]) -> Option<Self> {
        Signature::read(header).map(RequestSignature)
    }

    #[getter]
    fn key(&self) -> String {
        hex(&self.0.claim.key)
    }

    #[getter]
    fn service(&self) -> String {
        hex(&self.0.claim.service)
    }

    #[getter]
    fn time(&self) -> u64 {
        self.0.claim.time
    }

    #[getter]
    fn id(&self) -> String {
        String::from_utf8_lossy(&self.0.claim.id).into_owned()
    }

    #[pyo3(signature = (public_key, *, method, target, body, idempotency_key))]
    fn verify(
        &self,
        py: Python<'_>,
        public_key: &[u8],
        method: &[u8],
        target: &[u8],
        body: &[u8],
        idempotency_key: &[u8],
    ) -> Result<()> {
        let sent = Sent { method, target, body, idempotency_key };
        signing(py, body.len(), || self.0.verify(public_key, sent))
    }
}

#[pyclass(frozen, module = "hyperkms._core")]
pub struct Approval(approval::Approval);

#[pymethods]
impl Approval {
    #[staticmethod]
    fn read(text: &[u8]) -> Option<Self> {
        approval::Approval::read(text).map(Approval)
    }

    #[getter]
    fn key(&self) -> String {
        hex(&self.0.claim.key)
    }

    #[getter]
    fn time(&self) -> u64 {
        self.0.claim.time
    }

    #[getter]
    fn until(&self) -> u64 {
        self.0.claim.until
    }

    #[getter]
    fn id(&self) -> String {
        hex(&self.0.claim.id)
    }

    #[pyo3(signature = (public_key, *, wallet, network, vault, action))]
    fn verify(
        &self,
        py: Python<'_>,
        public_key: &[u8],
        wallet: &str,
        network: &str,
        vault: Option<&[u8]>,
        action: &[u8],
    ) -> Result<()> {
        let matter = matter_of(wallet, network, vault, action)?;
        signing(py, action.len(), || self.0.verify(public_key, matter))
    }
}

fn matter_of<'a>(wallet: &'a str, network: &'a str, vault: Option<&'a [u8]>, action: &'a [u8]) -> Result<Matter<'a>> {
    if vault.is_some_and(|address| address.len() != 20) {
        return Err(Error::malformed("malformed-approval", "the address of a vault has 20 bytes"));
    }
    Ok(Matter { wallet: wallet.as_bytes(), network: network.as_bytes(), vault: vault.unwrap_or_default(), action })
}

#[pyclass(frozen, module = "hyperkms._core")]
pub struct SharedReplays(Replays);

#[pymethods]
impl SharedReplays {
    #[staticmethod]
    fn open(path: PathBuf, boot: &[u8]) -> Result<Option<Self>> {
        Ok(Replays::open(&path, boot_of(boot)?)?.map(SharedReplays))
    }

    #[staticmethod]
    #[pyo3(signature = (path, boot, *, now, floor))]
    fn create(py: Python<'_>, path: PathBuf, boot: &[u8], now: u64, floor: u64) -> Result<()> {
        let boot = boot_of(boot)?;
        py.detach(|| Replays::create(&path, boot, now, floor))
    }

    #[getter]
    fn floor(&self) -> u64 {
        self.0.floor
    }

    fn take(&self, signature: &RequestSignature) -> Result<bool> {
        self.0.take(&signature.0.claim)
    }

    fn require_in_place(&self) -> Result<()> {
        self.0.require_in_place()
    }
}

fn boot_of(bytes: &[u8]) -> Result<&[u8; 16]> {
    bytes.try_into().map_err(|_| Error::malformed("malformed-setting", "the id of a boot has 16 bytes"))
}

#[pyfunction]
pub fn request_key_fingerprint(public_key: &[u8]) -> Result<String> {
    match public_key.try_into() {
        Ok(public) if is_strict(public) => Ok(hex(&fingerprint(public))),
        _ => Err(Error::malformed("malformed-public-key", "it is no Ed25519 public key: 32 bytes, of full order")),
    }
}
