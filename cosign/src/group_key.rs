//! What all members know of a key, as bytes that are the same at each of them.

use std::collections::BTreeMap;

use hyperkms_core::error::{Error, Result};
use hyperkms_core::sealed::{key_type_code, key_type_of, Reader};

use crate::protocol::{GroupKey, Parameters};

const MAGIC: &[u8; 4] = b"HKGK";
const FORMAT: u8 = 1;

impl GroupKey {
    /// Magic, format, key type, t, n, the public key, then the public share of each member in order.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (threshold, members) = (self.parameters.threshold(), self.parameters.members());
        let mut out = MAGIC.to_vec();
        out.extend([FORMAT, key_type_code(self.key_type), threshold, members]);
        out.extend(&self.public_key);
        out.extend(self.public_shares.values().flatten());
        out
    }

    /// Tampered unless it is exactly of the form; whether the points are on the curve is the protocols' to say.
    pub fn read(bytes: &[u8]) -> Result<GroupKey> {
        let mut rest = Reader(bytes);
        if rest.fixed::<4>()? != MAGIC || rest.byte()? != FORMAT {
            return Err(malformed());
        }
        let key_type = key_type_of(rest.byte()?)?;
        let parameters = Parameters::new(rest.byte()?, rest.byte()?)?;
        let size = key_type.public_key_len();
        let public_key = rest.take(size)?.to_vec();
        let mut public_shares = BTreeMap::new();
        for index in parameters.everyone() {
            public_shares.insert(index, rest.take(size)?.to_vec());
        }
        if !rest.0.is_empty() {
            return Err(malformed());
        }
        Ok(GroupKey { key_type, parameters, public_key, public_shares })
    }
}

fn malformed() -> Error {
    Error::tampered("group-key-malformed", "the group key is not of its form")
}
