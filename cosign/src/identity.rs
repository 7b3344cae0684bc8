//! The Ed25519 key by which a cosigner is known to the others of its group.
//!
//! All that it signs begins with a label of its own, so that nothing signed for one use can pass for another.

use hyperkms_core::error::{Error, Result};
use hyperkms_core::memory::{Idle, Slot};
use hyperkms_core::sealed::{self, Binding, Context, Origin, Purpose};
use hyperkms_core::single::{self, KeyType, Public};
use hyperkms_core::verify::verify_ed25519;

use crate::data_key::Fresh;

const IDLE_LABEL: &[u8] = b"cosigner identity";
const STATEMENT: &[u8] = b"hyperkms cosigner statement v1\n";

/// The identity key at rest in memory.
pub struct Identity {
    pub public: [u8; 32],
    key: Idle,
}

impl Identity {
    /// A new one, and its sealed form.
    pub fn generate(fresh: &Fresh) -> Result<(Identity, Vec<u8>)> {
        let secret = single::generate(KeyType::Ed25519)?;
        Ok((Identity::keep(&secret)?, seal(&secret, fresh)?))
    }

    /// Tampered unless it is an identity that was sealed with this data key.
    pub fn open(sealed: &[u8], data_key: &Slot) -> Result<Identity> {
        let (secret, _) = sealed::open(sealed, &context(), data_key)?;
        Identity::keep(&secret)
    }

    fn keep(secret: &Slot) -> Result<Identity> {
        let public = single::public_key(KeyType::Ed25519, secret)?;
        let public = public.try_into().map_err(|_| Error::tampered("invalid-public-key", "not 32 bytes"))?;
        Ok(Identity { public, key: Idle::seal(secret, IDLE_LABEL)? })
    }

    /// A statement outside of every protocol, such as an acknowledgement.
    pub fn sign_statement(&self, purpose: &str, statement: &[u8]) -> Result<[u8; 64]> {
        self.sign(STATEMENT, &[&statement_bytes(purpose, statement)?])
    }

    /// For the formats of this crate: each begins with a label of its own.
    pub(crate) fn sign(&self, label: &[u8], parts: &[&[u8]]) -> Result<[u8; 64]> {
        let secret = self.key.open(IDLE_LABEL)?;
        single::sign_ed25519(&secret, &Public::Ed25519(self.public), &[label, &parts.concat()].concat())
    }
}

/// Tampered unless the holder of the identity key signed exactly this.
pub fn verify_statement(identity: &[u8; 32], purpose: &str, statement: &[u8], signature: &[u8]) -> Result<()> {
    verify(identity, STATEMENT, &[&statement_bytes(purpose, statement)?], signature)
}

pub(crate) fn verify(identity: &[u8; 32], label: &[u8], parts: &[&[u8]], signature: &[u8]) -> Result<()> {
    verify_ed25519(identity, &[label, &parts.concat()].concat(), signature)
}

fn statement_bytes(purpose: &str, statement: &[u8]) -> Result<Vec<u8>> {
    let length = u8::try_from(purpose.len());
    let length = length.map_err(|_| Error::malformed("malformed-statement", "a purpose has at most 255 bytes"))?;
    Ok([&[length], purpose.as_bytes(), statement].concat())
}

/// The same identity, sealed anew.
pub fn reseal(sealed: &[u8], data_key: &Slot, fresh: &Fresh) -> Result<Vec<u8>> {
    let (secret, _) = sealed::open(sealed, &context(), data_key)?;
    seal(&secret, fresh)
}

/// What a root key in a file binds the data key of an identity to.
pub fn wrap_label() -> Vec<u8> {
    context().wrap_label()
}

fn seal(secret: &Slot, fresh: &Fresh) -> Result<Vec<u8>> {
    sealed::seal(secret, &context(), fresh.data_key, fresh.wrapped, fresh.root_key_id)
}

fn context() -> Context {
    Context {
        purpose: Purpose::CosignerIdentity,
        wallet: "cosigner".into(),
        version: 1,
        key_type: KeyType::Ed25519,
        network: Binding::None,
        origin: Origin::Generated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_key::with_fresh;
    use crate::testing::{generated, root};
    use hyperkms_core::root_file::RootFile;

    fn opened(sealed: &[u8], root: &RootFile) -> Result<Identity> {
        Identity::open(sealed, &root.unwrap(&sealed::inspect(sealed)?.wrapped, &wrap_label())?)
    }

    #[test]
    fn it_is_known_again_when_it_is_opened_and_its_statements_are_of_one_purpose() {
        let root = root("identity");
        let (made, sealed) = generated(&root);
        let opened = opened(&sealed, &root).unwrap();
        assert_eq!(opened.public, made.public);
        let signature = opened.sign_statement("share kept", b"words").unwrap();
        verify_statement(&made.public, "share kept", b"words", &signature).unwrap();
        for (purpose, statement) in [("share kep", &b"twords"[..]), ("share kept", b"word"), ("other", b"words")] {
            assert!(verify_statement(&made.public, purpose, statement, &signature).is_err());
        }
    }

    #[test]
    fn under_another_root_key_or_with_a_changed_byte_it_does_not_open() {
        let (first, other) = (root("identity-one"), root("identity-two"));
        let (_, sealed) = generated(&first);
        assert!(opened(&sealed, &other).is_err());
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(opened(&changed, &first).is_err(), "byte {place}");
        }
    }

    #[test]
    fn sealed_anew_it_is_the_same_and_opens_under_the_new_root_key_alone() {
        let (first, other) = (root("identity-left"), root("identity-new"));
        let (made, sealed) = generated(&first);
        let data_key = first.unwrap(&sealed::inspect(&sealed).unwrap().wrapped, &wrap_label()).unwrap();
        let again = with_fresh(&other, &wrap_label(), |fresh| reseal(&sealed, &data_key, fresh)).unwrap();
        assert_eq!(opened(&again, &other).unwrap().public, made.public);
        assert!(opened(&again, &first).is_err());
        assert!(Identity::open(&again, &data_key).is_err());
    }
}
