//! Ed25519: FROST (RFC 9591) by `frost-ed25519`.
//!
//! Every message has one length, which follows from t, and is made of points and scalars in the encodings of RFC 9591
//! section 6.1: a point is on the curve, of prime order and not the identity, a scalar is below the group order.
//! The library takes no session id: a message is tied to its session by who delivers it, see `protocol`.

mod encoding;
mod faults;
pub mod keygen;
mod randomness;
pub mod refresh;
pub mod repair;
mod share;
pub mod signing;
#[cfg(test)]
mod tests;

pub use randomness::Drawn;
