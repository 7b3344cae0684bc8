//! Messages as bytes, and members as identifiers.

use std::collections::BTreeMap;

use frost_ed25519::keys::SigningShare;
use frost_ed25519::{Error, Identifier};

use super::faults::{fault, malformed};
use crate::protocol::{Fault, Index, Secret, MOST_MEMBERS};

/// Bytes of a point (RFC 8032 section 5.1.2).
pub const POINT: usize = 32;
/// Bytes of a scalar, little-endian.
pub const SCALAR: usize = 32;

/// A member's identifier is its index as a scalar, as in the published vectors.
pub fn identifier(member: Index) -> Result<Identifier, Fault> {
    Identifier::try_from(u16::from(member)).map_err(fault)
}

pub fn member(identifier: &Identifier) -> Option<Index> {
    (1..=MOST_MEMBERS).find(|index| Identifier::try_from(u16::from(*index)).as_ref() == Ok(identifier))
}

/// The messages of these members, each read strictly. Names the first whose message is not of the form or did not come.
pub fn read_each<B: AsRef<[u8]>, T>(
    members: impl Iterator<Item = Index>,
    messages: &BTreeMap<Index, B>,
    length: usize,
    decode: impl Fn(&[u8]) -> Result<T, Error>,
) -> Result<BTreeMap<Identifier, T>, Fault> {
    let read_one = |member| {
        let bytes = messages.get(&member).ok_or_else(|| malformed(member, "no message came"))?;
        Ok((identifier(member)?, read(member, bytes.as_ref(), length, &decode)?))
    };
    members.map(read_one).collect()
}

/// The length is looked at before anything else, so no message makes us allocate.
fn read<T>(
    member: Index,
    bytes: &[u8],
    length: usize,
    decode: impl FnOnce(&[u8]) -> Result<T, Error>,
) -> Result<T, Fault> {
    if bytes.len() != length {
        return Err(malformed(member, format!("the message has {} bytes where {length} are due", bytes.len())));
    }
    decode(bytes).map_err(|error| match error {
        Error::GroupError(_) => malformed(member, "a point is off the curve, the identity or not of prime order"),
        Error::FieldError(_) => malformed(member, "a scalar is not below the group order"),
        _ => malformed(member, "the message is not of the form of its round"),
    })
}

pub fn write_share(share: &SigningShare) -> Secret {
    Secret::new(share.serialize())
}
