//! The random generator that the library draws from.

use hyperkms_core::error::Error;
use hyperkms_core::memory::fill_random;

use crate::protocol::Fault;

/// The library draws from `rand::rng()` of the thread, and nothing else can be put in its place. It is given new bytes of
/// the operating system before every step: a process that forked, or a machine that was cloned or set back, would else
/// draw the same signing nonces again, and two signatures with one nonce give the key away.
pub fn renew() -> Result<(), Fault> {
    // The first use in a thread would panic if there were no random bytes.
    fill_random(&mut [0; 32])?;
    let renewed = rand::rng().reseed();
    renewed.map_err(|error| Error::unavailable("randomness-unavailable", format!("getrandom: {error}")).into())
}
