//! Sessions: key generation, refresh, repair, and signing with secp256k1.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hyperkms_core::error::Error;
use hyperkms_core::single::KeyType;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::custody::DataKey;
use super::errors::Result;
use super::share::Share;
use super::{Form, Group, Identity, Set, ShareContext};
use crate::data_key::Fresh;
use crate::protocol::{Fault, GroupKey, Index, KeyShare, Seat};
use crate::session::{mapped, Outcome, Start, Topic};
use crate::{dkls, frost, identity, sealed_share, session, share_context};

/// The identity stays with its Python owner; the session keeps hold of it.
#[pyclass(frozen, module = "hyperkms_cosign")]
pub(crate) struct Session {
    identity: Py<Identity>,
    /// Of the share that it makes, if it makes one.
    context: share_context::ShareContext,
    opening: Vec<u8>,
    running: Mutex<session::Session>,
}

#[pymethods]
impl Session {
    #[staticmethod]
    fn keygen(py: Python<'_>, identity: Py<Identity>, group: &Group, context: &ShareContext) -> Result<Self> {
        let key_type = context.0.key_type;
        let start: Start = Box::new(move |seat| match key_type {
            KeyType::Ed25519 => mapped(frost::keygen::start(seat), Outcome::Share),
            KeyType::Secp256k1 => mapped(dkls::keygen::start(seat), Outcome::Share),
        });
        let set = group.0.parameters.everyone();
        let topic = Topic { what: "keygen", context: &context.0, set: &set, detail: &[] };
        Session::open(py, identity, group, &topic, context.0.clone(), true, start)
    }

    #[staticmethod]
    fn refresh(py: Python<'_>, identity: Py<Identity>, group: &Group, share: &Share) -> Result<Self> {
        let (body, group_key) = (share.body()?, share.group_key.clone());
        let start: Start = Box::new(move |seat| match group_key.key_type {
            KeyType::Ed25519 => mapped(frost::refresh::start(seat, &body, &group_key), Outcome::Share),
            KeyType::Secp256k1 => mapped(dkls::refresh::start(seat, &body, &group_key), Outcome::Share),
        });
        let set = group.0.parameters.everyone();
        let detail = share.group_key.to_bytes();
        let topic = Topic { what: "refresh", context: &share.context, set: &set, detail: &detail };
        Session::open(py, identity, group, &topic, share.context.next()?, true, start)
    }

    #[staticmethod]
    fn repair_helper(
        py: Python<'_>,
        identity: Py<Identity>,
        group: &Group,
        share: &Share,
        helpers: Set,
        target: Index,
    ) -> Result<Self> {
        let (body, group_key) = (share.body()?, share.group_key.clone());
        let start: Start = Box::new(move |seat| match group_key.key_type {
            KeyType::Ed25519 => mapped(frost::repair::helper(seat, target, &body, &group_key), repaired),
            KeyType::Secp256k1 => mapped(dkls::repair::helper(seat, target, &body, &group_key), repaired),
        });
        let (set, detail) = repair_topic(helpers, target, &share.group_key)?;
        let topic = Topic { what: "repair", context: &share.context, set: &set, detail: &detail };
        Session::open(py, identity, group, &topic, share.context.clone(), true, start)
    }

    #[staticmethod]
    fn repair_target(
        py: Python<'_>,
        identity: Py<Identity>,
        group: &Group,
        context: &ShareContext,
        group_key: &[u8],
        helpers: Set,
    ) -> Result<Self> {
        let group_key = GroupKey::read(group_key)?;
        let (set, detail) = repair_topic(helpers, context.0.index, &group_key)?;
        let start: Start = Box::new(move |seat| match group_key.key_type {
            KeyType::Ed25519 => mapped(frost::repair::target(seat, &group_key), repaired),
            KeyType::Secp256k1 => mapped(dkls::repair::target(seat, &group_key), repaired),
        });
        let topic = Topic { what: "repair", context: &context.0, set: &set, detail: &detail };
        Session::open(py, identity, group, &topic, context.0.clone(), true, start)
    }

    #[staticmethod]
    fn sign(
        py: Python<'_>,
        identity: Py<Identity>,
        group: &Group,
        share: &Share,
        signers: Set,
        form: &Form,
        banned: Set,
    ) -> Result<Self> {
        form.0.require_fitting(&share.context)?;
        if form.0.key_type != KeyType::Secp256k1 {
            return Err(Error::malformed("wrong-key-type", "an Ed25519 share signs by prepared commitments").into());
        }
        if signers.len() != usize::from(group.0.parameters.threshold()) {
            return Err(Error::malformed("malformed-set", "exactly as many sign as the threshold says").into());
        }
        if let Some(member) = signers.intersection(&banned).next() {
            let words = format!("cosigner {member} is banned: with it no signature is ever made again");
            return Err(Error::refused("cosigner-banned", words).into());
        }
        let (body, group_key, digest) = (share.body()?, share.group_key.clone(), form.0.digest);
        let start: Start = Box::new(move |seat: Seat| {
            mapped(dkls::signing::start(seat, &body, &group_key, digest, &banned), Outcome::Signature)
        });
        let detail = [&digest[..], &share.group_key.to_bytes()].concat();
        let topic = Topic { what: "sign", context: &share.context, set: &signers, detail: &detail };
        Session::open(py, identity, group, &topic, share.context.clone(), false, start)
    }

    #[getter]
    fn opening<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.opening)
    }

    fn begin<'py>(&self, py: Python<'py>, openings: Vec<Vec<u8>>) -> Result<Vec<Bound<'py, PyBytes>>> {
        self.go_on(py, |running, identity| running.begin(identity, &openings))
    }

    fn advance<'py>(&self, py: Python<'py>, messages: Vec<Vec<u8>>) -> Result<Vec<Bound<'py, PyBytes>>> {
        self.go_on(py, |running, identity| running.advance(identity, &messages))
    }

    #[getter]
    fn id<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        py.detach(|| self.running().id()).map(|id| PyBytes::new(py, &id))
    }

    #[getter]
    fn is_last_word(&self, py: Python<'_>) -> bool {
        py.detach(|| self.running().is_last_word())
    }

    #[getter]
    fn done(&self, py: Python<'_>) -> bool {
        py.detach(|| self.running().is_done())
    }

    fn take_share<'py>(
        &self,
        py: Python<'py>,
        data_key: &DataKey,
        wrapped: &[u8],
        root_key_id: &str,
    ) -> Result<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let (sealed, group_key) = py.detach(|| -> Result<_> {
            let Outcome::Share(share) = self.running().take()? else { return Err(no_such_outcome().into()) };
            let group_key = share.group_key.to_bytes();
            let fresh = Fresh { data_key: &data_key.open()?, wrapped, root_key_id };
            Ok((sealed_share::seal(share, &self.context, &fresh)?, group_key))
        })?;
        Ok((PyBytes::new(py, &sealed), PyBytes::new(py, &group_key)))
    }

    fn take_signature<'py>(&self, py: Python<'py>) -> Result<Bound<'py, PyBytes>> {
        let outcome = py.detach(|| self.running().take())?;
        let Outcome::Signature(signature) = outcome else { return Err(no_such_outcome().into()) };
        Ok(PyBytes::new(py, &[&signature.bytes[..], &[27 + signature.recovery_id]].concat()))
    }
}

impl Session {
    fn open(
        py: Python<'_>,
        identity: Py<Identity>,
        group: &Group,
        topic: &Topic<'_>,
        context: share_context::ShareContext,
        echoes: bool,
        start: Start,
    ) -> Result<Self> {
        let own: &identity::Identity = &identity.get().0;
        let running = py.detach(|| session::Session::open(own, &group.0, topic, echoes, start))?;
        Ok(Session { identity, context, opening: running.opening().to_vec(), running: Mutex::new(running) })
    }

    fn running(&self) -> MutexGuard<'_, session::Session> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn go_on<'py>(
        &self,
        py: Python<'py>,
        step: impl FnOnce(&mut session::Session, &identity::Identity) -> std::result::Result<Vec<Vec<u8>>, Fault> + Send,
    ) -> Result<Vec<Bound<'py, PyBytes>>> {
        let identity: &identity::Identity = &self.identity.get().0;
        let messages = py.detach(|| step(&mut self.running(), identity))?;
        Ok(messages.iter().map(|message| PyBytes::new(py, message)).collect())
    }
}

fn repaired(share: Option<KeyShare>) -> Outcome {
    share.map_or(Outcome::Nothing, Outcome::Share)
}

/// Helpers and target, and what they must agree on: the target and the key.
fn repair_topic(helpers: Set, target: Index, group_key: &GroupKey) -> std::result::Result<(Set, Vec<u8>), Error> {
    let mut set = helpers;
    if !set.insert(target) {
        return Err(Error::malformed("malformed-set", "a cosigner does not help to repair its own share"));
    }
    let mut detail = vec![target];
    detail.extend(group_key.to_bytes());
    Ok((set, detail))
}

fn no_such_outcome() -> Error {
    Error::refused("session-not-done", "this session makes another outcome")
}
