//! The one rule by which an Ed25519 signature is taken for true.
//!
//! RFC 8032 section 5.1.7 leaves two things open, on which libraries differ; here both are settled the strict way.
//! The equation is the one without the cofactor, [S]B = R + [k]A. And key and R must be the shortest forms of
//! points that are not of small order: a key of small order has signatures that fit many messages, so it vouches
//! for none. S must be below the group order. It is the rule of `verify_strict` in ed25519-dalek, and asks for
//! the canonical form of the key besides.

use crate::ed25519;
use crate::error::{Error, Result};

type Encoded = [u8; 32];

/// Tampered with `signature-wrong` unless it is the signature of this message by this key.
pub fn verify_ed25519(public: &[u8], message: &[u8], signature: &[u8]) -> Result<()> {
    let (Ok(public), Ok(signature)) = (<&Encoded>::try_from(public), <&[u8; 64]>::try_from(signature)) else {
        return Err(wrong("an Ed25519 key has 32 bytes and a signature 64"));
    };
    if !is_strict(public) {
        return Err(wrong("the public key is no canonical point of full order"));
    }
    // R is compared as bytes with the canonical form of a sum, so it needs no look of its own but for small order.
    let nonce_point = signature.first_chunk().expect("64 bytes begin with 32");
    if !is_strict(nonce_point) || !ed25519::verify(public, message, signature) {
        return Err(wrong("the Ed25519 signature is not one of this message by this key"));
    }
    Ok(())
}

fn wrong(words: &str) -> Error {
    Error::tampered("signature-wrong", words)
}

/// The y of all points whose order divides 8, little-endian: 0, 1, -1, and the two of order 8.
const SMALL_ORDER: [Encoded; 5] = [
    [0; 32],
    low_byte(1, 0),
    P_MINUS_1,
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
];

/// 2^255 - 20, the largest y there is.
const P_MINUS_1: Encoded = {
    let mut bytes = low_byte(0xec, 0xff);
    bytes[31] = 0x7f;
    bytes
};

const fn low_byte(first: u8, others: u8) -> Encoded {
    let mut bytes = [others; 32];
    bytes[0] = first;
    bytes
}

/// Whether y is below the prime and not that of a point of small order, whatever the sign of x.
///
/// Only the points with y = 1 and y = -1 have x = 0, so this leaves no form with a sign that means nothing.
pub(crate) fn is_strict(encoded: &Encoded) -> bool {
    let mut y = *encoded;
    y[31] &= 0x7f;
    y.iter().rev().le(P_MINUS_1.iter().rev()) && !SMALL_ORDER.contains(&y)
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
    use serde_json::Value;
    use sha2::{Digest as _, Sha512};

    use super::*;
    use crate::testing::{unhex, vectors};

    fn bytes(case: &Value, field: &str) -> Vec<u8> {
        unhex(case[field].as_str().unwrap())
    }

    fn theirs(public: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let (Ok(public), Ok(signature)) = (public.try_into(), signature.try_into()) else { return false };
        let Ok(key) = VerifyingKey::from_bytes(public) else { return false };
        key.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }

    #[test]
    fn it_agrees_with_wycheproof_in_every_case() {
        let Some(file) = vectors("wycheproof_ed25519.json") else { return };
        let mut seen = 0;
        for group in file["testGroups"].as_array().unwrap() {
            let public = bytes(&group["publicKey"], "pk");
            for test in group["tests"].as_array().unwrap() {
                let verified = verify_ed25519(&public, &bytes(test, "msg"), &bytes(test, "sig"));
                assert_eq!(verified.is_ok(), test["result"] == "valid", "case {}", test["tcId"]);
                seen += 1;
            }
        }
        assert_eq!(seen, 72);
    }

    /// What our rule refuses, in the words of the file. Points with a part of small order (`low_order_component`)
    /// are taken where the equation without the cofactor holds, as RFC 8032 has it.
    const REFUSED: [&str; 5] =
        ["low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R", "low_order_residue"];

    #[test]
    fn of_the_edge_cases_of_cctv_it_takes_exactly_those_of_its_rule() {
        let Some(file) = vectors("ed25519_cctv.json") else { return };
        let mut taken = 0;
        for case in file["cases"].as_array().unwrap() {
            let (public, signature) = (bytes(case, "key"), bytes(case, "sig"));
            let message = case["msg"].as_str().unwrap().as_bytes();
            let flags = case["flags"].as_array();
            let breaks = |name: &str| flags.is_some_and(|flags| flags.iter().any(|flag| flag == name));
            let verified = verify_ed25519(&public, message, &signature).is_ok();
            assert_eq!(verified, !REFUSED.iter().any(|name| breaks(name)), "case {}", case["number"]);
            assert_eq!(verified, theirs(&public, message, &signature), "case {}", case["number"]);
            taken += usize::from(verified);
        }
        assert_eq!(taken, 20);
    }

    #[test]
    fn a_point_has_one_form() {
        for sign in [0, 0x80] {
            for low in 0xed..=0xff {
                let mut y = low_byte(low, 0xff);
                y[31] = 0x7f | sign;
                assert!(!is_strict(&y), "2^255 - 19 + {}", low - 0xed);
            }
            for small in SMALL_ORDER {
                let mut y = small;
                y[31] |= sign;
                assert!(!is_strict(&y));
            }
            let mut y = low_byte(0xeb, 0xff);
            y[31] = 0x7f | sign;
            assert!(is_strict(&y), "the largest that is no point of small order");
            y = low_byte(2, 0);
            y[31] = sign;
            assert!(is_strict(&y));
        }
    }

    #[test]
    fn of_the_twelve_of_speccheck_it_takes_the_one_of_mixed_order_that_needs_no_cofactor() {
        let Some(file) = vectors("ed25519_speccheck.json") else { return };
        let takes = |case: &&Value| {
            let message = bytes(case, "message");
            verify_ed25519(&bytes(case, "pub_key"), &message, &bytes(case, "signature")).is_ok()
        };
        let taken: Vec<_> =
            file["cases"].as_array().unwrap().iter().filter(takes).map(|case| &case["number"]).collect();
        assert_eq!(taken, [3]);
    }

    #[test]
    fn any_changed_bit_of_key_message_or_signature_is_found_as_another_implementation_finds_it() {
        let key = SigningKey::from_bytes(&Sha512::digest(b"a key")[..32].try_into().unwrap());
        let message = b"the message that was signed".to_vec();
        let whole = [&key.verifying_key().to_bytes()[..], &key.sign(&message).to_bytes(), &message].concat();
        let verified = |all: &[u8]| verify_ed25519(&all[..32], &all[96..], &all[32..96]);
        verified(&whole).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(verified(&changed).unwrap_err().code, "signature-wrong");
            assert!(!theirs(&changed[..32], &changed[96..], &changed[32..96]));
        }
    }

    #[test]
    fn another_length_is_refused() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let (public, signature) = (key.verifying_key().to_bytes(), key.sign(b"m").to_bytes());
        verify_ed25519(&public, b"m", &signature).unwrap();
        for cut in 0..32 {
            assert!(verify_ed25519(&public[..cut], b"m", &signature).is_err());
        }
        for cut in 0..64 {
            assert!(verify_ed25519(&public, b"m", &signature[..cut]).is_err());
        }
        assert!(verify_ed25519(&public, b"m", &[&signature[..], &[0]].concat()).is_err());
    }
}
