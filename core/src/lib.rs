//! The core of hyperkms: the only code that ever sees a private key, a data key or the root key.
//!
//! This file is the bindings alone. What Python gets are opaque handles, sealed bytes, public keys
//! and signatures; no function here returns a secret, and none signs a digest from outside.

pub mod approval;
pub mod digest;
mod ed25519;
pub mod error;
#[cfg(feature = "kms")]
pub mod first_system;
pub mod first_system_share;
pub mod hex;
pub mod key_copy;
pub mod key_file;
#[cfg(feature = "kms")]
pub mod kms;
pub mod kms_native;
pub mod memory;
pub mod new_file;
pub mod recipient;
pub mod record;
pub mod request;
pub mod request_key;
pub mod root_file;
pub mod rows;
pub mod sealed;
pub mod single;
#[cfg(test)]
mod testing;
pub mod typed;
#[cfg(test)]
mod vectors;
pub mod verify;

#[cfg(feature = "python")]
mod python;
