//! Sealed share format v1: what a cosigner keeps of a share. docs/formats.md states every byte.
//!
//! The seal is the one of whole keys: HKDF-SHA-256(data key, salt) gives an encryption key and a commitment, the
//! commitment is compared first, AES-256-GCM binds every byte before the ciphertext.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use hyperkms_core::error::{Error, Result};
use hyperkms_core::memory::{fill_random, on_wiped_stack, Slot};
use hyperkms_core::root_file::RootFile;
use hyperkms_core::sealed::{derive, write_short, Reader};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::data_key::{with_fresh, Fresh};
use crate::protocol::{GroupKey, KeyShare};
use crate::share_context::ShareContext;

const MAGIC: &[u8; 4] = b"HKSS";
const FORMAT: u8 = 1;
/// A share of DKLs23 in a group of five stays under it.
const MOST_BODY: usize = 4 * 1024 * 1024;

/// What anyone can read of a sealed share; nothing of it is to be trusted before `open` has passed.
pub struct Header {
    pub context: ShareContext,
    pub group_key: GroupKey,
    pub root_key_id: String,
    /// The data key, wrapped by that root key.
    pub wrapped: Vec<u8>,
}

/// Seals a share with a data key that seals nothing else, wrapped by a root key in a file.
pub fn seal_under(share: KeyShare, context: &ShareContext, root: &RootFile) -> Result<Vec<u8>> {
    with_fresh(root, &wrap_label(context), |fresh| seal(share, context, fresh))
}

/// Opens a share whose data key is wrapped by this root key.
pub fn open_under(sealed: &[u8], expected: &ShareContext, root: &RootFile) -> Result<KeyShare> {
    let header = inspect(sealed)?;
    if header.root_key_id != root.id {
        return Err(tampered(expected, "was sealed under another root key than this directory's"));
    }
    if header.context != *expected {
        return Err(misplaced(expected));
    }
    open(sealed, expected, &root.unwrap(&header.wrapped, &wrap_label(expected))?)
}

/// Seals a share with a data key that seals nothing else.
pub fn seal(share: KeyShare, context: &ShareContext, fresh: &Fresh) -> Result<Vec<u8>> {
    let KeyShare { mut body, group_key } = share;
    if body.len() > MOST_BODY {
        return Err(Error::malformed("malformed-seal", "the share is longer than any that is made"));
    }
    let (mut salt, mut nonce) = ([0; 32], [0; 12]);
    fill_random(&mut salt)?;
    fill_random(&mut nonce)?;
    let keys = derive(fresh.data_key, &salt)?;

    let mut out = Vec::with_capacity(1024 + body.len());
    out.extend(MAGIC);
    out.push(FORMAT);
    context.write(&mut out);
    write_short(&mut out, fresh.root_key_id.as_bytes());
    for long in [fresh.wrapped, &group_key.to_bytes()] {
        out.extend((long.len() as u16).to_be_bytes());
        out.extend(long);
    }
    out.extend(salt);
    out.extend(&keys[32..64]);
    out.extend(nonce);
    out.extend((body.len() as u32).to_be_bytes());
    let tag = on_wiped_stack(|| {
        Aes256Gcm::new(keys.key().into())
            .encrypt_inout_detached(&nonce.into(), &out, (&mut body[..]).into())
            .map(|tag| tag.0)
    })
    .map_err(|_| Error::unavailable("seal-failed", "AES-GCM refused to seal"))?;
    out.extend(&body[..]);
    out.extend(tag);
    Ok(out)
}

/// Opens a sealed share that must be the one of `expected`.
pub fn open(sealed: &[u8], expected: &ShareContext, data_key: &Slot) -> Result<KeyShare> {
    let Parts { header, bound, salt, commitment, nonce, ciphertext, tag } = Parts::read(sealed)?;
    if header.context != *expected {
        return Err(misplaced(expected));
    }
    let keys = derive(data_key, salt)?;
    if !bool::from(keys[32..64].ct_eq(commitment)) {
        return Err(tampered(expected, "was not sealed with this data key"));
    }
    let mut body = Zeroizing::new(ciphertext.to_vec());
    on_wiped_stack(|| {
        let cipher = Aes256Gcm::new(keys.key().into());
        cipher.decrypt_inout_detached(nonce.into(), bound, (&mut body[..]).into(), tag.into())
    })
    .map_err(|_| tampered(expected, "was changed after it was sealed"))?;
    Ok(KeyShare { body, group_key: header.group_key })
}

/// Reads the header without a key.
pub fn inspect(sealed: &[u8]) -> Result<Header> {
    Ok(Parts::read(sealed)?.header)
}

struct Parts<'a> {
    header: Header,
    bound: &'a [u8],
    salt: &'a [u8; 32],
    commitment: &'a [u8; 32],
    nonce: &'a [u8; 12],
    ciphertext: &'a [u8],
    tag: &'a [u8; 16],
}

impl<'a> Parts<'a> {
    fn read(sealed: &'a [u8]) -> Result<Parts<'a>> {
        let mut rest = Reader(sealed);
        if rest.fixed::<4>()? != MAGIC {
            return Err(malformed("does not start with HKSS"));
        }
        if rest.byte()? != FORMAT {
            return Err(malformed("is of a format that this release does not know"));
        }
        let context = ShareContext::read(&mut rest)?;
        let root_key_id = rest.text()?;
        let wrapped = long(&mut rest)?.to_vec();
        let group_key = GroupKey::read(long(&mut rest)?)?;
        let (salt, commitment, nonce) = (rest.fixed()?, rest.fixed()?, rest.fixed()?);
        let length = u32::from_be_bytes(*rest.fixed()?) as usize;
        let bound = &sealed[..sealed.len() - rest.0.len()];
        let ciphertext = rest.take(length)?;
        let tag = rest.fixed()?;
        if !rest.0.is_empty() {
            return Err(malformed("is longer than its format"));
        }
        let header = Header { context, group_key, root_key_id, wrapped };
        Ok(Parts { header, bound, salt, commitment, nonce, ciphertext, tag })
    }
}

fn long<'a>(rest: &mut Reader<'a>) -> Result<&'a [u8]> {
    let length = u16::from_be_bytes(*rest.fixed()?);
    rest.take(length.into())
}

/// What a root key in a file binds the data key of a share to.
pub fn wrap_label(context: &ShareContext) -> Vec<u8> {
    let mut label = b"hyperkms share data key v1".to_vec();
    context.write(&mut label);
    label
}

fn misplaced(expected: &ShareContext) -> Error {
    let words = format!("the sealed share of wallet {} stands in the place of another", expected.wallet);
    Error::tampered("share-misplaced", words)
}

fn malformed(what: &str) -> Error {
    Error::tampered("share-malformed", format!("the sealed share {what}"))
}

fn tampered(context: &ShareContext, what: &str) -> Error {
    let ShareContext { wallet, version, epoch, .. } = context;
    let words = format!("the sealed share of wallet {wallet} version {version} epoch {epoch} {what}");
    Error::tampered("share-tampered", words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{context, group_of, root};
    use hyperkms_core::single::KeyType;

    fn share() -> KeyShare {
        let (group, _) = group_of(2, 3, "sealed-share");
        let public_shares = (1..=3).map(|index| (index, vec![index; 32])).collect();
        let group_key = GroupKey {
            key_type: KeyType::Ed25519,
            parameters: group.parameters,
            public_key: vec![9; 32],
            public_shares,
        };
        KeyShare { body: Zeroizing::new(b"the body of a share".to_vec()), group_key }
    }

    #[test]
    fn it_opens_in_its_place_alone_and_unchanged() {
        let root_key = root("sealed-share");
        let (group, _) = group_of(2, 3, "sealed-share-members");
        let own = context(&group, KeyType::Ed25519, 1);
        let sealed = seal_under(share(), &own, &root_key).unwrap();
        let opened = open_under(&sealed, &own, &root_key).unwrap();
        assert_eq!(*opened.body, share().body.to_vec());
        assert_eq!(opened.group_key, share().group_key);
        assert!(!sealed.windows(8).any(|window| window == &b"the body"[..]));
        for other in [
            ShareContext { index: 2, ..own.clone() },
            ShareContext { epoch: 1, ..own.clone() },
            ShareContext { version: 2, ..own.clone() },
            ShareContext { wallet: "other".into(), ..own.clone() },
            ShareContext { group_id: [0; 32], ..own.clone() },
        ] {
            assert_eq!(open_under(&sealed, &other, &root_key).err().unwrap().code, "share-misplaced");
        }
        assert!(open_under(&sealed, &own, &root("sealed-share-other")).is_err());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(open_under(&changed, &own, &root_key).is_err(), "byte {place}");
            assert!(open_under(&sealed[..place], &own, &root_key).is_err(), "cut at {place}");
        }
        assert!(open_under(&[&sealed[..], b"x"].concat(), &own, &root_key).is_err());
    }
}
