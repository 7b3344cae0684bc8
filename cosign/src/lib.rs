//! Threshold signing among cosigners: a key that exists in no place, in shares that never leave their own process.
//!
//! Only cosigners load this. It stands on the core: the same arena, the same seals, the same digests.

pub mod dkls;
pub mod frost;
pub mod protocol;
#[cfg(test)]
mod testing;
