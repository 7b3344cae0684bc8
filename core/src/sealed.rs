//! Sealed key format v1: what a key store keeps. docs/formats.md states every byte.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::error::{Error, Result};
use crate::memory::{on_wiped_stack, Slot};
use crate::single::{self, KeyType};

const MAGIC: &[u8; 4] = b"HKSK";
const FORMAT: u8 = 1;
const ENCRYPTION_LABEL: &[u8] = b"hyperkms sealed key v1 encryption";
const COMMITMENT_LABEL: &[u8] = b"hyperkms sealed key v1 commitment";
/// A wrapped data key of the largest root key in sight (AWS KMS gives under 200 bytes).
const MAX_WRAPPED: usize = 4096;

/// What a sealed key is for; part of every seal, so that none opens in another's place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    pub purpose: Purpose,
    /// 1 to 64 ASCII characters.
    pub wallet: String,
    /// From 1.
    pub version: u32,
    pub key_type: KeyType,
    pub network: Binding,
    pub origin: Origin,
}

/// The networks a key may sign for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Binding {
    /// An Ed25519 key, which signs opaque bytes.
    None,
    Mainnet,
    Testnet,
    /// Development only: each request names its network.
    Any,
}

/// What its signatures are for: a key of one purpose signs nothing of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A wallet's whole private key. Shares have a format of their own (crate cosign).
    PrivateKey,
    /// The key of a data directory that signs its record's tree heads and manifest.
    LogKey,
    /// The key of a database that signs the rows of its wallets and clients.
    StoreKey,
    /// The key by which a cosigner is known to the others of its group.
    CosignerIdentity,
}

/// Where the key came from: an imported key may exist elsewhere too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    Generated,
    Imported,
}

macro_rules! coded {
    ($type:ident, $what:literal, $($variant:ident = $code:literal $name:literal),+) => {
        impl $type {
            pub fn name(self) -> &'static str {
                match self { $($type::$variant => $name),+ }
            }
            pub fn from_name(name: &str) -> Result<Self> {
                match name {
                    $($name => Ok($type::$variant),)+
                    _ => Err(Error::malformed("malformed-context", concat!("unknown ", $what))),
                }
            }
            pub fn code(self) -> u8 {
                match self { $($type::$variant => $code),+ }
            }
            pub fn from_code(code: u8) -> Result<Self> {
                match code {
                    $($code => Ok($type::$variant),)+
                    _ => Err(malformed(concat!("unknown ", $what))),
                }
            }
        }
    };
}
coded!(Binding, "network", None = 0 "none", Mainnet = 1 "mainnet", Testnet = 2 "testnet", Any = 3 "any");
coded!(Origin, "origin", Generated = 1 "generated", Imported = 2 "imported");
coded!(
    Purpose, "purpose", PrivateKey = 1 "private key", LogKey = 2 "log key", StoreKey = 3 "store key",
    CosignerIdentity = 4 "cosigner identity"
);

pub fn key_type_code(key_type: KeyType) -> u8 {
    match key_type {
        KeyType::Ed25519 => 1,
        KeyType::Secp256k1 => 2,
    }
}

pub fn key_type_of(code: u8) -> Result<KeyType> {
    match code {
        1 => Ok(KeyType::Ed25519),
        2 => Ok(KeyType::Secp256k1),
        _ => Err(malformed("unknown key type")),
    }
}

impl Context {
    /// Refuses a wallet id outside `[A-Za-z0-9][A-Za-z0-9._-]{0,63}`, version 0, and a network that
    /// does not fit the key type; and a log key that is not a generated Ed25519 key.
    pub fn check(&self) -> Result<()> {
        let refuse = |what| Err(Error::malformed("malformed-context", what));
        let bytes = self.wallet.as_bytes();
        let tail_ok = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
        let id_ok =
            bytes.len() <= 64 && bytes.first().is_some_and(u8::is_ascii_alphanumeric) && bytes.iter().all(tail_ok);
        if !id_ok {
            return refuse("the wallet id is not of the form [A-Za-z0-9][A-Za-z0-9._-]{0,63}");
        }
        if self.version == 0 {
            return refuse("key versions are numbered from 1");
        }
        if (self.key_type == KeyType::Ed25519) != (self.network == Binding::None) {
            return refuse("a secp256k1 key has a network, an ed25519 key has none");
        }
        let is_own = self.purpose != Purpose::PrivateKey;
        if is_own && (self.key_type, self.origin) != (KeyType::Ed25519, Origin::Generated) {
            return refuse("a log key or a cosigner's identity is an ed25519 key that was generated here");
        }
        Ok(())
    }

    /// The bytes that a wrapped data key is bound to: all but the public key, which is not known yet.
    pub fn wrap_label(&self) -> Vec<u8> {
        let mut out = b"hyperkms data key v1".to_vec();
        self.write(&mut out);
        out
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend([self.purpose.code(), key_type_code(self.key_type), self.network.code(), self.origin.code()]);
        out.extend(self.version.to_be_bytes());
        out.push(self.wallet.len() as u8);
        out.extend(self.wallet.as_bytes());
    }
}

/// What anyone can read of a sealed key; nothing of it is to be trusted before `open` has passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub context: Context,
    pub public_key: Vec<u8>,
    pub root_key_id: String,
    pub wrapped: Vec<u8>,
}

/// Seals a secret key with a data key; `wrapped` is that data key, wrapped by `root_key_id`.
pub fn seal(secret: &Slot, context: &Context, data_key: &Slot, wrapped: &[u8], root_key_id: &str) -> Result<Vec<u8>> {
    context.check()?;
    if wrapped.is_empty() || wrapped.len() > MAX_WRAPPED || root_key_id.is_empty() || root_key_id.len() > 255 {
        return Err(Error::malformed("malformed-seal", "the wrapped data key or the root key id has a wrong length"));
    }
    let public_key = single::public_key(context.key_type, secret)?;
    let (mut salt, mut nonce) = ([0; 32], [0; 12]);
    crate::memory::fill_random(&mut salt)?;
    crate::memory::fill_random(&mut nonce)?;
    let keys = derive(data_key, &salt)?;

    let mut out = Vec::with_capacity(512);
    out.extend(MAGIC);
    out.push(FORMAT);
    context.write(&mut out);
    write_short(&mut out, &public_key);
    write_short(&mut out, root_key_id.as_bytes());
    write_short(&mut out, b""); // the share binding: empty for a whole key
    out.extend((wrapped.len() as u16).to_be_bytes());
    out.extend(wrapped);
    out.extend(salt);
    out.extend(&keys[32..64]);
    out.extend(nonce);

    let mut body = Slot::take()?;
    body[..32].copy_from_slice(secret.key());
    let tag = on_wiped_stack(|| {
        Aes256Gcm::new(keys.key().into())
            .encrypt_inout_detached(&nonce.into(), &out, (&mut body[..32]).into())
            .map(|tag| tag.0)
    })
    .map_err(|_| Error::unavailable("seal-failed", "AES-GCM refused to seal"))?;
    out.extend(body.key());
    out.extend(tag);
    Ok(out)
}

/// Opens a sealed key that must be the one of `expected`; the slot holds the secret key.
///
/// Tampered when the record belongs elsewhere, was sealed with another data key, was changed in any
/// byte, or holds a secret whose public key is not the recorded one.
pub fn open(sealed: &[u8], expected: &Context, data_key: &Slot) -> Result<(Slot, Header)> {
    let Parts { header, bound, salt, commitment, nonce, ciphertext, tag } = Parts::read(sealed)?;
    if header.context != *expected {
        return Err(Error::tampered("sealed-key-misplaced", misplaced(&header.context, expected)));
    }
    let keys = derive(data_key, salt)?;
    if !bool::from(keys[32..64].ct_eq(commitment)) {
        return Err(tampered(expected, "was not sealed with this data key"));
    }
    let mut secret = Slot::take()?;
    secret[..32].copy_from_slice(ciphertext);
    on_wiped_stack(|| {
        let cipher = Aes256Gcm::new(keys.key().into());
        cipher.decrypt_inout_detached(nonce.into(), bound, (&mut secret[..32]).into(), tag.into())
    })
    .map_err(|_| tampered(expected, "was changed after it was sealed"))?;
    if single::public_key(expected.key_type, &secret)? != header.public_key {
        return Err(tampered(expected, "does not belong to its recorded public key"));
    }
    Ok((secret, header))
}

/// Reads the header without a key.
pub fn inspect(sealed: &[u8]) -> Result<Header> {
    Ok(Parts::read(sealed)?.header)
}

/// Bytes 0..32: the encryption key; 32..64: the commitment (key-committing AES-GCM).
pub fn derive(data_key: &Slot, salt: &[u8; 32]) -> Result<Slot> {
    let mut keys = Slot::take()?;
    on_wiped_stack(|| {
        let hkdf = Hkdf::<Sha256>::new(Some(salt), data_key.key());
        hkdf.expand(ENCRYPTION_LABEL, &mut keys[..32])?;
        hkdf.expand(COMMITMENT_LABEL, &mut keys[32..64])
    })
    .map_err(|_| Error::unavailable("seal-failed", "HKDF refused the length"))?;
    Ok(keys)
}

struct Parts<'a> {
    header: Header,
    /// Every byte before the ciphertext: the associated data.
    bound: &'a [u8],
    salt: &'a [u8; 32],
    commitment: &'a [u8; 32],
    nonce: &'a [u8; 12],
    ciphertext: &'a [u8; 32],
    tag: &'a [u8; 16],
}

impl<'a> Parts<'a> {
    fn read(sealed: &'a [u8]) -> Result<Parts<'a>> {
        let mut rest = Reader(sealed);
        if rest.fixed::<4>()? != MAGIC {
            return Err(malformed("does not start with HKSK"));
        }
        if rest.byte()? != FORMAT {
            return Err(malformed("is of a format that this release does not know"));
        }
        let context = read_context(&mut rest)?;
        let public_key = rest.short()?.to_vec();
        if public_key.len() != context.key_type.public_key_len() {
            return Err(malformed("has a public key of a wrong length"));
        }
        let root_key_id = rest.text()?;
        if !rest.short()?.is_empty() {
            return Err(malformed("is bound to a share, and this is a whole key"));
        }
        let wrapped_len = u16::from_be_bytes(*rest.fixed::<2>()?);
        let wrapped = rest.take(wrapped_len.into())?.to_vec();
        let (salt, commitment, nonce) = (rest.fixed()?, rest.fixed()?, rest.fixed()?);
        let bound = &sealed[..sealed.len() - rest.0.len()];
        let (ciphertext, tag) = (rest.fixed()?, rest.fixed()?);
        if !rest.0.is_empty() {
            return Err(malformed("is longer than its format"));
        }
        let header = Header { context, public_key, root_key_id, wrapped };
        Ok(Parts { header, bound, salt, commitment, nonce, ciphertext, tag })
    }
}

pub(crate) fn read_context(rest: &mut Reader) -> Result<Context> {
    let purpose = Purpose::from_code(rest.byte()?)?;
    let key_type = key_type_of(rest.byte()?)?;
    let network = Binding::from_code(rest.byte()?)?;
    let origin = Origin::from_code(rest.byte()?)?;
    let version = u32::from_be_bytes(*rest.fixed::<4>()?);
    let wallet = rest.text()?;
    let context = Context { purpose, wallet, version, key_type, network, origin };
    context.check().map_err(|_| malformed("has an impossible context"))?;
    Ok(context)
}

/// Reads a format from its front; what is cut short is Tampered.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, len: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or_else(|| malformed("is cut short"))?;
        self.0 = rest;
        Ok(taken)
    }

    pub fn fixed<const N: usize>(&mut self) -> Result<&'a [u8; N]> {
        self.take(N)?.try_into().map_err(|_| malformed("is cut short"))
    }

    pub fn byte(&mut self) -> Result<u8> {
        Ok(self.fixed::<1>()?[0])
    }

    pub fn short(&mut self) -> Result<&'a [u8]> {
        let len = self.byte()?;
        self.take(len.into())
    }

    pub fn text(&mut self) -> Result<String> {
        let bytes = self.short()?.to_vec();
        String::from_utf8(bytes).map_err(|_| malformed("has a name that is not text"))
    }
}

pub fn write_short(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(bytes.len() as u8);
    out.extend(bytes);
}

fn malformed(what: &str) -> Error {
    Error::tampered("sealed-key-malformed", format!("the sealed key {what}"))
}

fn tampered(context: &Context, what: &str) -> Error {
    let Context { wallet, version, .. } = context;
    Error::tampered("sealed-key-tampered", format!("the sealed key of wallet {wallet} version {version} {what}"))
}

fn misplaced(found: &Context, expected: &Context) -> String {
    let name = |c: &Context| {
        format!(
            "wallet {} version {} ({}, {}, {}, {})",
            c.wallet,
            c.version,
            c.purpose.name(),
            c.key_type.name(),
            c.network.name(),
            c.origin.name()
        )
    };
    format!("the sealed key of {} stands in the place of {}", name(found), name(expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::single::generate;

    fn context(wallet: &str, version: u32, key_type: KeyType, network: Binding) -> Context {
        let (purpose, origin) = (Purpose::PrivateKey, Origin::Generated);
        Context { purpose, wallet: wallet.into(), version, key_type, network, origin }
    }

    fn btc() -> Context {
        context("btc-1", 1, KeyType::Secp256k1, Binding::Testnet)
    }

    fn sealed(context: &Context, data_key: &Slot) -> Vec<u8> {
        let secret = generate(context.key_type).unwrap();
        seal(&secret, context, data_key, b"wrapped", "file:00").unwrap()
    }

    #[test]
    fn opens_to_the_key_that_was_sealed() {
        for context in [btc(), context("e", 9, KeyType::Ed25519, Binding::None)] {
            let data_key = Slot::random().unwrap();
            let secret = generate(context.key_type).unwrap();
            let bytes = seal(&secret, &context, &data_key, b"wrapped", "file:00").unwrap();
            let (opened, header) = open(&bytes, &context, &data_key).unwrap();
            assert_eq!(opened.key(), secret.key());
            assert_eq!(header, inspect(&bytes).unwrap());
            assert_eq!(header.wrapped, b"wrapped");
        }
    }

    #[test]
    fn every_flipped_bit_is_tampered() {
        let data_key = Slot::random().unwrap();
        let bytes = sealed(&btc(), &data_key);
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let refused = open(&changed, &btc(), &data_key).map(drop).unwrap_err();
            assert_eq!(refused.kind, Kind::Tampered, "bit {bit}: {refused}");
        }
    }

    #[test]
    fn every_truncation_and_extension_is_tampered() {
        let data_key = Slot::random().unwrap();
        let mut bytes = sealed(&btc(), &data_key);
        for len in 0..bytes.len() {
            assert_eq!(open(&bytes[..len], &btc(), &data_key).map(drop).unwrap_err().kind, Kind::Tampered);
        }
        bytes.push(0);
        assert_eq!(open(&bytes, &btc(), &data_key).map(drop).unwrap_err().kind, Kind::Tampered);
    }

    #[test]
    fn a_sealed_key_moved_elsewhere_does_not_open() {
        let data_key = Slot::random().unwrap();
        let bytes = sealed(&btc(), &data_key);
        let mut imported = btc();
        imported.origin = Origin::Imported;
        let elsewhere = [
            context("btc-2", 1, KeyType::Secp256k1, Binding::Testnet),
            context("btc-1", 2, KeyType::Secp256k1, Binding::Testnet),
            context("btc-1", 1, KeyType::Secp256k1, Binding::Mainnet),
            context("btc-1", 1, KeyType::Ed25519, Binding::None),
            imported,
        ];
        for other in elsewhere {
            assert_eq!(open(&bytes, &other, &data_key).map(drop).unwrap_err().code, "sealed-key-misplaced");
        }
    }

    #[test]
    fn neither_of_a_log_key_and_a_wallet_key_opens_as_the_other() {
        let data_key = Slot::random().unwrap();
        let wallet = context("record", 1, KeyType::Ed25519, Binding::None);
        let log = Context { purpose: Purpose::LogKey, ..wallet.clone() };
        for (one, other) in [(&wallet, &log), (&log, &wallet)] {
            let bytes = sealed(one, &data_key);
            assert_eq!(open(&bytes, one, &data_key).unwrap().1.context, *one);
            assert_eq!(open(&bytes, other, &data_key).map(drop).unwrap_err().code, "sealed-key-misplaced");
        }
        assert_ne!(wallet.wrap_label(), log.wrap_label());
    }

    #[test]
    fn a_log_key_is_a_generated_ed25519_key() {
        let log = Context { purpose: Purpose::LogKey, ..context("record", 1, KeyType::Ed25519, Binding::None) };
        let of_a_chain = Context { key_type: KeyType::Secp256k1, network: Binding::Testnet, ..log.clone() };
        let imported = Context { origin: Origin::Imported, ..log.clone() };
        assert!(log.check().is_ok());
        for refused in [of_a_chain, imported] {
            assert_eq!(refused.check().unwrap_err().code, "malformed-context");
        }
    }

    #[test]
    fn another_data_key_fails_at_the_commitment() {
        let bytes = sealed(&btc(), &Slot::random().unwrap());
        let refused = open(&bytes, &btc(), &Slot::random().unwrap()).map(drop).unwrap_err();
        assert!(refused.message.contains("was not sealed with this data key"), "{refused}");
    }

    #[test]
    fn two_seals_of_one_key_share_no_secret_bytes() {
        let data_key = Slot::random().unwrap();
        let secret = generate(KeyType::Ed25519).unwrap();
        let context = context("e", 1, KeyType::Ed25519, Binding::None);
        let one = seal(&secret, &context, &data_key, b"w", "file:00").unwrap();
        let two = seal(&secret, &context, &data_key, b"w", "file:00").unwrap();
        assert_ne!(one[one.len() - 48..], two[two.len() - 48..]);
    }
}
