//! GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1 (0x11d), the field of the first system's shares.
//!
//! Bit by bit, in the same steps whatever the operands are: no table is looked up and no branch is taken on them.

use subtle::{Choice, ConditionallySelectable};

const REDUCTION: u8 = 0x1d;

pub fn multiply(a: u8, b: u8) -> u8 {
    let (mut shifted, mut product) = (a, 0);
    for place in 0..8 {
        product ^= u8::conditional_select(&0, &shifted, Choice::from((b >> place) & 1));
        let overflow = Choice::from(shifted >> 7);
        shifted = (shifted << 1) ^ u8::conditional_select(&0, &REDUCTION, overflow);
    }
    product
}

/// 1 / a, as the power 254; 0 for 0.
pub fn invert(a: u8) -> u8 {
    let (mut power, mut inverse) = (a, 1);
    for _ in 0..7 {
        power = multiply(power, power);
        inverse = multiply(inverse, power);
    }
    inverse
}

/// What the share at `ids[own]` is multiplied by in the sum that is the polynomial's value at 0. The ids differ.
pub fn coefficient_at_zero(ids: &[u8], own: usize) -> u8 {
    let x = ids[own];
    let others = ids.iter().enumerate().filter(|(place, _)| *place != own);
    others.fold(1, |product, (_, other)| multiply(product, multiply(*other, invert(*other ^ x))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tables of secrets.js: powers of 2 and their logarithms.
    fn tables() -> ([u8; 255], [usize; 256]) {
        let (mut exponents, mut logarithms, mut x) = ([0; 255], [0; 256], 1_usize);
        for (power, exponent) in exponents.iter_mut().enumerate() {
            *exponent = x as u8;
            logarithms[x] = power;
            x <<= 1;
            if x > 255 {
                x ^= 0x11d;
            }
        }
        (exponents, logarithms)
    }

    #[test]
    fn every_product_and_inverse_is_the_one_of_the_tables() {
        let (exponents, logarithms) = tables();
        for a in 0..=255_u8 {
            for b in 0..=255_u8 {
                let by_table = exponents[(logarithms[usize::from(a)] + logarithms[usize::from(b)]) % 255];
                assert_eq!(multiply(a, b), if a == 0 || b == 0 { 0 } else { by_table }, "{a} {b}");
            }
            assert_eq!(multiply(a, invert(a)), u8::from(a != 0));
        }
    }

    #[test]
    fn a_polynomial_is_found_at_zero_from_any_of_its_points() {
        let polynomial = |x: u8| 0x53 ^ multiply(0xca, x) ^ multiply(0x07, multiply(x, x));
        for ids in [[1, 2, 3], [255, 9, 16], [3, 200, 1]] {
            let sum = (0..3).fold(0, |sum, own| sum ^ multiply(coefficient_at_zero(&ids, own), polynomial(ids[own])));
            assert_eq!(sum, 0x53);
        }
    }
}
