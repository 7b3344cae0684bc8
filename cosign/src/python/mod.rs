//! The face of the module in Python; `cosign/hyperkms_cosign.pyi` documents it.

mod custody;
mod errors;
mod session;
mod share;

use std::collections::BTreeSet;

use hyperkms_core::digest::{L1Extras, Network};
use hyperkms_core::error::Error;
use hyperkms_core::memory::{self, Lock, LockChoice};
use hyperkms_core::sealed::Binding;
use hyperkms_core::single::KeyType;
use hyperkms_core::typed::Value;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::data_key::Fresh;
use crate::envelope::Header;
use crate::identity;
use crate::protocol::{GroupKey, Index};
use crate::sealed_share;
use custody::DataKey;
use errors::{Raised, Result};

pub(crate) type Set = BTreeSet<Index>;

#[pyclass(frozen, module = "hyperkms_cosign")]
struct Protection(memory::Protection);

#[pymethods]
impl Protection {
    #[getter]
    fn lock(&self) -> &'static str {
        match self.0.lock {
            Lock::MemfdSecret => "memfd_secret",
            Lock::Mlock => "mlock",
            Lock::Unlocked => "none",
        }
    }

    #[getter]
    fn private(&self) -> bool {
        self.0.private
    }

    #[getter]
    fn size(&self) -> usize {
        self.0.size
    }
}

#[pyfunction]
#[pyo3(signature = (choice = "auto"))]
fn start_memory(choice: &str) -> Result<Protection> {
    let choice = match choice {
        "auto" => LockChoice::Auto,
        "mlock" => LockChoice::Mlock,
        "memfd_secret" => LockChoice::MemfdSecret,
        _ => return Err(Error::malformed("malformed-setting", "the lock is auto, memfd_secret or mlock").into()),
    };
    Ok(Protection(memory::start(choice)?))
}

#[pyclass(frozen, module = "hyperkms_cosign")]
struct Group(crate::group::Group);

#[pymethods]
impl Group {
    #[new]
    #[pyo3(signature = (*, threshold, identities))]
    fn new(threshold: u8, identities: Vec<Vec<u8>>) -> Result<Self> {
        let identities: Result<Vec<[u8; 32]>> = identities.iter().map(|key| array(key, "an identity key")).collect();
        Ok(Group(crate::group::Group::new(threshold, identities?)?))
    }

    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.id)
    }

    #[getter]
    fn threshold(&self) -> u8 {
        self.0.parameters.threshold()
    }

    #[getter]
    fn members(&self) -> u8 {
        self.0.parameters.members()
    }
}

#[pyclass(frozen, module = "hyperkms_cosign")]
struct Identity(identity::Identity);

#[pymethods]
impl Identity {
    #[staticmethod]
    fn generate<'py>(
        py: Python<'py>,
        data_key: &DataKey,
        wrapped: &[u8],
        root_key_id: &str,
    ) -> Result<(Self, Bound<'py, PyBytes>)> {
        let (made, sealed) =
            py.detach(|| identity::Identity::generate(&Fresh { data_key: &data_key.open()?, wrapped, root_key_id }))?;
        Ok((Identity(made), PyBytes::new(py, &sealed)))
    }

    #[staticmethod]
    fn open(py: Python<'_>, sealed: &[u8], data_key: &DataKey) -> Result<Self> {
        py.detach(|| Ok(Identity(identity::Identity::open(sealed, &data_key.open()?)?)))
    }

    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.public)
    }

    fn sign_statement<'py>(&self, py: Python<'py>, purpose: &str, statement: &[u8]) -> Result<Bound<'py, PyBytes>> {
        let signature = py.detach(|| self.0.sign_statement(purpose, statement))?;
        Ok(PyBytes::new(py, &signature))
    }
}

#[pyfunction]
#[pyo3(signature = (sealed, data_key, *, new_data_key, wrapped, root_key_id))]
fn reseal_identity<'py>(
    py: Python<'py>,
    sealed: &[u8],
    data_key: &DataKey,
    new_data_key: &DataKey,
    wrapped: &[u8],
    root_key_id: &str,
) -> Result<Bound<'py, PyBytes>> {
    let resealed = py.detach(|| {
        let fresh = Fresh { data_key: &new_data_key.open()?, wrapped, root_key_id };
        identity::reseal(sealed, &data_key.open()?, &fresh)
    })?;
    Ok(PyBytes::new(py, &resealed))
}

#[pyfunction]
fn verify_statement(py: Python<'_>, identity: &[u8], purpose: &str, statement: &[u8], signature: &[u8]) -> Result<()> {
    let identity = array(identity, "an identity key")?;
    py.detach(|| Ok(identity::verify_statement(&identity, purpose, statement, signature)?))
}

#[derive(Clone)]
#[pyclass(frozen, eq, hash, module = "hyperkms_cosign")]
#[derive(PartialEq, Eq, Hash)]
struct ShareContext(crate::share_context::ShareContext);

#[pymethods]
impl ShareContext {
    #[new]
    #[pyo3(signature = (*, wallet, version, key_type, network, group, index, epoch))]
    fn new(
        wallet: String,
        version: u32,
        key_type: &str,
        network: &str,
        group: &Group,
        index: u8,
        epoch: u32,
    ) -> Result<Self> {
        let (key_type, network) = (KeyType::from_name(key_type)?, Binding::from_name(network)?);
        let made = crate::share_context::ShareContext::new(&group.0, wallet, version, key_type, network, index, epoch);
        Ok(ShareContext(made?))
    }

    #[getter]
    fn wallet(&self) -> &str {
        &self.0.wallet
    }

    #[getter]
    fn version(&self) -> u32 {
        self.0.version
    }

    #[getter]
    fn key_type(&self) -> &'static str {
        self.0.key_type.name()
    }

    #[getter]
    fn network(&self) -> &'static str {
        self.0.network.name()
    }

    #[getter]
    fn index(&self) -> u8 {
        self.0.index
    }

    #[getter]
    fn epoch(&self) -> u32 {
        self.0.epoch
    }

    /// The id of the group.
    #[getter]
    fn group<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.group_id)
    }
}

/// In this order: in Python a bool is an integer too.
#[derive(FromPyObject)]
enum Given {
    Flag(bool),
    Integer(u64),
    Text(String),
}

#[pyclass(frozen, module = "hyperkms_cosign")]
struct Form(crate::form::Form);

#[pymethods]
impl Form {
    #[staticmethod]
    #[pyo3(signature = (msgpack, *, nonce, vault, expires_after, network))]
    fn l1(msgpack: &[u8], nonce: u64, vault: Option<&[u8]>, expires_after: Option<u64>, network: &str) -> Result<Self> {
        let vault = vault.map(|address| array(address, "a vault address")).transpose()?;
        let extras = L1Extras { nonce, vault, expires_after };
        Ok(Form(crate::form::Form::l1(msgpack, extras, network_named(network)?)?))
    }

    #[staticmethod]
    #[pyo3(signature = (*, primary_type, values, signature_chain_id, network))]
    fn user_action(primary_type: &str, values: Vec<Given>, signature_chain_id: u64, network: &str) -> Result<Self> {
        let values: Vec<Value<'_>> = values
            .iter()
            .map(|each| match each {
                Given::Flag(flag) => Value::Flag(*flag),
                Given::Integer(number) => Value::Integer(*number),
                Given::Text(text) => Value::Text(text),
            })
            .collect();
        let network = network_named(network)?;
        Ok(Form(crate::form::Form::user_action(primary_type, &values, signature_chain_id, network)?))
    }

    #[staticmethod]
    fn eip191(message: &[u8]) -> Self {
        Form(crate::form::Form::eip191(message))
    }

    #[staticmethod]
    fn ed25519(message: &[u8]) -> Result<Self> {
        Ok(Form(crate::form::Form::ed25519(message)?))
    }

    #[staticmethod]
    fn test(context: &ShareContext) -> Result<Self> {
        Ok(Form(crate::form::Form::test(&context.0)?))
    }

    #[getter]
    fn key_type(&self) -> &'static str {
        self.0.key_type.name()
    }

    #[getter]
    fn digest<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.digest)
    }

    fn verify(&self, py: Python<'_>, public_key: &[u8], signature: &[u8]) -> Result<()> {
        Ok(py.detach(|| self.0.verify(public_key, signature))?)
    }
}

#[pyfunction]
fn routing(message: &[u8]) -> Result<(u8, u8)> {
    let (header, _) = Header::read(message)?;
    Ok((header.sender, header.receiver))
}

#[pyfunction]
fn session_of_message<'py>(py: Python<'py>, message: &[u8]) -> Result<Bound<'py, PyBytes>> {
    let (header, _) = Header::read(message)?;
    Ok(PyBytes::new(py, &header.session))
}

#[pyfunction]
fn inspect_share<'py>(py: Python<'py>, sealed: &[u8]) -> std::result::Result<Bound<'py, PyDict>, PyErr> {
    let header = sealed_share::inspect(sealed).map_err(Raised::from)?;
    let (context, shown) = (&header.context, PyDict::new(py));
    shown.set_item("wallet", &context.wallet)?;
    shown.set_item("version", context.version)?;
    shown.set_item("epoch", context.epoch)?;
    shown.set_item("index", context.index)?;
    shown.set_item("key_type", context.key_type.name())?;
    shown.set_item("network", context.network.name())?;
    shown.set_item("group", PyBytes::new(py, &context.group_id))?;
    shown.set_item("root_key_id", &header.root_key_id)?;
    shown.set_item("wrapped", PyBytes::new(py, &header.wrapped))?;
    shown.set_item("group_key", PyBytes::new(py, &header.group_key.to_bytes()))?;
    Ok(shown)
}

#[pyfunction]
fn read_group_key<'py>(py: Python<'py>, group_key: &[u8]) -> std::result::Result<Bound<'py, PyDict>, PyErr> {
    let (key, shown) = (GroupKey::read(group_key).map_err(Raised::from)?, PyDict::new(py));
    shown.set_item("key_type", key.key_type.name())?;
    shown.set_item("threshold", key.parameters.threshold())?;
    shown.set_item("members", key.parameters.members())?;
    shown.set_item("public_key", PyBytes::new(py, &key.public_key))?;
    Ok(shown)
}

fn network_named(name: &str) -> Result<Network> {
    match name {
        "mainnet" => Ok(Network::Mainnet),
        "testnet" => Ok(Network::Testnet),
        _ => Err(Error::malformed("malformed-network", "the network is mainnet or testnet").into()),
    }
}

fn array<const N: usize>(bytes: &[u8], what: &str) -> Result<[u8; N]> {
    let array = <[u8; N]>::try_from(bytes);
    Ok(array.map_err(|_| Error::malformed("malformed-bytes", format!("{what} has {N} bytes")))?)
}

#[pymodule]
mod hyperkms_cosign {
    #[pymodule_export]
    use super::custody::{DataKey, KmsAnswer, KmsClient, LocalRootKey};
    #[pymodule_export]
    use super::session::Session;
    #[pymodule_export]
    use super::share::{aggregate, session_of_commitments, Share};
    #[pymodule_export]
    use super::{
        inspect_share, read_group_key, reseal_identity, routing, session_of_message, start_memory, verify_statement,
        Form, Group, Identity, Protection, ShareContext,
    };
}
