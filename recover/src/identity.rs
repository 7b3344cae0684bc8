//! The private half of a recipient: in a file that is kept offline, and opened to read copies of shares.

use std::path::Path;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, Serializable};
use hyperkms_core::error::{Error, Result};
use hyperkms_core::hex;
use hyperkms_core::memory::{on_deeply_wiped_stack, on_wiped_stack, Slot};
use hyperkms_core::new_file::publish;
use hyperkms_core::sealed::{Binding, Context, Origin, Purpose};
use hyperkms_core::single::KeyType;
use hyperkms_cosign::protocol::Secret;
use hyperkms_cosign::recipient::Recipient;
use hyperkms_cosign::share_copy::{ShareCopy, INFO};

use crate::files::read_private;

type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type Encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey;

const FIRST_WORD: &str = "hyperkms-recovery-identity-v1";
/// In place of a wallet: of all of them.
const ANY: &str = "*";

/// An X25519 private key in a slot, and the wallet whose copies it opens; none: of every wallet.
pub struct Identity {
    secret: Slot,
    wallet: Option<String>,
    pub recipient: Recipient,
}

impl Identity {
    /// A new one, durable in a file of mode 0600 on return. Conflict when the file is there.
    pub fn create(path: &Path, wallet: Option<String>) -> Result<Identity> {
        if let Some(wallet) = &wallet {
            require_wallet_id(wallet)?;
        }
        let identity = Identity::of(Slot::random()?, wallet)?;
        let (mut line, prefix) = (Slot::take()?, identity.prefix());
        let end = prefix.len() + 64;
        line[..prefix.len()].copy_from_slice(prefix.as_bytes());
        hex::encode(identity.secret.key(), &mut line[prefix.len()..end]);
        line[end] = b'\n';
        publish(path, &line[..=end])?;
        Ok(identity)
    }

    /// Reads the file, which must be this user's alone.
    pub fn open(path: &Path) -> Result<Identity> {
        let (text, length) = read_private(path)?;
        let mut secret = Slot::take()?;
        let malformed = || {
            let words = format!("{} is no identity of a recovery recipient", path.display());
            Error::malformed("identity-malformed", words)
        };
        let mut words = text[..length].trim_ascii().split(|byte| *byte == b' ');
        let named = words.next() == Some(FIRST_WORD.as_bytes());
        let wallet = words.next().and_then(|wallet| std::str::from_utf8(wallet).ok()).ok_or_else(malformed)?;
        let digits = words.next().ok_or_else(malformed)?;
        let read = on_wiped_stack(|| hex::decode_either_case(digits, &mut secret[..32]));
        let wallet = (wallet != ANY).then(|| wallet.to_owned());
        let grammatical = wallet.as_deref().is_none_or(|wallet| require_wallet_id(wallet).is_ok());
        if !named || !grammatical || read.is_none() || words.next().is_some() {
            return Err(malformed());
        }
        Identity::of(secret, wallet)
    }

    fn of(secret: Slot, wallet: Option<String>) -> Result<Identity> {
        let public = on_deeply_wiped_stack(|| {
            let key = PrivateKey::from_bytes(secret.key())?;
            Ok(X25519HkdfSha256::sk_to_pk(&key).to_bytes().into())
        });
        let public = public.map_err(|_: hpke::HpkeError| Error::malformed("identity-malformed", "no X25519 key"))?;
        Ok(Identity { secret, wallet, recipient: Recipient(public) })
    }

    fn prefix(&self) -> String {
        format!("{FIRST_WORD} {} ", self.wallet.as_deref().unwrap_or(ANY))
    }

    /// What is in a copy; Refused if it is not for this identity or of another wallet.
    pub fn decrypt(&self, copy: &Encrypted<'_>) -> Result<Secret> {
        let Encrypted { what, wallet, .. } = copy;
        if *copy.recipient != self.recipient {
            let words = format!("the copy of a {what} of wallet {wallet} was encrypted to another recipient");
            return Err(Error::refused("copy-for-another", words));
        }
        if let Some(own) = self.wallet.as_ref().filter(|own| own != wallet) {
            let words = format!("the copy is of a {what} of wallet {wallet}, and this recovery is of wallet {own}");
            return Err(Error::refused("copy-of-another-wallet", words));
        }
        let opened = on_deeply_wiped_stack(|| {
            let key = PrivateKey::from_bytes(self.secret.key())?;
            let encapsulated = Encapsulated::from_bytes(copy.encapsulated)?;
            hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeR::Base,
                &key,
                &encapsulated,
                copy.info,
                copy.ciphertext,
                copy.bound,
            )
        });
        opened.map(Secret::new).map_err(|_| {
            let words = format!("the copy of a {what} of wallet {wallet} was changed after it was made");
            Error::tampered("copy-tampered", words)
        })
    }
}

/// A copy of a share or of a key, as it is encrypted.
pub struct Encrypted<'a> {
    pub what: &'static str,
    pub wallet: &'a String,
    pub recipient: &'a Recipient,
    pub info: &'static [u8],
    pub encapsulated: &'a [u8; 32],
    pub ciphertext: &'a [u8],
    /// The bytes that the ciphertext is bound to.
    pub bound: &'a [u8],
}

impl<'a> Encrypted<'a> {
    pub fn of_share(copy: &'a ShareCopy<'a>) -> Encrypted<'a> {
        Encrypted {
            what: "share",
            wallet: &copy.context.wallet,
            recipient: &copy.recipient,
            info: INFO,
            encapsulated: copy.encapsulated,
            ciphertext: copy.ciphertext,
            bound: copy.bound,
        }
    }
}

/// Malformed unless it is of the grammar of wallet ids.
fn require_wallet_id(wallet: &str) -> Result<()> {
    let (purpose, origin) = (Purpose::PrivateKey, Origin::Generated);
    let (key_type, network) = (KeyType::Ed25519, Binding::None);
    Context { purpose, wallet: wallet.to_owned(), version: 1, key_type, network, origin }.check()
}
