//! A message from one cosigner to others, which whoever relays it can neither read nor change.
//!
//! To one member: sealed by HPKE in its authenticated mode (RFC 9180, X25519, HKDF-SHA-256, ChaCha20-Poly1305) between
//! the session keys that both sides have signed in their openings. To all: in the clear, signed by the identity key.
//! Both are bound to the session, the round, the sender and the receiver.

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::X25519HkdfSha256;
use hpke::{Deserializable, Kem, OpModeR, OpModeS, Serializable};
use hyperkms_core::error::{Error, Result};
use hyperkms_core::memory::on_deeply_wiped_stack;
use hyperkms_core::sealed::Reader;
use zeroize::Zeroizing;

use crate::identity::{self, Identity};
use crate::opening::{PrivateKey, PublicKey};
use crate::protocol::{Index, Secret};

type Encapsulated = <X25519HkdfSha256 as Kem>::EncappedKey;

const MAGIC: &[u8; 4] = b"HKCM";
const FORMAT: u8 = 1;
const INFO: &[u8] = b"hyperkms cosigner message v1";
const SIGNED: &[u8] = b"hyperkms cosigner broadcast v1\n";
/// The receiver of what goes to all.
pub const EVERYONE: Index = 0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Direct = 1,
    Broadcast = 2,
    /// What a member received of a round's broadcasts, for all others to compare.
    Echo = 3,
}

/// What anyone can read of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    pub round: u8,
    pub sender: Index,
    pub receiver: Index,
    pub session: [u8; 32],
}

impl Header {
    fn to_bytes(self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        out.extend([FORMAT, self.kind as u8, self.round, self.sender, self.receiver]);
        out.extend(self.session);
        out
    }

    /// The header and what follows it.
    pub fn read(message: &[u8]) -> Result<(Header, &[u8])> {
        let mut rest = Reader(message);
        if rest.fixed::<4>()? != MAGIC || rest.byte()? != FORMAT {
            return Err(malformed());
        }
        let kind = match rest.byte()? {
            1 => Kind::Direct,
            2 => Kind::Broadcast,
            3 => Kind::Echo,
            _ => return Err(malformed()),
        };
        let (round, sender, receiver) = (rest.byte()?, rest.byte()?, rest.byte()?);
        if (kind == Kind::Direct) == (receiver == EVERYONE) || sender == EVERYONE {
            return Err(malformed());
        }
        Ok((Header { kind, round, sender, receiver, session: *rest.fixed()? }, rest.0))
    }
}

/// Seals for one member, in the name of the holder of `from`.
pub(crate) fn seal(header: Header, body: &[u8], from: (&PrivateKey, &PublicKey), to: &PublicKey) -> Result<Vec<u8>> {
    let head = header.to_bytes();
    let mode = OpModeS::Auth((from.0.clone(), from.1.clone()));
    let sealed = on_deeply_wiped_stack(|| {
        hpke::single_shot_seal::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(&mode, to, INFO, body, &head)
    });
    let (encapsulated, ciphertext) = sealed.map_err(|_| Error::unavailable("seal-failed", "HPKE refused to seal"))?;
    Ok([&head[..], &encapsulated.to_bytes(), &ciphertext].concat())
}

/// Opens what the holder of `from` sealed for the holder of `own`, unchanged.
pub(crate) fn open(header: Header, sealed: &[u8], from: &PublicKey, own: &PrivateKey) -> Result<Secret> {
    let mut rest = Reader(sealed);
    let encapsulated = Encapsulated::from_bytes(rest.fixed::<32>()?).map_err(|_| malformed())?;
    let (mode, head) = (OpModeR::Auth(from.clone()), header.to_bytes());
    let opened = on_deeply_wiped_stack(|| {
        hpke::single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &mode,
            own,
            &encapsulated,
            INFO,
            rest.0,
            &head,
        )
    });
    opened.map(Zeroizing::new).map_err(|_| not_authentic(header.sender))
}

/// Signs for all members.
pub(crate) fn sign(header: Header, body: &[u8], identity: &Identity) -> Result<Vec<u8>> {
    let head = header.to_bytes();
    let signature = identity.sign(SIGNED, &[&head, body])?;
    Ok([&head[..], body, &signature].concat())
}

/// What the holder of this identity key signed for all.
pub(crate) fn verified(header: Header, signed: &[u8], identity: &[u8; 32]) -> Result<Vec<u8>> {
    let (body, signature) = signed.split_last_chunk::<64>().ok_or_else(malformed)?;
    identity::verify(identity, SIGNED, &[&header.to_bytes(), body], signature)
        .map_err(|_| not_authentic(header.sender))?;
    Ok(body.to_vec())
}

fn malformed() -> Error {
    Error::tampered("message-malformed", "a message between cosigners is not of its form")
}

fn not_authentic(sender: Index) -> Error {
    let words = format!("a message that names cosigner {sender} is not from it, or was changed on the way");
    Error::tampered("message-not-authentic", words)
}
