//! What a share or an identity key is sealed with: a data key of its own, which the root key of the cosigner wraps.

use hyperkms_core::error::Result;
use hyperkms_core::memory::Slot;
use hyperkms_core::root_file::RootFile;

/// A data key that has sealed nothing yet, its wrapped form, and the root key that opens that.
pub struct Fresh<'a> {
    pub data_key: &'a Slot,
    pub wrapped: &'a [u8],
    pub root_key_id: &'a str,
}

/// A new one under a root key in a file; `label` says what it is for.
pub fn with_fresh<T>(root: &RootFile, label: &[u8], seal: impl FnOnce(&Fresh) -> Result<T>) -> Result<T> {
    let data_key = Slot::random()?;
    let wrapped = root.wrap(&data_key, label)?;
    seal(&Fresh { data_key: &data_key, wrapped: &wrapped, root_key_id: &root.id })
}
