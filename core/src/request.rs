//! Signed requests: what a client signs of a request, and the header that carries it (docs/formats.md).

use sha2::{Digest as _, Sha256};

use crate::approval;
use crate::error::{Error, Result};
use crate::hex::{hex, unhex};
use crate::verify::verify_ed25519;

/// The first bytes of every request that is signed; a wallet signs no message that begins with them.
pub const DOMAIN: &[u8] = b"hyperkms request v1\n";
const ID_LENGTHS: std::ops::RangeInclusive<usize> = 16..=64;
const TIME_DIGITS: usize = 13;

/// A request as it is sent; `target` with its query, both in the bytes that stand in its first line.
#[derive(Clone, Copy)]
pub struct Sent<'a> {
    pub method: &'a [u8],
    pub target: &'a [u8],
    pub body: &'a [u8],
    /// The value of the Idempotency-Key header; empty where there is none.
    pub idempotency_key: &'a [u8],
}

/// What the header says beside the signature: whose key, for which service, when, and which request of that moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub key: [u8; 8],
    pub service: [u8; 16],
    /// Milliseconds since 1970.
    pub time: u64,
    pub id: Vec<u8>,
}

impl Claim {
    /// The bytes that are signed: every part has a fixed length or its length before it, so no two requests share them.
    pub fn message(&self, sent: Sent<'_>) -> Result<Vec<u8>> {
        let mut message = Vec::with_capacity(192 + sent.target.len());
        message.extend_from_slice(DOMAIN);
        message.extend_from_slice(&self.key);
        message.extend_from_slice(&self.service);
        message.extend_from_slice(&self.time.to_be_bytes());
        for part in [&self.id[..], sent.method, sent.target, sent.idempotency_key] {
            let length = u16::try_from(part.len()).map_err(|_| too_long())?;
            message.extend_from_slice(&length.to_be_bytes());
            message.extend_from_slice(part);
        }
        message.extend_from_slice(&Sha256::digest(sent.body));
        Ok(message)
    }

    /// The value of the header.
    pub fn header(&self, signature: &[u8; 64]) -> String {
        let id = String::from_utf8_lossy(&self.id);
        let (key, service, signature) = (hex(&self.key), hex(&self.service), hex(signature));
        format!("v1 key={key},to={service},ts={:013},id={id},sig={signature}", self.time)
    }
}

/// A claim and the signature under it, as they were read of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    pub claim: Claim,
    pub signature: [u8; 64],
}

impl Signature {
    /// Reads `v1 key=...,to=...,ts=...,id=...,sig=...`: these members, in this order, in lower-case hex, and no more.
    pub fn read(header: &[u8]) -> Option<Signature> {
        let mut parts = header.strip_prefix(b"v1 ")?.split(|byte| *byte == b',');
        let mut member = |name: &[u8]| parts.next()?.strip_prefix(name);
        let key = unhex(member(b"key=")?)?;
        let service = unhex(member(b"to=")?)?;
        let time = decimal(member(b"ts=")?)?;
        let id = member(b"id=")?;
        let signature = unhex(member(b"sig=")?)?;
        if parts.next().is_some() || !ID_LENGTHS.contains(&id.len()) || !id.iter().all(|byte| is_of_an_id(*byte)) {
            return None;
        }
        Some(Signature { claim: Claim { key, service, time, id: id.to_vec() }, signature })
    }

    /// Tampered with `signature-wrong` unless this key signed exactly this request.
    pub fn verify(&self, public: &[u8], sent: Sent<'_>) -> Result<()> {
        verify_ed25519(public, &self.claim.message(sent)?, &self.signature)
    }
}

/// Refused for a message that begins as a signed request or an approval: whoever may let a wallet sign could else ask
/// as a client, or approve.
pub fn require_no_request(message: &[u8]) -> Result<()> {
    if message.starts_with(DOMAIN) || message.starts_with(approval::DOMAIN) {
        let words = "the message begins as a signed request of a client or an approval does, and no wallet signs one";
        return Err(Error::refused("message-of-a-request", words));
    }
    Ok(())
}

/// The first 8 bytes of the SHA-256 of a public key: by these a header names it.
pub fn fingerprint(public: &[u8; 32]) -> [u8; 8] {
    *Sha256::digest(public).first_chunk().expect("32 bytes begin with 8")
}

pub(crate) fn decimal(digits: &[u8]) -> Option<u64> {
    let all = digits.len() == TIME_DIGITS && digits.iter().all(u8::is_ascii_digit);
    all.then(|| digits.iter().fold(0, |number, digit| 10 * number + u64::from(digit - b'0')))
}

fn is_of_an_id(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn too_long() -> Error {
    Error::malformed("head-too-large", "a part of the request's head is longer than 65535 bytes, and is not signed")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: Sent<'_> = Sent { method: b"POST", target: b"/a?b", body: b"{}", idempotency_key: b"k" };

    fn signature() -> Signature {
        let claim = Claim { key: [1; 8], service: [2; 16], time: 1_780_000_000_000, id: b"0123456789abcdef".to_vec() };
        Signature { claim, signature: [3; 64] }
    }

    #[test]
    fn a_header_is_read_as_it_was_written_and_nothing_beside_it() {
        let written = signature().claim.header(&[3; 64]);
        assert_eq!(Signature::read(written.as_bytes()).unwrap(), signature());
        for place in 0..written.len() {
            for put in [&b""[..], b",", b"=", b" ", b"A", b"\x80", b"0x"] {
                let changed = [&written.as_bytes()[..place], put, &written.as_bytes()[place + 1..]].concat();
                if let Some(read) = Signature::read(&changed) {
                    assert_eq!(read == signature(), changed == written.as_bytes());
                    assert_eq!(read.claim.header(&read.signature).as_bytes(), changed);
                }
            }
        }
    }

    #[test]
    fn bytes_moved_from_one_part_into_the_next_are_other_bytes() {
        let claim = signature().claim;
        let moved = [
            Sent { method: b"POST/", target: b"a?b", ..SENT },
            Sent { target: b"/a?bk", idempotency_key: b"", ..SENT },
            Sent { idempotency_key: b"", ..SENT },
            Sent { body: b"", ..SENT },
        ];
        for sent in moved {
            assert_ne!(claim.message(sent).unwrap(), claim.message(SENT).unwrap());
        }
        let long = vec![b'x'; 1 << 16];
        assert!(claim.message(Sent { target: &long, ..SENT }).is_err());
    }
}
