//! What is to be signed: typed, hashed here, and never a digest from outside.

use hyperkms_core::digest::{self, L1Extras, Network};
use hyperkms_core::error::{Error, Result};
use hyperkms_core::request;
use hyperkms_core::sealed::Binding;
use hyperkms_core::single::{self, KeyType};
use hyperkms_core::typed::{self, Value};
use hyperkms_core::verify::verify_ed25519;
use sha2::{Digest as _, Sha256};

use crate::share_context::ShareContext;

const TEST: &[u8] = b"hyperkms test signature v1\n";

/// A message or an action, with the digest that its key type signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Form {
    pub key_type: KeyType,
    /// None: of no network.
    network: Option<Network>,
    /// Ed25519 signs it as it is.
    message: Vec<u8>,
    /// secp256k1 signs this; of an Ed25519 message its SHA-256, to be spoken of.
    pub digest: [u8; 32],
}

impl Form {
    pub fn l1(msgpack: &[u8], extras: L1Extras, network: Network) -> Result<Form> {
        Ok(Form::of_digest(digest::l1_action(msgpack, extras, network)?.0, Some(network)))
    }

    pub fn user_action(primary_type: &str, values: &[Value<'_>], chain_id: u64, network: Network) -> Result<Form> {
        Ok(Form::of_digest(typed::user_action(primary_type, values, chain_id, network)?.0, Some(network)))
    }

    pub fn eip191(message: &[u8]) -> Form {
        Form::of_digest(digest::eip191(message).0, None)
    }

    /// Refused for what begins as a client's signed request: whoever may let a wallet sign could else ask as a client.
    pub fn ed25519(message: &[u8]) -> Result<Form> {
        request::require_no_request(message)?;
        let digest = Sha256::digest(message).into();
        Ok(Form { key_type: KeyType::Ed25519, network: None, message: message.to_vec(), digest })
    }

    /// What every quorum signs before a new epoch is put in force; it says so, and is no action.
    pub fn test(context: &ShareContext) -> Result<Form> {
        let mut message = TEST.to_vec();
        context.write_shared(&mut message);
        match context.key_type {
            KeyType::Ed25519 => Form::ed25519(&message),
            KeyType::Secp256k1 => Ok(Form::eip191(&message)),
        }
    }

    fn of_digest(digest: [u8; 32], network: Option<Network>) -> Form {
        Form { key_type: KeyType::Secp256k1, network, message: Vec::new(), digest }
    }

    /// The bytes that FROST signs.
    pub fn message(&self) -> &[u8] {
        &self.message
    }

    /// Tampered with `signature-wrong` unless this is its signature by this key: 64 bytes for Ed25519, 65 for secp256k1.
    pub fn verify(&self, public_key: &[u8], signature: &[u8]) -> Result<()> {
        match self.key_type {
            KeyType::Ed25519 => verify_ed25519(public_key, &self.message, signature),
            KeyType::Secp256k1 => single::verify_secp256k1(public_key, &self.digest, signature),
        }
    }

    /// Refused unless a share of this context may sign it: the key type fits, and the network that it is bound to.
    pub fn require_fitting(&self, context: &ShareContext) -> Result<()> {
        if self.key_type != context.key_type {
            let words = format!("wallet {} does not have a key of the type that signs this", context.wallet);
            return Err(Error::malformed("wrong-key-type", words));
        }
        let bound = context.network;
        let fits = matches!(
            (bound, self.network),
            (_, None)
                | (Binding::Any, _)
                | (Binding::Mainnet, Some(Network::Mainnet))
                | (Binding::Testnet, Some(Network::Testnet))
        );
        if fits {
            return Ok(());
        }
        let words = format!("wallet {} is bound to {} and signs for nothing else", context.wallet, bound.name());
        Err(Error::refused("wrong-network", words))
    }
}
