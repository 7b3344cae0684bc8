//! Approvals: what an approver signs of an action before a bot may have it signed (docs/formats.md).

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::hex::{hex, unhex};
use crate::request::decimal;
use crate::verify::verify_ed25519;

/// The first bytes of every approval; a request is signed under others, and a wallet signs no message with either.
pub const DOMAIN: &[u8] = b"hyperkms approval v1\n";

/// What is approved: one action, by one wallet, on one network, for one account.
#[derive(Clone, Copy)]
pub struct Matter<'a> {
    pub wallet: &'a [u8],
    pub network: &'a [u8],
    /// 20 bytes; empty for the account itself.
    pub vault: &'a [u8],
    /// The action in msgpack, as it is hashed, with the nonce 0 wherever it repeats its nonce.
    pub action: &'a [u8],
}

/// What an approval says beside its matter: by which key, since when and until when, and which one it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    pub key: [u8; 8],
    /// Milliseconds since 1970.
    pub time: u64,
    pub until: u64,
    pub id: [u8; 16],
}

impl Claim {
    /// The bytes that are signed: every part has a fixed length or its length before it.
    pub fn message(&self, matter: Matter<'_>) -> Result<Vec<u8>> {
        let mut message = Vec::with_capacity(192);
        message.extend_from_slice(DOMAIN);
        message.extend_from_slice(&self.key);
        message.extend_from_slice(&self.time.to_be_bytes());
        message.extend_from_slice(&self.until.to_be_bytes());
        message.extend_from_slice(&self.id);
        for part in [matter.wallet, matter.network, matter.vault] {
            let length = u8::try_from(part.len()).map_err(|_| too_long())?;
            message.push(length);
            message.extend_from_slice(part);
        }
        message.extend_from_slice(&Sha256::digest(matter.action));
        Ok(message)
    }

    /// The approval as text.
    pub fn text(&self, signature: &[u8; 64]) -> String {
        let (key, id, signature) = (hex(&self.key), hex(&self.id), hex(signature));
        format!("v1 key={key},ts={:013},until={:013},id={id},sig={signature}", self.time, self.until)
    }
}

/// A claim and the signature under it, as they were read of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approval {
    pub claim: Claim,
    pub signature: [u8; 64],
}

impl Approval {
    /// Reads `v1 key=...,ts=...,until=...,id=...,sig=...`: these members, in this order, in lower-case hex, and no more.
    pub fn read(text: &[u8]) -> Option<Approval> {
        let mut parts = text.strip_prefix(b"v1 ")?.split(|byte| *byte == b',');
        let mut member = |name: &[u8]| parts.next()?.strip_prefix(name);
        let key = unhex(member(b"key=")?)?;
        let time = decimal(member(b"ts=")?)?;
        let until = decimal(member(b"until=")?)?;
        let id = unhex(member(b"id=")?)?;
        let signature = unhex(member(b"sig=")?)?;
        parts.next().is_none().then_some(Approval { claim: Claim { key, time, until, id }, signature })
    }

    /// Tampered with `signature-wrong` unless this key approved exactly this.
    pub fn verify(&self, public: &[u8], matter: Matter<'_>) -> Result<()> {
        verify_ed25519(public, &self.claim.message(matter)?, &self.signature)
    }
}

fn too_long() -> Error {
    Error::malformed("malformed-approval", "wallet, network and vault of an approval have at most 255 bytes each")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATTER: Matter<'_> = Matter { wallet: b"treasury", network: b"testnet", vault: b"", action: b"\x81" };

    fn approval() -> Approval {
        let claim = Claim { key: [1; 8], time: 1_780_000_000_000, until: 1_780_000_600_000, id: [2; 16] };
        Approval { claim, signature: [3; 64] }
    }

    #[test]
    fn a_text_is_read_as_it_was_written_and_nothing_beside_it() {
        let written = approval().claim.text(&[3; 64]);
        assert_eq!(Approval::read(written.as_bytes()).unwrap(), approval());
        for place in 0..written.len() {
            for put in [&b""[..], b",", b"=", b" ", b"A", b"\x80", b"0x"] {
                let changed = [&written.as_bytes()[..place], put, &written.as_bytes()[place + 1..]].concat();
                if let Some(read) = Approval::read(&changed) {
                    assert_eq!(read == approval(), changed == written.as_bytes());
                    assert_eq!(read.claim.text(&read.signature).as_bytes(), changed);
                }
            }
        }
        assert!(Approval::read([written.as_bytes(), b","].concat().as_slice()).is_none());
    }

    #[test]
    fn whatever_of_a_matter_or_claim_is_another_is_other_bytes() {
        let claim = approval().claim;
        let said = claim.message(MATTER).unwrap();
        for other in [
            Matter { wallet: b"treasur", network: b"ytestnet", ..MATTER },
            Matter { network: b"mainnet", ..MATTER },
            Matter { vault: &[0; 20], ..MATTER },
            Matter { action: b"\x80", ..MATTER },
        ] {
            assert_ne!(claim.message(other).unwrap(), said);
        }
        for other in [
            Claim { key: [2; 8], ..claim.clone() },
            Claim { time: claim.time + 1, ..claim.clone() },
            Claim { until: claim.until + 1, ..claim.clone() },
            Claim { id: [3; 16], ..claim.clone() },
        ] {
            assert_ne!(other.message(MATTER).unwrap(), said);
        }
        assert_eq!(claim.message(Matter { wallet: &[b'w'; 256], ..MATTER }).unwrap_err().code, "malformed-approval");
    }
}
