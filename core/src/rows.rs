//! What the store key of a database signs: the rows of one subject as they stand (docs/formats.md).
//!
//! The bytes are built here of their parts, so that no caller can have other bytes signed.

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

const LABEL: &[u8] = b"hyperkms rows v1\n";

/// The bytes that are signed for a subject: its kind, its id, its sequence, the SHA-256 of its rows.
///
/// Refuses a kind or an id that is empty or longer than 255 bytes, and sequence 0.
pub fn signed_rows(kind: &str, id: &str, sequence: u64, rows: &[u8]) -> Result<Vec<u8>> {
    let mut out = LABEL.to_vec();
    for name in [kind, id] {
        let length = u8::try_from(name.len()).ok().filter(|length| *length > 0);
        out.push(length.ok_or_else(|| malformed("a subject has a kind and an id of 1 to 255 bytes"))?);
        out.extend(name.as_bytes());
    }
    if sequence == 0 {
        return Err(malformed("sequences are numbered from 1"));
    }
    out.extend(sequence.to_be_bytes());
    out.extend(Sha256::digest(rows));
    Ok(out)
}

fn malformed(words: &str) -> Error {
    Error::malformed("malformed", words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(kind: &str, id: &str, sequence: u64, rows: &[u8]) -> Vec<u8> {
        signed_rows(kind, id, sequence, rows).unwrap()
    }

    #[test]
    fn a_subject_is_its_label_two_names_a_number_and_a_hash() {
        let found = bytes("wallet", "w1", 7, b"rows");
        assert_eq!(found.len(), 17 + 1 + 6 + 1 + 2 + 8 + 32);
        assert_eq!(&found[17..27], b"\x06wallet\x02w1");
        assert_eq!(found[27..35], 7_u64.to_be_bytes());
        assert_eq!(found[35..], Sha256::digest(b"rows")[..]);
    }

    #[test]
    fn every_part_is_bound() {
        let one = bytes("wallet", "a", 1, b"r");
        for other in [
            bytes("client", "a", 1, b"r"),
            bytes("wallet", "b", 1, b"r"),
            bytes("wallet", "a", 2, b"r"),
            bytes("wallet", "a", 1, b"s"),
            bytes("walleta", "a", 1, b"r"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn what_has_no_name_or_no_number_is_refused() {
        for (kind, id, sequence) in [("", "a", 1), ("wallet", "", 1), ("wallet", "a", 0)] {
            assert!(signed_rows(kind, id, sequence, b"").is_err());
        }
        assert!(signed_rows("wallet", &"a".repeat(256), 1, b"").is_err());
    }
}
