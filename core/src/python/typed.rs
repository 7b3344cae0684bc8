//! User-signed actions.

use pyo3::prelude::*;

use super::{network_named, sign_secp256k1, KeyHandle, Signed};
use crate::error::Result;
use crate::sealed::Purpose;
use crate::typed::{self, Value};

/// In this order: in Python a bool is an integer too.
#[derive(FromPyObject)]
pub(super) enum Given {
    Flag(bool),
    Integer(u64),
    Text(String),
}

pub(super) fn shown(given: &Given) -> Value<'_> {
    match given {
        Given::Flag(flag) => Value::Flag(*flag),
        Given::Integer(number) => Value::Integer(*number),
        Given::Text(text) => Value::Text(text),
    }
}

#[pyfunction]
#[pyo3(signature = (handle, *, primary_type, values, signature_chain_id, network))]
pub(super) fn sign_user_action(
    handle: &KeyHandle,
    primary_type: &str,
    values: Vec<Given>,
    signature_chain_id: u64,
    network: &str,
) -> Result<Signed> {
    let values: Vec<Value<'_>> = values.iter().map(shown).collect();
    let network = network_named(network)?;
    handle.require_purpose(Purpose::PrivateKey)?;
    handle.require_network(network)?;
    sign_secp256k1(handle, typed::user_action(primary_type, &values, signature_chain_id, network)?)
}
