//! What the tests share.

use std::path::PathBuf;

use crate::memory::Slot;

pub fn unhex(text: &str) -> Vec<u8> {
    let text = text.strip_prefix("0x").unwrap_or(text);
    assert!(text.len().is_multiple_of(2), "an odd number of digits");
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

pub fn slot(bytes: &[u8]) -> Slot {
    let mut slot = Slot::take().unwrap();
    slot[..bytes.len()].copy_from_slice(bytes);
    slot
}

/// A file of published test vectors; none where the folder is absent.
pub fn vectors(name: &str) -> Option<serde_json::Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    if !folder.is_dir() {
        let required = std::env::var_os("HYPERKMS_REQUIRE_VECTORS").is_some();
        assert!(!required, "the vectors are required and {} is absent", folder.display());
        eprintln!("skipped: the published vectors are not at {}", folder.display());
        return None;
    }
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}
