//! What a share is for.

use hyperkms_core::error::{Error, Result};
use hyperkms_core::sealed::{key_type_code, key_type_of, Binding, Context, Origin, Purpose, Reader};
use hyperkms_core::single::KeyType;

use crate::group::Group;
use crate::protocol::Index;

/// Bound into the seal of a share, and into every session about it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShareContext {
    pub wallet: String,
    /// From 1.
    pub version: u32,
    pub key_type: KeyType,
    pub network: Binding,
    pub group_id: [u8; 32],
    pub threshold: u8,
    pub members: u8,
    pub index: Index,
    /// From 0 at generation.
    pub epoch: u32,
}

impl ShareContext {
    /// Refused as the core refuses the context of a whole key, and for an index outside the group.
    pub fn new(
        group: &Group,
        wallet: String,
        version: u32,
        key_type: KeyType,
        network: Binding,
        index: Index,
        epoch: u32,
    ) -> Result<ShareContext> {
        let (threshold, members) = (group.parameters.threshold(), group.parameters.members());
        let group_id = group.id;
        let made = ShareContext { wallet, version, key_type, network, group_id, threshold, members, index, epoch };
        made.check()?;
        Ok(made)
    }

    /// Refuses what `new` would not have made: for what was read and is to be shown before its seal was opened.
    pub fn check(&self) -> Result<()> {
        let ShareContext { wallet, version, key_type, network, .. } = self.clone();
        let (purpose, origin) = (Purpose::PrivateKey, Origin::Generated);
        Context { purpose, wallet, version, key_type, network, origin }.check()?;
        if (1..=self.members).contains(&self.index) {
            return Ok(());
        }
        Err(Error::malformed("malformed-context", format!("the group has no member {}", self.index)))
    }

    /// The same share in the next epoch.
    pub fn next(&self) -> Result<ShareContext> {
        let next = self.epoch.checked_add(1);
        let epoch = next.ok_or_else(|| Error::refused("epochs-exhausted", "there is no further epoch"))?;
        Ok(ShareContext { epoch, ..self.clone() })
    }

    /// The same share in a group of the same size, in which another cosigner has a new identity key.
    pub fn rebound(&self, group: &Group) -> Result<ShareContext> {
        let parameters = group.parameters;
        if (parameters.threshold(), parameters.members()) != (self.threshold, self.members) {
            return Err(Error::malformed("unsupported-threshold", "a share stays in a group of the same t and n"));
        }
        Ok(ShareContext { group_id: group.id, ..self.clone() })
    }

    /// Refused unless it is of this group.
    pub fn require_group(&self, group: &Group) -> Result<()> {
        if self.group_id == group.id {
            return Ok(());
        }
        Err(Error::refused(
            "share-of-another-group",
            format!("the share of wallet {} is of another group", self.wallet),
        ))
    }

    /// All but the index, which differs from member to member: key type, network, version, epoch, group, t, n, wallet.
    pub fn write_shared(&self, out: &mut Vec<u8>) {
        out.extend([key_type_code(self.key_type), self.network.code()]);
        out.extend(self.version.to_be_bytes());
        out.extend(self.epoch.to_be_bytes());
        out.extend(self.group_id);
        out.extend([self.threshold, self.members, self.wallet.len() as u8]);
        out.extend(self.wallet.as_bytes());
    }

    /// The context that `write` wrote; nothing of it is to be trusted before the seal was opened.
    pub fn read(rest: &mut Reader) -> Result<ShareContext> {
        let index = rest.byte()?;
        let key_type = key_type_of(rest.byte()?)?;
        let network = Binding::from_code(rest.byte()?)?;
        let version = u32::from_be_bytes(*rest.fixed()?);
        let epoch = u32::from_be_bytes(*rest.fixed()?);
        let group_id = *rest.fixed()?;
        let (threshold, members) = (rest.byte()?, rest.byte()?);
        let wallet = rest.text()?;
        Ok(ShareContext { wallet, version, key_type, network, group_id, threshold, members, index, epoch })
    }

    /// All of it.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.index);
        self.write_shared(out);
    }
}
