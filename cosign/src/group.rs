//! Who the cosigners of a group are.

use hyperkms_core::error::{Error, Result};
use sha2::{Digest as _, Sha256};

use crate::protocol::{Index, Parameters};

const LABEL: &[u8] = b"hyperkms group v1";

/// t, and the identity keys of the n members in their order. Peers trust these keys and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub id: [u8; 32],
    pub parameters: Parameters,
    identities: Vec<[u8; 32]>,
}

impl Group {
    /// Refuses a threshold that is not served, and two members with one key.
    pub fn new(threshold: u8, identities: Vec<[u8; 32]>) -> Result<Group> {
        let members = u8::try_from(identities.len()).unwrap_or(u8::MAX);
        let parameters = Parameters::new(threshold, members)?;
        let mut sorted = identities.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() != identities.len() {
            return Err(Error::malformed("malformed-group", "two members of the group have the same identity key"));
        }
        let mut hash = Sha256::new();
        hash.update(LABEL);
        hash.update([threshold, members]);
        for identity in &identities {
            hash.update(identity);
        }
        Ok(Group { id: hash.finalize().into(), parameters, identities })
    }

    /// The identity key of a member; None for an index outside the group.
    pub fn identity(&self, index: Index) -> Option<&[u8; 32]> {
        self.identities.get(usize::from(index.checked_sub(1)?))
    }

    /// Refused unless this identity key is that of the member.
    pub fn require_member(&self, index: Index, identity: &[u8; 32]) -> Result<()> {
        if self.identity(index) == Some(identity) {
            return Ok(());
        }
        let words = format!("this cosigner's identity key is not that of member {index} of the group");
        Err(Error::refused("not-this-member", words))
    }
}
