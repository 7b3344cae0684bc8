//! Hex digits: bytes of public values, and of keys in files.
//!
//! No table is looked up, whose lines in the cache would tell of a key. `encode` and both forms of `decode` write only
//! where they are told, so under `on_wiped_stack` a secret stays in its slots; `hex` and `unhex` are not for secrets.

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| pair(*byte)).map(char::from).collect()
}

/// Exactly `N` bytes in lower-case hex digits.
pub fn unhex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    decode(digits, &mut bytes)?;
    Some(bytes)
}

/// Writes the lower-case hex digits of the bytes; there are twice as many.
pub fn encode(bytes: &[u8], digits: &mut [u8]) {
    debug_assert_eq!(digits.len(), 2 * bytes.len());
    for (place, byte) in digits.chunks_exact_mut(2).zip(bytes) {
        place.copy_from_slice(&pair(*byte));
    }
}

/// Reads lower-case hex digits, two for each byte and no more. Where there are others, some bytes may be written already.
pub fn decode(digits: &[u8], bytes: &mut [u8]) -> Option<()> {
    decode_by(lower_case, digits, bytes)
}

/// `decode` that takes upper-case digits as well.
pub fn decode_either_case(digits: &[u8], bytes: &mut [u8]) -> Option<()> {
    decode_by(|digit| lower_case(digit.to_ascii_lowercase()), digits, bytes)
}

fn decode_by(value: impl Fn(u8) -> Option<u8>, digits: &[u8], bytes: &mut [u8]) -> Option<()> {
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(())
}

fn lower_case(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

fn pair(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|nibble| nibble + if nibble < 10 { b'0' } else { b'a' - 10 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the standard library reads of two digits.
    fn read_of(pair: [u8; 2]) -> Option<u8> {
        let [high, low] = pair.map(|digit| char::from(digit).to_digit(16));
        u8::try_from(high? << 4 | low?).ok()
    }

    #[test]
    fn every_pair_of_bytes_is_read_as_the_standard_library_reads_it_or_refused() {
        for number in 0..=u16::MAX {
            let pair = number.to_be_bytes();
            let lower = read_of(pair).filter(|_| !pair.iter().any(u8::is_ascii_uppercase));
            let mut byte = [0];
            assert_eq!(unhex(&pair), lower.map(|byte| [byte]));
            assert_eq!(decode(&pair, &mut byte).map(|()| byte[0]), lower);
            assert_eq!(decode_either_case(&pair, &mut byte).map(|()| byte[0]), read_of(pair));
        }
    }

    #[test]
    fn every_byte_is_written_as_it_is_read() {
        let all: Vec<u8> = (0..=255).collect();
        let mut digits = [0; 512];
        encode(&all, &mut digits);
        assert_eq!(hex(&all).as_bytes(), digits);
        assert_eq!(hex(&all), all.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        assert_eq!(unhex::<256>(&digits).unwrap()[..], all);
    }

    #[test]
    fn more_or_fewer_digits_than_two_a_byte_are_refused() {
        for length in [0, 1, 2, 3, 5, 6] {
            assert_eq!(unhex::<2>(&b"000000"[..length]), None);
            assert_eq!(decode_either_case(&b"000000"[..length], &mut [0; 2]), None);
        }
    }
}
