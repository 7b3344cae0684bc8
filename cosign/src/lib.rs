//! Threshold signing among cosigners: a key that exists in no place, in shares that never leave their own process.
//!
//! Only cosigners load this. It stands on the core: the same arena, the same seals, the same digests.

pub use hyperkms_core::recipient;

pub mod data_key;
pub mod dkls;
pub mod envelope;
mod faults;
pub mod form;
pub mod frost;
pub mod group;
mod group_key;
pub mod identity;
mod opening;
pub mod prepared;
#[cfg(test)]
mod prepared_tests;
pub mod protocol;
#[cfg(feature = "python")]
mod python;
pub mod sealed_share;
pub mod session;
#[cfg(test)]
mod session_tests;
pub mod share_context;
pub mod share_copy;
#[cfg(test)]
mod stack_tests;
#[cfg(test)]
mod testing;
