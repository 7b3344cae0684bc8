//! Ed25519 (RFC 8032) by AWS-LC, whose arithmetic is s2n-bignum's: proved correct, constant-time, and
//! twice as fast as any crate in Rust.
//!
//! Its Rust crate keeps each key in a heap of its own and derives the public key anew. Of its C interface, two functions
//! are given a secret and read it where it lies; the third verifies, and is given none. They allocate nothing.

use aws_lc_sys::{ED25519_keypair_from_seed, ED25519_sign, ED25519_verify};

/// The public key of a seed.
pub fn public_key(seed: &[u8; 32]) -> [u8; 32] {
    let (mut public, mut pair) = ([0; 32], [0; 64]);
    // SAFETY: it reads 32 bytes and writes 32 and 64, the sizes of these arrays.
    unsafe { ED25519_keypair_from_seed(public.as_mut_ptr(), pair.as_mut_ptr(), seed.as_ptr()) };
    public
}

/// The signature of a message by a seed and its own public key.
///
/// The pair is copied to the stack, so a caller that has a secret seed runs under `on_wiped_stack`.
pub fn sign(seed: &[u8; 32], public: &[u8; 32], message: &[u8]) -> Option<[u8; 64]> {
    let (mut signature, mut pair) = ([0; 64], [0; 64]);
    pair[..32].copy_from_slice(seed);
    pair[32..].copy_from_slice(public);
    // SAFETY: it writes 64 bytes, the size of the array, and reads 64 and the length of the message.
    let done = unsafe { ED25519_sign(signature.as_mut_ptr(), message.as_ptr(), message.len(), pair.as_ptr()) };
    (done == 1).then_some(signature)
}

/// Whether [S]B = R + [k]A with R as it stands and S below the group order; `verify.rs` has the whole rule.
pub fn verify(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    // SAFETY: it reads 64 and 32 bytes, the sizes of these arrays, and the length of the message.
    unsafe { ED25519_verify(message.as_ptr(), message.len(), signature.as_ptr(), public.as_ptr()) == 1 }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};
    use sha2::{Digest, Sha512};

    use super::*;

    #[test]
    fn another_implementation_makes_the_same_keys_and_signatures() {
        for number in 0..500_usize {
            let seed = Sha512::digest(number.to_le_bytes())[..32].try_into().unwrap();
            let message = vec![number.to_le_bytes()[0]; number * 3];
            let theirs = SigningKey::from_bytes(&seed);
            let public = public_key(&seed);
            assert_eq!(public, theirs.verifying_key().to_bytes());
            assert_eq!(sign(&seed, &public, &message).unwrap(), theirs.sign(&message).to_bytes());
        }
    }
}
