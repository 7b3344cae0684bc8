//! Threshold signing among cosigners: a key that exists in no place, in shares that never leave their own process.
//!
//! Only cosigners load this. It stands on the core: the same arena, the same seals, the same digests.

pub mod dkls;
pub mod envelope;
pub mod form;
pub mod frost;
pub mod group;
mod group_key;
pub mod identity;
mod opening;
pub mod prepared;
pub mod protocol;
pub mod sealed_share;
pub mod session;
pub mod share_context;
#[cfg(test)]
mod testing;
#[cfg(feature = "python")]
mod python;
