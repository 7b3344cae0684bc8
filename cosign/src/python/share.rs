//! Shares, and what one round trip of Ed25519 needs.

use hyperkms_core::error::Error;
use hyperkms_core::memory::{on_deeply_wiped_stack, IdleBytes};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::custody::DataKey;
use super::errors::Result;
use super::{Form, Group, Identity, Set, ShareContext};
use crate::data_key::Fresh;
use crate::prepared::{self, Own, Waiting};
use crate::protocol::{GroupKey, KeyShare, Secret};
use crate::recipient::Recipient;
use crate::{dkls, frost, sealed_share, share_context, share_copy};
use hyperkms_core::single::KeyType;

const IDLE_LABEL: &[u8] = b"share";

#[pyclass(frozen, module = "hyperkms_cosign")]
pub(crate) struct Share {
    pub(crate) context: share_context::ShareContext,
    pub(crate) group_key: GroupKey,
    body: IdleBytes,
    hollow: bool,
    waiting: Waiting,
}

impl Share {
    pub(crate) fn body(&self) -> std::result::Result<Secret, Error> {
        self.body.open(IDLE_LABEL)
    }
}

#[pymethods]
impl Share {
    #[staticmethod]
    fn open(py: Python<'_>, sealed: &[u8], context: &ShareContext, data_key: &DataKey) -> Result<Self> {
        py.detach(|| {
            let context = context.0.clone();
            let opened = sealed_share::open(sealed, &context, &data_key.open()?)?;
            let fits = opened.group_key.key_type == context.key_type
                && opened.group_key.parameters.threshold() == context.threshold
                && opened.group_key.parameters.members() == context.members;
            if !fits {
                return Err(Error::tampered("share-tampered", "the group key is not of the share's own group").into());
            }
            let hollow = on_deeply_wiped_stack(|| match context.key_type {
                KeyType::Ed25519 => frost::signing::open(&opened.body, &opened.group_key, context.index).map(|_| false),
                KeyType::Secp256k1 => dkls::open(&opened.body, &opened.group_key, context.index)
                    .and_then(|_| dkls::is_hollow(&opened.body)),
            })?;
            let body = IdleBytes::seal(opened.body, IDLE_LABEL)?;
            Ok(Share { context, group_key: opened.group_key, body, hollow, waiting: Waiting::default() })
        })
    }

    #[getter]
    fn context(&self) -> ShareContext {
        ShareContext(self.context.clone())
    }

    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.group_key.public_key)
    }

    #[getter]
    fn group_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.group_key.to_bytes())
    }

    #[getter]
    fn is_hollow(&self) -> bool {
        self.hollow
    }

    fn prepare<'py>(
        &self,
        py: Python<'py>,
        identity: &Identity,
        group: &Group,
        signers: Set,
    ) -> Result<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let (id, bytes) = py.detach(|| -> Result<_> {
            self.require_ed25519()?;
            let body = self.body()?;
            Ok(prepared::prepare(self.own(identity, group, &body), &self.waiting, &signers)?)
        })?;
        Ok((PyBytes::new(py, &id), PyBytes::new(py, &bytes)))
    }

    fn sign_share<'py>(
        &self,
        py: Python<'py>,
        identity: &Identity,
        group: &Group,
        signers: Set,
        commitments: Vec<Vec<u8>>,
        form: &Form,
    ) -> Result<Bound<'py, PyBytes>> {
        let share = py.detach(|| -> Result<_> {
            self.require_ed25519()?;
            let body = self.body()?;
            let own = self.own(identity, group, &body);
            Ok(prepared::sign_share(own, &self.waiting, &signers, &commitments, &form.0)?)
        })?;
        Ok(PyBytes::new(py, &share))
    }

    fn rebind<'py>(
        &self,
        py: Python<'py>,
        group: &Group,
        data_key: &DataKey,
        wrapped: &[u8],
        root_key_id: &str,
    ) -> Result<Bound<'py, PyBytes>> {
        let sealed = py.detach(|| -> Result<_> {
            let context = self.context.rebound(&group.0)?;
            let share = KeyShare { body: self.body()?, group_key: self.group_key.clone() };
            Ok(sealed_share::seal(share, &context, &Fresh { data_key: &data_key.open()?, wrapped, root_key_id })?)
        })?;
        Ok(PyBytes::new(py, &sealed))
    }

    fn copy_for<'py>(&self, py: Python<'py>, recipient: &str) -> Result<Bound<'py, PyBytes>> {
        let copy = py.detach(|| -> Result<_> {
            let recipient = Recipient::read(recipient)?;
            Ok(share_copy::copy_for(&self.body()?, &self.group_key, &self.context, &recipient)?)
        })?;
        Ok(PyBytes::new(py, &copy))
    }

    fn forget_prepared(&self) {
        self.waiting.forget();
    }

    fn __repr__(&self) -> String {
        let share_context::ShareContext { wallet, version, epoch, index, .. } = &self.context;
        format!("<Share of wallet {wallet} version {version} epoch {epoch} of member {index}>")
    }
}

impl Share {
    fn own<'a>(&'a self, identity: &'a Identity, group: &'a Group, body: &'a [u8]) -> Own<'a> {
        Own { identity: &identity.0, group: &group.0, context: &self.context, group_key: &self.group_key, body }
    }

    fn require_ed25519(&self) -> std::result::Result<(), Error> {
        if self.context.key_type == KeyType::Ed25519 {
            return Ok(());
        }
        Err(Error::malformed("wrong-key-type", "only an Ed25519 share signs by prepared commitments"))
    }
}

#[pyfunction]
pub(crate) fn session_of_commitments<'py>(py: Python<'py>, commitments: Vec<Vec<u8>>) -> Result<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &prepared::session_of(&commitments)?))
}

#[pyfunction]
#[allow(clippy::too_many_arguments)] // all that a signature is verified against
pub(crate) fn aggregate<'py>(
    py: Python<'py>,
    group: &Group,
    context: &ShareContext,
    group_key: &[u8],
    signers: Set,
    commitments: Vec<Vec<u8>>,
    form: &Form,
    shares: Vec<Vec<u8>>,
) -> Result<Bound<'py, PyBytes>> {
    let signature = py.detach(|| -> Result<_> {
        let group_key = GroupKey::read(group_key)?;
        Ok(prepared::aggregate(&group.0, &context.0, &group_key, &signers, &commitments, &form.0, &shares)?)
    })?;
    Ok(PyBytes::new(py, &signature.bytes))
}
