//! The face of the core in Python; `src/hyperkms/_core.pyi` documents it.

mod ahead;
mod first_system;
mod kms;
mod kms_native;
mod meters;
mod typed;

use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sha2::{Digest as _, Sha256};

use crate::digest::{self, Digest, L1Extras, Network};
use crate::error::{Error, Kind, Result};
use crate::key_file::read_private_key;
use crate::memory::{self, Counters, Idle, Lock, LockChoice, Slot};
use crate::root_file::RootFile;
use crate::sealed::{self, Binding, Origin, Purpose};
use crate::single::{self, EcdsaSignature, KeyType, Public};

mod key_copy;
mod record;
mod request;
mod reseal;
mod rows;
mod verify;

const DATA_KEY_LABEL: &[u8] = b"data key";

mod raised {
    pyo3::import_exception!(hyperkms.errors, Malformed);
    pyo3::import_exception!(hyperkms.errors, Tampered);
    pyo3::import_exception!(hyperkms.errors, Conflict);
    pyo3::import_exception!(hyperkms.errors, Refused);
    pyo3::import_exception!(hyperkms.errors, Unavailable);
}

impl From<Error> for PyErr {
    fn from(error: Error) -> PyErr {
        let words = (error.code, error.message);
        match error.kind {
            Kind::Malformed => raised::Malformed::new_err(words),
            Kind::Tampered => raised::Tampered::new_err(words),
            Kind::Conflict => raised::Conflict::new_err(words),
            Kind::Refused => raised::Refused::new_err(words),
            Kind::Unavailable => raised::Unavailable::new_err(words),
        }
    }
}

#[pyclass(frozen, module = "hyperkms._core")]
struct Protection {
    #[pyo3(get)]
    lock: &'static str,
    #[pyo3(get)]
    private: bool,
    #[pyo3(get)]
    size: usize,
}

#[pyclass(frozen, module = "hyperkms._core")]
struct Context(sealed::Context);

#[pymethods]
impl Context {
    #[new]
    #[pyo3(signature = (*, wallet, version, key_type, network, origin))]
    fn new(wallet: String, version: u32, key_type: &str, network: &str, origin: &str) -> Result<Self> {
        let key_type = KeyType::from_name(key_type)?;
        let network = Binding::from_name(network)?;
        let origin = Origin::from_name(origin)?;
        let context = sealed::Context { purpose: Purpose::PrivateKey, wallet, version, key_type, network, origin };
        context.check()?;
        Ok(Context(context))
    }

    #[staticmethod]
    fn of_log_key() -> Self {
        Context(sealed::Context {
            purpose: Purpose::LogKey,
            wallet: "record".into(),
            version: 1,
            key_type: KeyType::Ed25519,
            network: Binding::None,
            origin: Origin::Generated,
        })
    }

    #[getter]
    fn purpose(&self) -> &'static str {
        self.0.purpose.name()
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
    fn origin(&self) -> &'static str {
        self.0.origin.name()
    }

    fn __eq__(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn __repr__(&self) -> String {
        let c = &self.0;
        format!(
            "Context(wallet='{}', version={}, key_type='{}', network='{}', origin='{}')",
            c.wallet,
            c.version,
            c.key_type.name(),
            c.network.name(),
            c.origin.name()
        )
    }
}

/// A data key at rest in memory.
#[pyclass(frozen, module = "hyperkms._core")]
struct DataKey(Idle);

impl DataKey {
    fn keep(slot: &Slot) -> Result<DataKey> {
        Ok(DataKey(Idle::seal(slot, DATA_KEY_LABEL)?))
    }

    fn open(&self) -> Result<Slot> {
        self.0.open(DATA_KEY_LABEL)
    }
}

#[pyclass(frozen, module = "hyperkms._core")]
struct LocalRootKey(RootFile);

#[pymethods]
impl LocalRootKey {
    #[staticmethod]
    fn create(py: Python<'_>, path: PathBuf) -> Result<Self> {
        py.detach(|| RootFile::create(&path).map(LocalRootKey))
    }

    #[staticmethod]
    fn open(py: Python<'_>, path: PathBuf) -> Result<Self> {
        py.detach(|| RootFile::open(&path).map(LocalRootKey))
    }

    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    fn new_data_key<'py>(&self, py: Python<'py>, context: &Context) -> Result<(DataKey, Bound<'py, PyBytes>)> {
        let (data_key, wrapped) = py.detach(|| -> Result<_> {
            let fresh = Slot::random()?;
            let wrapped = self.0.wrap(&fresh, &context.0.wrap_label())?;
            Ok((DataKey::keep(&fresh)?, wrapped))
        })?;
        Ok((data_key, PyBytes::new(py, &wrapped)))
    }

    fn unwrap(&self, py: Python<'_>, wrapped: &[u8], context: &Context) -> Result<DataKey> {
        py.detach(|| DataKey::keep(&self.0.unwrap(wrapped, &context.0.wrap_label())?))
    }
}

#[pyclass(frozen, module = "hyperkms._core")]
struct SealedHeader(sealed::Header);

#[pymethods]
impl SealedHeader {
    #[getter]
    fn context(&self) -> Context {
        Context(self.0.context.clone())
    }

    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.public_key)
    }

    #[getter]
    fn root_key_id(&self) -> &str {
        &self.0.root_key_id
    }

    #[getter]
    fn wrapped<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.wrapped)
    }
}

/// A private key at rest in memory, and what may be known of it.
#[pyclass(frozen, module = "hyperkms._core")]
struct KeyHandle {
    context: sealed::Context,
    public_key: Public,
    key: Idle,
}

impl KeyHandle {
    /// The secret of a handle of this purpose and type; refused for any other.
    fn open(&self, purpose: Purpose, wanted: KeyType) -> Result<Slot> {
        self.require_purpose(purpose)?;
        let found = self.context.key_type;
        if found != wanted {
            let (found, wanted) = (found.name(), wanted.name());
            return Err(Error::malformed(
                "wrong-key-type",
                format!("wallet {} has an {found} key; this needs an {wanted} key", self.context.wallet),
            ));
        }
        self.key.open(self.public_key.as_bytes())
    }

    fn require_purpose(&self, wanted: Purpose) -> Result<()> {
        if self.context.purpose == wanted {
            return Ok(());
        }
        let (found, wanted) = (self.context.purpose.name(), wanted.name());
        Err(Error::refused("wrong-key-purpose", format!("this is a {found}; this needs a {wanted}")))
    }

    fn require_network(&self, network: Network) -> Result<()> {
        let fits = matches!(
            (self.context.network, network),
            (Binding::Any, _) | (Binding::Mainnet, Network::Mainnet) | (Binding::Testnet, Network::Testnet)
        );
        if fits {
            return Ok(());
        }
        let (wallet, bound) = (&self.context.wallet, self.context.network.name());
        Err(Error::refused("wrong-network", format!("wallet {wallet} is bound to {bound} and signs for nothing else")))
    }
}

#[pymethods]
impl KeyHandle {
    #[getter]
    fn context(&self) -> Context {
        Context(self.context.clone())
    }

    #[getter]
    fn public_key<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.public_key.as_bytes())
    }

    fn __repr__(&self) -> String {
        format!("KeyHandle(wallet='{}', version={})", self.context.wallet, self.context.version)
    }
}

/// A signature and what was signed, as they are written down and answered: 0x and hex digits.
type Signed = (String, String);

fn signed(signature: &[&[u8]], digest: &[u8; 32]) -> Signed {
    (hex(signature), hex(&[digest]))
}

fn hex(parts: &[&[u8]]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(2 + 2 * parts.iter().map(|part| part.len()).sum::<usize>());
    text.push_str("0x");
    for byte in parts.iter().copied().flatten() {
        text.push(DIGITS[usize::from(byte >> 4)].into());
        text.push(DIGITS[usize::from(byte & 15)].into());
    }
    text
}

/// Counters shared by the processes of a host; nothing secret.
#[pyclass(frozen, module = "hyperkms._core")]
struct SharedCounters(Counters);

#[pymethods]
impl SharedCounters {
    #[staticmethod]
    fn open(path: PathBuf) -> Result<Self> {
        Counters::open(&path).map(SharedCounters)
    }

    #[getter]
    fn file(&self) -> String {
        self.0.file()
    }

    #[pyo3(signature = (counter, *, now, limit))]
    fn draw(&self, counter: u64, now: u64, limit: u64) -> Result<u64> {
        self.0.draw(counter, now, limit)
    }

    fn require_in_place(&self) -> Result<()> {
        self.0.require_in_place()
    }

    fn read(&self, counter: u64) -> Result<u64> {
        self.0.read(counter)
    }

    fn settled(&self, taken: u64, finished: u64) -> Result<Option<u64>> {
        let number = self.0.read(taken)?;
        Ok((self.0.read(finished)? >= number).then_some(number))
    }

    #[pyo3(signature = (counter, *, amount))]
    fn add(&self, counter: u64, amount: u64) -> Result<u64> {
        self.0.add(counter, amount)
    }

    #[pyo3(signature = (bucket, *, total, amount))]
    fn observe(&self, bucket: u64, total: u64, amount: u64) -> Result<()> {
        self.0.add(bucket, 1)?;
        self.0.add(total, amount)?;
        Ok(())
    }

    #[pyo3(signature = (first, *, bounds, stamps))]
    fn observe_spans(&self, first: u64, bounds: Vec<u64>, stamps: Vec<u64>) -> Result<()> {
        self.0.observe_spans(first, &bounds, &stamps)
    }

    #[pyo3(signature = (counter, *, amount, now, limit, period))]
    fn take_window(&self, counter: u64, amount: u64, now: u64, limit: u64, period: u64) -> Result<(bool, u64, u64)> {
        let taken = self.0.take_window(counter, amount, now, limit, period)?;
        Ok((taken.granted, taken.left, taken.wait))
    }

    #[pyo3(signature = (counter, *, amount, now, interval, burst))]
    fn take_bucket(&self, counter: u64, amount: u64, now: u64, interval: u64, burst: u64) -> Result<(bool, u64, u64)> {
        let taken = self.0.take_bucket(counter, amount, now, interval.max(1), burst)?;
        Ok((taken.granted, taken.left, taken.wait))
    }

    #[pyo3(signature = (counter, *, floor))]
    fn raise_to(&self, counter: u64, floor: u64) -> Result<()> {
        self.0.raise(counter, floor)
    }
}

#[pyfunction]
fn start_memory(lock: &str) -> Result<Protection> {
    let choice = match lock {
        "auto" => LockChoice::Auto,
        "memfd_secret" => LockChoice::MemfdSecret,
        "mlock" => LockChoice::Mlock,
        _ => return Err(Error::malformed("malformed-setting", "memory lock is auto, memfd_secret or mlock")),
    };
    memory::start(choice).map(shown)
}

#[pyfunction]
fn memory_protection() -> Result<Protection> {
    memory::protection().map(shown)
}

fn shown(protection: memory::Protection) -> Protection {
    let lock = match protection.lock {
        Lock::MemfdSecret => "memfd_secret",
        Lock::Mlock => "mlock",
        Lock::Unlocked => "none",
    };
    Protection { lock, private: protection.private, size: protection.size }
}

#[pyfunction]
fn harden_process() -> Result<()> {
    memory::harden_process()
}

#[pyfunction]
fn use_one_heap() {
    memory::use_one_heap();
}

#[pyfunction]
fn is_in_memory(path: PathBuf) -> bool {
    memory::is_in_memory(&path)
}

#[pyfunction]
fn generate_key<'py>(
    py: Python<'py>,
    context: &Context,
    data_key: &DataKey,
    wrapped: &[u8],
    root_key_id: &str,
) -> Result<Bound<'py, PyBytes>> {
    let sealed = py.detach(|| {
        let secret = single::generate(context.0.key_type)?;
        sealed::seal(&secret, &context.0, &data_key.open()?, wrapped, root_key_id)
    })?;
    Ok(PyBytes::new(py, &sealed))
}

#[pyfunction]
fn import_key<'py>(
    py: Python<'py>,
    path: PathBuf,
    context: &Context,
    data_key: &DataKey,
    wrapped: &[u8],
    root_key_id: &str,
) -> Result<Bound<'py, PyBytes>> {
    if context.0.purpose != Purpose::PrivateKey {
        return Err(Error::refused("wrong-key-purpose", "a key that is imported is a wallet's"));
    }
    let sealed = py.detach(|| {
        let secret = read_private_key(&path, context.0.key_type)?;
        sealed::seal(&secret, &context.0, &data_key.open()?, wrapped, root_key_id)
    })?;
    Ok(PyBytes::new(py, &sealed))
}

#[pyfunction]
fn inspect_sealed_key(sealed: &[u8]) -> Result<SealedHeader> {
    sealed::inspect(sealed).map(SealedHeader)
}

#[pyfunction]
fn open_sealed_key(py: Python<'_>, sealed: &[u8], context: &Context, data_key: &DataKey) -> Result<KeyHandle> {
    py.detach(|| {
        let (secret, header) = sealed::open(sealed, &context.0, &data_key.open()?)?;
        // `sealed::open` has derived this very public key from the secret.
        let public_key = Public::read(header.context.key_type, &header.public_key)?;
        let key = Idle::seal(&secret, public_key.as_bytes())?;
        Ok(KeyHandle { context: header.context, public_key, key })
    })
}

/// Bytes up to which a signature keeps the GIL. To hand it over in the middle of 25 us and win it back costs more than
/// the signature as soon as another thread wants it, such as the one that writes the record.
const SHORT: usize = 4 * 1024;

fn signing<T: Send>(py: Python<'_>, len: usize, sign: impl FnOnce() -> T + Send) -> T {
    if len <= SHORT {
        sign()
    } else {
        py.detach(sign)
    }
}

fn network_named(name: &str) -> Result<Network> {
    match name {
        "mainnet" => Ok(Network::Mainnet),
        "testnet" => Ok(Network::Testnet),
        _ => Err(Error::malformed("malformed-network", "the network is mainnet or testnet")),
    }
}

#[pyfunction]
#[pyo3(signature = (handle, msgpack, *, nonce, vault, expires_after, network))]
fn sign_l1(
    py: Python<'_>,
    handle: &KeyHandle,
    msgpack: &[u8],
    nonce: u64,
    vault: Option<&[u8]>,
    expires_after: Option<u64>,
    network: &str,
) -> Result<Signed> {
    let network = network_named(network)?;
    let vault = vault.map(<[u8; 20]>::try_from).transpose();
    let vault = vault.map_err(|_| Error::malformed("malformed-vault", "a vault address has 20 bytes"))?;
    signing(py, msgpack.len(), || {
        handle.require_purpose(Purpose::PrivateKey)?;
        handle.require_network(network)?;
        let digest = digest::l1_action(msgpack, L1Extras { nonce, vault, expires_after }, network)?;
        sign_secp256k1(handle, digest)
    })
}

#[pyfunction]
fn sign_eip191(py: Python<'_>, handle: &KeyHandle, message: &[u8]) -> Result<Signed> {
    signing(py, message.len(), || sign_secp256k1(handle, digest::eip191(message)))
}

fn sign_secp256k1(handle: &KeyHandle, digest: Digest) -> Result<Signed> {
    let secret = handle.open(Purpose::PrivateKey, KeyType::Secp256k1)?;
    let EcdsaSignature { r, s, v } = single::sign_secp256k1(&secret, &digest.0)?;
    Ok(signed(&[&r, &s, &[v]], &digest.0))
}

#[pyfunction]
fn sign_ed25519_message(py: Python<'_>, handle: &KeyHandle, message: &[u8]) -> Result<Signed> {
    signing(py, message.len(), || {
        let secret = handle.open(Purpose::PrivateKey, KeyType::Ed25519)?;
        let signature = single::sign_ed25519(&secret, &handle.public_key, message)?;
        Ok(signed(&[&signature], &Sha256::digest(message).into()))
    })
}

#[pyfunction]
fn keccak256<'py>(py: Python<'py>, data: &[u8]) -> Bound<'py, PyBytes> {
    PyBytes::new(py, &digest::keccak256(data))
}

#[pyfunction]
fn address<'py>(py: Python<'py>, public_key: &[u8]) -> Result<Bound<'py, PyBytes>> {
    Ok(PyBytes::new(py, &single::address(public_key)?))
}

#[pymodule]
mod _core {
    #[pymodule_export]
    use super::ahead::allocate_ahead;
    #[pymodule_export]
    use super::first_system::{ask_first_system, copy_first_system_share, FirstSystemAnswer, FirstSystemShare};
    #[pymodule_export]
    use super::key_copy::{copy_key, recipient_fingerprint};
    #[pymodule_export]
    use super::kms::{KmsAnswer, KmsClient};
    #[pymodule_export]
    use super::kms_native::{read_kms_public_key, KmsForm};
    #[pymodule_export]
    use super::meters::Meters;
    #[pymodule_export]
    use super::record::{sign_manifest_entry, sign_tree_head};
    #[pymodule_export]
    use super::request::{request_key_fingerprint, Approval, RequestKey, RequestSignature, SharedReplays};
    #[pymodule_export]
    use super::reseal::reseal_key;
    #[pymodule_export]
    use super::rows::{sign_rows, store_key_context, verify_rows};
    #[pymodule_export]
    use super::typed::sign_user_action;
    #[pymodule_export]
    use super::verify::verify_ed25519;
    #[pymodule_export]
    use super::{
        address, generate_key, harden_process, import_key, inspect_sealed_key, is_in_memory, keccak256,
        memory_protection, open_sealed_key, sign_ed25519_message, sign_eip191, sign_l1, start_memory, use_one_heap,
        Context, DataKey, KeyHandle, LocalRootKey, Protection, SealedHeader, SharedCounters,
    };
}
