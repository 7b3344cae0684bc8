//! Identities, and copies of shares that a dealer made, for tests.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use frost_ed25519::keys::{generate_with_dealer, IdentifierList, KeyPackage};
use frost_ed25519::Identifier;
use hyperkms_core::sealed::Binding;
use hyperkms_core::single::KeyType;
use hyperkms_cosign::dkls::keygen;
use hyperkms_cosign::frost::Drawn;
use hyperkms_cosign::protocol::{GroupKey, Inbox, Index, KeyShare, Outbox, Parameters, Running, Seat, Step};
use hyperkms_cosign::share_context::ShareContext;
use hyperkms_cosign::share_copy::copy_for;

use crate::identity::Identity;

/// A path that nothing else has.
pub fn fresh_path(name: &str) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("hyperkms-recover-{}-{number}-{name}", std::process::id()))
}

/// An identity whose file is gone.
pub fn identity(wallet: Option<&str>) -> Identity {
    let path = fresh_path("identity");
    let made = Identity::create(&path, wallet.map(str::to_owned)).unwrap();
    std::fs::remove_file(path).unwrap();
    made
}

/// A key in shares: the bodies that its members hold.
pub struct Split {
    pub group_key: GroupKey,
    pub bodies: BTreeMap<Index, Vec<u8>>,
}

impl Split {
    pub fn ed25519(threshold: u8, members: u8) -> Split {
        let random = Drawn::new().unwrap();
        let (shares, public) =
            generate_with_dealer(members.into(), threshold.into(), IdentifierList::Default, random).unwrap();
        let public_key = public.verifying_key().serialize().unwrap();
        let (mut bodies, mut public_shares) = (BTreeMap::new(), BTreeMap::new());
        for index in 1..=members {
            let identifier = Identifier::try_from(u16::from(index)).unwrap();
            let package = KeyPackage::try_from(shares[&identifier].clone()).unwrap();
            public_shares.insert(index, package.verifying_share().serialize().unwrap());
            let share = package.signing_share().serialize();
            bodies.insert(index, [&[1, index], &share[..], &public_key].concat());
        }
        let parameters = Parameters::new(threshold, members).unwrap();
        Split { group_key: GroupKey { key_type: KeyType::Ed25519, parameters, public_key, public_shares }, bodies }
    }

    /// Made by its members, as cosigners make one.
    pub fn secp256k1(threshold: u8, members: u8) -> Split {
        let parameters = Parameters::new(threshold, members).unwrap();
        let seat = |me| Seat { me, parameters, set: parameters.everyone(), session: [9; 32] };
        let started = parameters.everyone().into_iter().map(|me| (me, keygen::start(seat(me)).unwrap()));
        let shares = run_together(started.collect());
        let group_key = shares[&1].group_key.clone();
        Split { group_key, bodies: shares.into_iter().map(|(index, share)| (index, share.body.to_vec())).collect() }
    }

    /// What the share of a member is for: version 1, epoch 0 of the wallet "w".
    pub fn context(&self, index: Index) -> ShareContext {
        let (key_type, parameters) = (self.group_key.key_type, self.group_key.parameters);
        let network = if key_type == KeyType::Ed25519 { Binding::None } else { Binding::Testnet };
        let (threshold, members) = (parameters.threshold(), parameters.members());
        let (wallet, group_id) = ("w".to_owned(), [5; 32]);
        ShareContext { wallet, version: 1, key_type, network, group_id, threshold, members, index, epoch: 0 }
    }

    pub fn copy(&self, index: Index, identity: &Identity) -> Vec<u8> {
        self.copy_as(&self.context(index), index, identity)
    }

    /// A copy that says it is for something else.
    pub fn copy_as(&self, context: &ShareContext, index: Index, identity: &Identity) -> Vec<u8> {
        copy_for(&self.bodies[&index], &self.group_key, context, &identity.recipient).unwrap()
    }
}

/// All members to their end, every message handed on as it is.
fn run_together(mut running: BTreeMap<Index, (Outbox, Running<KeyShare>)>) -> BTreeMap<Index, KeyShare> {
    let mut done = BTreeMap::new();
    while !running.is_empty() {
        let (mut sent, mut machines) = (BTreeMap::new(), BTreeMap::new());
        for (index, (outbox, machine)) in running {
            sent.insert(index, outbox);
            machines.insert(index, machine);
        }
        running = BTreeMap::new();
        for (index, machine) in machines {
            let expected = machine.expects();
            let broadcast = |sender: &Index| (*sender, sent[sender].broadcast.clone().unwrap());
            let direct = |sender: &Index| (*sender, sent[sender].direct[&index].clone());
            let inbox = Inbox {
                broadcasts: expected.broadcasts.iter().map(broadcast).collect(),
                direct: expected.direct.iter().map(direct).collect(),
            };
            match machine.step(inbox).unwrap() {
                Step::Send(outbox, machine) => drop(running.insert(index, (outbox, machine))),
                Step::Done(share) => drop(done.insert(index, share)),
            }
        }
    }
    done
}

/// All sets of `size` of these.
pub fn subsets(of: &[Index], size: usize) -> Vec<Vec<Index>> {
    let all = (0..1_u32 << of.len()).filter(|mask| mask.count_ones() as usize == size);
    let chosen = |mask: u32| of.iter().enumerate().filter(move |(place, _)| mask >> place & 1 == 1);
    all.map(|mask| chosen(mask).map(|(_, index)| *index).collect()).collect()
}
