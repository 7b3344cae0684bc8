//! secp256k1: DKLs23 (eprint 2023/765) by `dkls23-secp256k1`.
//!
//! The library runs the phases; here its messages are read strictly, tied to who was proved to have sent them, and its
//! aborts told apart. A message of a kind has one length and one form. Points are never the identity.
//!
//! The library draws from the random generator of the thread. See `randomness` for what that asks of us.

mod faults;
pub mod keygen;
mod messages;
mod randomness;
pub mod refresh;
pub mod repair;
mod setup;
mod share;
pub mod signing;
#[cfg(test)]
mod tests;

pub use share::{is_hollow, open};
