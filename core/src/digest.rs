//! The typed digests: what may be signed, hashed here and nowhere else.
//!
//! No function takes a digest from outside; each takes what a person could read and hashes it itself.

use std::sync::OnceLock;

use sha3::{Digest as _, Keccak256};

use crate::error::{Error, Result};

/// The exact 32 bytes that get signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest(pub [u8; 32]);

/// The Hyperliquid network an action is meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    Mainnet,
    Testnet,
}

impl Network {
    /// The `source` of the phantom agent: "a" on mainnet, "b" on testnet.
    fn source(self) -> &'static [u8] {
        match self {
            Network::Mainnet => b"a",
            Network::Testnet => b"b",
        }
    }
}

/// What the exchange hashes beside the action; the nonce and `expires_after` are milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct L1Extras {
    pub nonce: u64,
    pub vault: Option<[u8; 20]>,
    pub expires_after: Option<u64>,
}

pub fn keccak256(data: &[u8]) -> [u8; 32] {
    Keccak256::digest(data).into()
}

/// The EIP-712 digest of an L1 action, as `sign_l1_action` of the official Python SDK makes it.
///
/// `msgpack` is the action in canonical form. The action hash is
/// keccak256(msgpack, nonce as u64 big-endian, 00 or 01 and the vault address,
/// 00 and the expiry as u64 big-endian if there is one); the digest is that of
/// `Agent(string source,bytes32 connectionId)` in the domain {Exchange, 1, 1337, zero address}.
pub fn l1_action(msgpack: &[u8], extras: L1Extras, network: Network) -> Result<Digest> {
    // An action is a msgpack map with its type first: 0x81..=0x8f, 0xde or 0xdf. This keeps bytes
    // that are no action at all from being hashed as one.
    let is_map = matches!(msgpack.first(), Some(0x81..=0x8f | 0xde | 0xdf));
    if !is_map {
        return Err(Error::malformed("malformed-action", "the action is not a msgpack map"));
    }
    let mut hasher = Keccak256::new();
    hasher.update(msgpack);
    hasher.update(extras.nonce.to_be_bytes());
    match extras.vault {
        None => hasher.update([0]),
        Some(address) => {
            hasher.update([1]);
            hasher.update(address);
        }
    }
    if let Some(expires_after) = extras.expires_after {
        hasher.update([0]);
        hasher.update(expires_after.to_be_bytes());
    }
    let connection_id: [u8; 32] = hasher.finalize().into();
    Ok(typed_data(exchange_domain(), &agent_struct(network, &connection_id)))
}

/// EIP-191 version 0x45: keccak256("\x19Ethereum Signed Message:\n" + decimal length + message).
pub fn eip191(message: &[u8]) -> Digest {
    let mut hasher = Keccak256::new();
    hasher.update(b"\x19Ethereum Signed Message:\n");
    hasher.update(message.len().to_string());
    hasher.update(message);
    Digest(hasher.finalize().into())
}

fn agent_struct(network: Network, connection_id: &[u8; 32]) -> [u8; 32] {
    static TYPE_HASH: OnceLock<[u8; 32]> = OnceLock::new();
    let type_hash = TYPE_HASH.get_or_init(|| keccak256(b"Agent(string source,bytes32 connectionId)"));
    keccak256(&[&type_hash[..], &keccak256(network.source()), connection_id].concat())
}

fn exchange_domain() -> &'static [u8; 32] {
    static SEPARATOR: OnceLock<[u8; 32]> = OnceLock::new();
    SEPARATOR.get_or_init(|| domain_separator(b"Exchange", b"1", 1337))
}

pub(crate) fn domain_separator(name: &[u8], version: &[u8], chain_id: u64) -> [u8; 32] {
    let type_hash = keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)");
    let mut chain = [0; 32];
    chain[24..].copy_from_slice(&chain_id.to_be_bytes());
    let contract = [0; 32];
    keccak256(&[type_hash, keccak256(name), keccak256(version), chain, contract].concat())
}

/// EIP-712: keccak256(0x19 0x01, domain separator, struct hash).
pub(crate) fn typed_data(domain: &[u8; 32], struct_hash: &[u8; 32]) -> Digest {
    let mut hasher = Keccak256::new();
    hasher.update([0x19, 0x01]);
    hasher.update(domain);
    hasher.update(struct_hash);
    Digest(hasher.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keccak256_of_nothing_is_the_known_value() {
        let expected = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
        assert_eq!(crate::hex::hex(&keccak256(b"")), expected);
    }

    #[test]
    fn bytes_that_are_no_map_are_refused() {
        let extras = L1Extras { nonce: 1, vault: None, expires_after: None };
        for bytes in [&b""[..], b"\x80", b"\x93\x01\x02\x03", &[0x19, 0x01]] {
            assert!(l1_action(bytes, extras, Network::Testnet).is_err());
        }
    }
}
