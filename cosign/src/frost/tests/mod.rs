//! Whole groups in one process, driven through the public functions.

mod byzantine;
mod changes;
mod keys;
mod measure;
mod random_bytes;
mod signing;
mod vectors;

use std::collections::{BTreeMap, BTreeSet};

use super::signing::{aggregate, prepare, sign_share, Nonces};
use super::{keygen, refresh, repair};
use crate::protocol::{Fault, GroupKey, GroupSignature, Index, KeyShare, Outbox, Parameters, Running, Seat};
use crate::testing::{run, subsets, undisturbed, Member};

type Shares = BTreeMap<Index, KeyShare>;
type Start<T> = Result<(Outbox, Running<T>), Fault>;

/// Every t of n that is served.
const GROUPS: [(u8, u8); 8] = [(2, 2), (2, 3), (3, 3), (3, 4), (4, 4), (3, 5), (4, 5), (5, 5)];

fn parameters(threshold: u8, members: u8) -> Parameters {
    Parameters::new(threshold, members).unwrap()
}

fn begin<T>(
    parameters: Parameters,
    set: &BTreeSet<Index>,
    start: impl Fn(Seat) -> Start<T>,
) -> BTreeMap<Index, Member<T>> {
    let member = |me: &Index| {
        let seat = Seat { me: *me, parameters, set: set.clone(), session: [7; 32] };
        let (outbox, machine) = start(seat).unwrap();
        (*me, Member { outbox, machine })
    };
    set.iter().map(member).collect()
}

fn keygen_members(parameters: Parameters) -> BTreeMap<Index, Member<KeyShare>> {
    begin(parameters, &parameters.everyone(), keygen::start)
}

fn refresh_members(shares: &Shares) -> BTreeMap<Index, Member<KeyShare>> {
    let group_key = group_key(shares);
    let start = |seat: Seat| {
        let body = &shares[&seat.me].body;
        refresh::start(seat, body, group_key)
    };
    begin(group_key.parameters, &group_key.parameters.everyone(), start)
}

fn repair_members(
    shares: &Shares,
    helpers: &BTreeSet<Index>,
    target: Index,
) -> BTreeMap<Index, Member<Option<KeyShare>>> {
    let group_key = group_key(shares);
    let mut set = helpers.clone();
    set.insert(target);
    let start = |seat: Seat| match seat.me == target {
        true => repair::target(seat, group_key),
        false => {
            let body = &shares[&seat.me].body;
            repair::helper(seat, target, body, group_key)
        }
    };
    begin(group_key.parameters, &set, start)
}

fn generate(threshold: u8, members: u8) -> Shares {
    undisturbed(keygen_members(parameters(threshold, members)))
}

fn group_key(shares: &Shares) -> &GroupKey {
    &shares.values().next().unwrap().group_key
}

/// One signature under way: every signer's commitment is made, and no share.
struct Prepared {
    nonces: BTreeMap<Index, Nonces>,
    commitments: BTreeMap<Index, Vec<u8>>,
}

fn prepare_all(shares: &Shares, signers: &BTreeSet<Index>) -> Prepared {
    let mut prepared = Prepared { nonces: BTreeMap::new(), commitments: BTreeMap::new() };
    for signer in signers {
        let share = &shares[signer];
        let (nonces, commitment) = prepare(&share.body, &share.group_key, *signer).unwrap();
        prepared.nonces.insert(*signer, nonces);
        prepared.commitments.insert(*signer, commitment);
    }
    prepared
}

fn shares_of_signature(shares: &Shares, prepared: Prepared, message: &[u8]) -> BTreeMap<Index, Vec<u8>> {
    let Prepared { nonces, commitments } = prepared;
    let share = |(signer, nonces)| {
        let KeyShare { body, group_key } = &shares[&signer];
        let share = sign_share(nonces, body, group_key, signer, &commitments, message).unwrap();
        (signer, share.to_vec())
    };
    nonces.into_iter().map(share).collect()
}

fn sign(shares: &Shares, signers: &BTreeSet<Index>, message: &[u8]) -> Result<GroupSignature, Fault> {
    let prepared = prepare_all(shares, signers);
    let commitments = prepared.commitments.clone();
    let made = shares_of_signature(shares, prepared, message);
    aggregate(group_key(shares), &commitments, message, &made)
}
