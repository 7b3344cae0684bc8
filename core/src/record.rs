//! What the log key of a data directory signs: the tree heads and the manifest of its record (docs/formats.md).
//!
//! The bytes are built here of their parts, each of a fixed length, so that no caller can have other bytes signed.

use sha2::{Digest, Sha256};

const HEAD_LABEL: &[u8] = b"hyperkms tree head v1\n";
const ENTRY_LABEL: &[u8] = b"hyperkms manifest entry v1\n";

/// The bytes of a tree head: the log's id, its number of lines, their root, milliseconds.
pub fn tree_head(log: &[u8; 16], size: u64, root: &[u8; 32], time: u64) -> Vec<u8> {
    [HEAD_LABEL, log, &size.to_be_bytes(), root, &time.to_be_bytes()].concat()
}

/// The bytes of a manifest entry: its number, the hash of the line before, the SHA-256 of what the entry says.
pub fn manifest_entry(index: u64, prev: &[u8; 32], entry: &[u8]) -> Vec<u8> {
    let digest: [u8; 32] = Sha256::digest(entry).into();
    [ENTRY_LABEL, &index.to_be_bytes(), prev, &digest].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_its_label_and_four_numbers_of_fixed_lengths() {
        let bytes = tree_head(&[1; 16], 2, &[3; 32], 4);
        assert_eq!(bytes.len(), 22 + 16 + 8 + 32 + 8);
        assert_eq!(bytes[22..38], [1; 16]);
        assert_eq!(bytes[38..46], [0, 0, 0, 0, 0, 0, 0, 2]);
        assert_eq!(bytes[46..78], [3; 32]);
        assert_eq!(bytes[78..], [0, 0, 0, 0, 0, 0, 0, 4]);
    }

    #[test]
    fn an_entry_is_bound_to_its_place_and_to_every_byte_it_says() {
        let bytes = manifest_entry(1, &[2; 32], b"{}");
        assert_eq!(bytes.len(), 27 + 8 + 32 + 32);
        for other in [manifest_entry(2, &[2; 32], b"{}"), manifest_entry(1, &[3; 32], b"{}")] {
            assert_ne!(bytes, other);
        }
        assert_ne!(bytes, manifest_entry(1, &[2; 32], b"{ }"));
    }

    #[test]
    fn no_head_is_an_entry() {
        assert_ne!(HEAD_LABEL[..22], ENTRY_LABEL[..22]);
    }
}
