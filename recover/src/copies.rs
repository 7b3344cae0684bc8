//! Copies of shares, opened: each is held against its own group key, and all of them against each other.

use std::collections::BTreeSet;

use hyperkms_core::error::{Error, Result};
use hyperkms_core::memory::on_deeply_wiped_stack;
use hyperkms_core::single::KeyType;
use hyperkms_cosign::protocol::{Fault, GroupKey, Secret};
use hyperkms_cosign::share_context::ShareContext;
use hyperkms_cosign::share_copy::ShareCopy;
use hyperkms_cosign::{dkls, frost};

use crate::identity::{Encrypted, Identity};

/// A share as its cosigner holds it, with what it is for.
pub struct Opened {
    pub context: ShareContext,
    pub group_key: GroupKey,
    pub body: Secret,
}

impl Opened {
    /// Opens a copy; Tampered unless the share in it is the one that its group key has at its index.
    pub fn open(copy: &[u8], identity: &Identity) -> Result<Opened> {
        let read = ShareCopy::read(copy)?;
        let body = identity.decrypt(&Encrypted::of_share(&read))?;
        let opened = Opened { context: read.context, group_key: read.group_key, body };
        opened.require_fitting()?;
        Ok(opened)
    }

    /// Tampered unless the body is of the form of its key type and its public point is the recorded one.
    pub fn require_fitting(&self) -> Result<()> {
        let (body, group_key, index) = (&self.body, &self.group_key, self.context.index);
        on_deeply_wiped_stack(|| match self.context.key_type {
            KeyType::Ed25519 => frost::signing::open(body, group_key, index).map(|_| ()),
            KeyType::Secp256k1 => dkls::open(body, group_key, index).map(|_| ()),
        })
        .map_err(of_fault)
    }
}

/// A refusal of a protocol, outside of any run of one.
pub fn of_fault(fault: Fault) -> Error {
    Error::tampered(fault.code, fault.words)
}

/// Refused unless they are of one epoch of one key, at least t of them and no two of one member.
pub fn require_quorum(copies: &[Opened]) -> Result<()> {
    let Some((first, others)) = copies.split_first() else { return Err(too_few(0, 2)) };
    others.iter().try_for_each(|other| require_alike(first, other))?;
    let indices: BTreeSet<_> = copies.iter().map(|copy| copy.context.index).collect();
    if indices.len() != copies.len() {
        return Err(Error::refused("copies-alike", "two of the copies are of one cosigner's share"));
    }
    let threshold = first.context.threshold;
    if indices.len() < usize::from(threshold) {
        return Err(too_few(indices.len(), threshold));
    }
    Ok(())
}

fn require_alike(first: &Opened, other: &Opened) -> Result<()> {
    let (one, two) = (&first.context, &other.context);
    let differ = |what: String| Err(Error::refused("copies-differ", what));
    if one.wallet != two.wallet {
        return differ(format!("the copies are of two wallets, {} and {}", one.wallet, two.wallet));
    }
    let wallet = &one.wallet;
    if one.version != two.version {
        return differ(format!("the copies are of wallet {wallet}'s versions {} and {}", one.version, two.version));
    }
    if one.epoch != two.epoch {
        return differ(format!(
            "the copies are of the epochs {} and {} of wallet {wallet}, whose shares do not fit each other: \
            take copies of one epoch",
            one.epoch, two.epoch
        ));
    }
    if one.group_id != two.group_id {
        return differ(format!("the copies of shares of wallet {wallet} were made in two groups of cosigners"));
    }
    let alike = ShareContext { index: one.index, ..two.clone() } == *one && first.group_key == other.group_key;
    if !alike {
        return differ(format!("the copies of shares of wallet {wallet} say different things of its key"));
    }
    Ok(())
}

fn too_few(found: usize, threshold: u8) -> Error {
    let words = format!("copies of at least {threshold} shares make the key, and here are {found}");
    Error::refused("copies-too-few", words)
}
