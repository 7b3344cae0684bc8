//! Whole groups in one process, driven through the public functions.

mod byzantine;
mod forms;
mod keys;
mod measure;
mod random_bytes;
mod signatures;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use hyperkms_core::single::verify_secp256k1;

use super::{keygen, refresh, repair, signing};
use crate::protocol::{Fault, GroupKey, GroupSignature, Index, KeyShare, Outbox, Parameters, Running, Seat};
use crate::testing::{run, subsets, undisturbed, Member};

type Shares = BTreeMap<Index, KeyShare>;
type Members<T> = BTreeMap<Index, Member<T>>;
type Start<T> = Result<(Outbox, Running<T>), Fault>;

const SESSION: [u8; 32] = [7; 32];
const DIGEST: [u8; 32] = [0x5a; 32];

fn parameters(threshold: u8, members: u8) -> Parameters {
    Parameters::new(threshold, members).unwrap()
}

fn begin<T>(
    parameters: Parameters,
    set: &BTreeSet<Index>,
    session: [u8; 32],
    start: impl Fn(Seat) -> Start<T>,
) -> Members<T> {
    let member = |me: &Index| {
        let (outbox, machine) = start(Seat { me: *me, parameters, set: set.clone(), session }).unwrap();
        (*me, Member { outbox, machine })
    };
    set.iter().map(member).collect()
}

fn keygen_members(parameters: Parameters, session: [u8; 32]) -> Members<KeyShare> {
    begin(parameters, &parameters.everyone(), session, keygen::start)
}

/// Each with its own share and the group key that it holds.
fn refresh_members(shares: &Shares, session: [u8; 32]) -> Members<KeyShare> {
    let parameters = group_key(shares).parameters;
    begin(parameters, &parameters.everyone(), session, |seat| {
        let KeyShare { body, group_key } = &shares[&seat.me];
        refresh::start(seat, body, group_key)
    })
}

fn repair_members(shares: &Shares, helpers: &BTreeSet<Index>, target: Index) -> Members<Option<KeyShare>> {
    let group_key = group_key(shares);
    let mut set = helpers.clone();
    set.insert(target);
    begin(group_key.parameters, &set, SESSION, |seat| match seat.me == target {
        true => repair::target(seat, group_key),
        false => {
            let body = &shares[&seat.me].body;
            repair::helper(seat, target, body, group_key)
        }
    })
}

fn signers(shares: &Shares, set: &BTreeSet<Index>, session: [u8; 32], digest: [u8; 32]) -> Members<GroupSignature> {
    begin(group_key(shares).parameters, set, session, |seat| {
        let KeyShare { body, group_key } = &shares[&seat.me];
        signing::start(seat, body, group_key, digest, &BTreeSet::new())
    })
}

fn generate(threshold: u8, members: u8) -> Shares {
    undisturbed(keygen_members(parameters(threshold, members), SESSION))
}

/// Made once: key generation is what takes long here.
fn two_of_three() -> &'static Shares {
    static SHARES: OnceLock<Shares> = OnceLock::new();
    SHARES.get_or_init(|| generate(2, 3))
}

/// The same key after a refresh.
fn two_of_three_refreshed() -> &'static Shares {
    static SHARES: OnceLock<Shares> = OnceLock::new();
    SHARES.get_or_init(|| refreshed(two_of_three()))
}

fn refreshed(shares: &Shares) -> Shares {
    undisturbed(refresh_members(shares, [8; 32]))
}

fn group_key(shares: &Shares) -> &GroupKey {
    &shares.values().next().unwrap().group_key
}

/// The signature leads back to the group's public key by the core's library, s is low, and all signers have the same.
fn require_signature(shares: &Shares, set: &BTreeSet<Index>, digest: [u8; 32]) -> GroupSignature {
    let made: Vec<_> = undisturbed(signers(shares, set, SESSION, digest)).into_values().collect();
    assert!(made.iter().all(|signature| *signature == made[0]));
    let bytes = [&made[0].bytes[..], &[27 + made[0].recovery_id]].concat();
    verify_secp256k1(&group_key(shares).public_key, &digest, &bytes).unwrap();
    made[0].clone()
}

fn require_every_subset_signs(shares: &Shares) {
    let parameters = group_key(shares).parameters;
    for set in subsets(parameters.members(), parameters.threshold()) {
        require_signature(shares, &set, DIGEST);
    }
}
