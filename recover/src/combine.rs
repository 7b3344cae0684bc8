//! The key from any t shares of it: Lagrange interpolation at 0, in the field of the key's curve.
//!
//! The arithmetic on shares is that of `curve25519-dalek` (by `frost-ed25519`) and `k256`, in constant time. What comes
//! out counts only if its public key is the group's.

use frost_ed25519::keys::{reconstruct, KeyPackage};
use frost_ed25519::{SigningKey, VerifyingKey};
use hyperkms_core::error::{Error, Result};
use hyperkms_core::memory::{on_deeply_wiped_stack, Slot};
use hyperkms_core::single::{public_key, KeyType};
use hyperkms_core::verify::verify_ed25519;
use hyperkms_cosign::form::Form;
use hyperkms_cosign::protocol::Index;
use hyperkms_cosign::{dkls, frost};
use k256::elliptic_curve::PrimeField;
use k256::{FieldBytes, Scalar};

use crate::copies::{of_fault, require_quorum, Opened};

/// The private scalar of a secp256k1 group, as it is imported: 32 bytes, big-endian.
pub fn secp256k1_key(copies: &[Opened]) -> Result<Slot> {
    require_quorum(copies)?;
    let expected = require_type(copies, KeyType::Secp256k1)?;
    let mut key = Slot::take()?;
    on_deeply_wiped_stack(|| {
        let shares = copies.iter().map(scalar_of).collect::<Result<Vec<_>>>()?;
        key[..32].copy_from_slice(&interpolate(&shares)?);
        Ok(())
    })?;
    if public_key(KeyType::Secp256k1, &key).ok().as_deref() != Some(expected) {
        return Err(mismatch());
    }
    Ok(key)
}

/// A signature of an Ed25519 group, made whole.
///
/// A group's key is a scalar and has no seed from which RFC 8032 would derive it: it can be imported nowhere, and signs here.
pub fn ed25519_signature(copies: &[Opened], message: &[u8]) -> Result<[u8; 64]> {
    require_quorum(copies)?;
    let expected = require_type(copies, KeyType::Ed25519)?;
    let message = Form::ed25519(message)?;
    let signed = on_deeply_wiped_stack(|| {
        let random = frost::Drawn::new().map_err(of_fault)?;
        let packages = copies.iter().map(package_of).collect::<Result<Vec<_>>>()?;
        let key: SigningKey = reconstruct(&packages).map_err(|_| mismatch())?;
        if VerifyingKey::from(&key).serialize().ok().as_deref() != Some(expected) {
            return Err(mismatch());
        }
        let signature = key.sign(random, message.message());
        signature.serialize().map_err(|_| mismatch())
    })?;
    verify_ed25519(expected, message.message(), &signed)?;
    signed.try_into().map_err(|_| mismatch())
}

fn require_type(copies: &[Opened], key_type: KeyType) -> Result<&[u8]> {
    match copies.first() {
        Some(first) if first.context.key_type == key_type => Ok(&first.group_key.public_key),
        _ => Err(Error::refused("wrong-key-type", "the copies are of a key of the other type")),
    }
}

fn package_of(copy: &Opened) -> Result<KeyPackage> {
    frost::signing::open(&copy.body, &copy.group_key, copy.context.index).map_err(of_fault)
}

fn scalar_of(copy: &Opened) -> Result<(Index, Scalar)> {
    let share = dkls::open(&copy.body, &copy.group_key, copy.context.index).map_err(of_fault)?;
    Ok((copy.context.index, share.poly_point))
}

/// The value at 0 of the polynomial through these points; the indices differ and are public.
fn interpolate(shares: &[(Index, Scalar)]) -> Result<FieldBytes> {
    let mut sum = Scalar::ZERO;
    for (own, share) in shares {
        let x = Scalar::from(u64::from(*own));
        let (mut above, mut below) = (Scalar::ONE, Scalar::ONE);
        for (other, _) in shares.iter().filter(|(index, _)| index != own) {
            let other = Scalar::from(u64::from(*other));
            above *= other;
            below *= other - x;
        }
        let weight = above * Option::<Scalar>::from(below.invert()).ok_or_else(mismatch)?;
        sum += weight * share;
    }
    Ok(sum.to_repr())
}

fn mismatch() -> Error {
    Error::tampered("recovered-key-mismatch", "the shares do not make the key of their group, and nothing was put out")
}

#[cfg(test)]
mod tests {
    use hyperkms_core::memory::fill_random;

    use super::*;
    use crate::testing::subsets;

    fn random() -> Scalar {
        let mut bytes = [0; 32];
        fill_random(&mut bytes).unwrap();
        bytes[0] = 0;
        Option::from(Scalar::from_repr(bytes.into())).unwrap()
    }

    #[test]
    fn any_t_points_of_a_polynomial_give_its_value_at_zero_and_fewer_do_not() {
        for (threshold, members) in [(2, 2), (2, 3), (3, 4), (3, 5), (5, 5)] {
            let coefficients: Vec<Scalar> = std::iter::repeat_with(random).take(threshold).collect();
            let at = |x: Index| {
                let x = Scalar::from(u64::from(x));
                coefficients.iter().rev().fold(Scalar::ZERO, |sum, coefficient| sum * x + coefficient)
            };
            let everyone: Vec<Index> = (1..=members).collect();
            for size in 1..=everyone.len() {
                for set in subsets(&everyone, size) {
                    let points: Vec<_> = set.iter().map(|x| (*x, at(*x))).collect();
                    let found = interpolate(&points).unwrap() == coefficients[0].to_repr();
                    assert_eq!(found, size >= threshold, "{set:?} of {threshold} of {members}");
                }
            }
        }
    }
}
