//! What a signer and an aggregator refuse.

use std::collections::BTreeSet;

use super::*;

type Commitments = BTreeMap<Index, Vec<u8>>;

struct Case {
    shares: Shares,
    signers: BTreeSet<Index>,
}

impl Case {
    fn new() -> Case {
        Case { shares: generate(2, 3), signers: BTreeSet::from([1, 3]) }
    }

    /// Member 1 signs with the commitments changed.
    fn signed(&self, change: impl FnOnce(&mut Commitments)) -> Result<[u8; 32], Fault> {
        let mut prepared = prepare_all(&self.shares, &self.signers);
        change(&mut prepared.commitments);
        let KeyShare { body, group_key } = &self.shares[&1];
        sign_share(prepared.nonces.remove(&1).unwrap(), body, group_key, 1, &prepared.commitments, b"message")
    }
}

fn own(case: &Case, index: Index) -> Vec<u8> {
    let share = &case.shares[&index];
    prepare(&share.body, &share.group_key, index).unwrap().1
}

#[test]
fn a_signer_signs_only_with_its_own_commitment_as_it_was_made_and_a_set_of_the_group() {
    let case = Case::new();
    let (another, second) = (own(&case, 1), own(&case, 2));
    case.signed(|_| ()).unwrap();
    case.signed(|commitments| drop(commitments.insert(2, second.clone()))).unwrap();
    let code = |change: &dyn Fn(&mut Commitments)| case.signed(change).unwrap_err().code;
    let wrong = "cosigner-set-wrong";
    assert_eq!(code(&|set| drop(set.remove(&1))), wrong, "without its own");
    assert_eq!(code(&|set| drop(set.insert(1, another.clone()))), wrong, "another of its own");
    assert_eq!(code(&|set| drop(set.remove(&3))), wrong, "fewer than t");
    for stranger in [0, 4, 255] {
        assert_eq!(code(&|set| drop(set.insert(stranger, second.clone()))), wrong, "a stranger");
    }
    let swap = |set: &mut Commitments| set.get_mut(&1).unwrap().rotate_left(32);
    assert_eq!(code(&swap), wrong, "hiding and binding point exchanged");
}

#[test]
fn nonces_sign_only_for_the_member_and_the_key_that_they_were_made_for() {
    let (case, other) = (Case::new(), Case::new());
    let mut prepared = prepare_all(&case.shares, &case.signers);
    let KeyShare { body, group_key } = &other.shares[&1];
    let nonces = prepared.nonces.remove(&1).unwrap();
    let fault = sign_share(nonces, body, group_key, 1, &prepared.commitments, b"message").unwrap_err();
    assert_eq!(fault.code, "cosigner-set-wrong");
    let KeyShare { body, group_key } = &case.shares[&1];
    let nonces = prepared.nonces.remove(&3).unwrap();
    // Filed under another member's index, the commitment is the one that was made.
    let moved = BTreeMap::from([(1, prepared.commitments[&3].clone()), (2, prepared.commitments[&1].clone())]);
    let fault = sign_share(nonces, body, group_key, 1, &moved, b"message").unwrap_err();
    assert_eq!(fault.code, "cosigner-set-wrong");
}

#[test]
fn two_signatures_of_one_message_have_nothing_in_common() {
    let case = Case::new();
    let signatures: BTreeSet<_> =
        (0..50).map(|_| sign(&case.shares, &case.signers, b"message").unwrap().bytes).collect();
    let nonce_points: BTreeSet<_> = signatures.iter().map(|bytes| bytes[..32].to_vec()).collect();
    assert_eq!((signatures.len(), nonce_points.len()), (50, 50));
}

#[test]
fn no_signer_signs_what_only_a_request_key_signs() {
    let case = Case::new();
    let mut prepared = prepare_all(&case.shares, &case.signers);
    let message = [hyperkms_core::request::DOMAIN, b"POST"].concat();
    let KeyShare { body, group_key } = &case.shares[&1];
    let nonces = prepared.nonces.remove(&1).unwrap();
    let fault = sign_share(nonces, body, group_key, 1, &prepared.commitments, &message).unwrap_err();
    assert_eq!(fault.code, "message-of-a-request");
}

#[test]
fn messages_of_any_length_are_signed() {
    let case = Case::new();
    for length in [0, 1, 32, 127, 128, 1 << 20] {
        sign(&case.shares, &case.signers, &vec![0xa5; length]).unwrap();
    }
}

#[test]
fn an_aggregator_takes_exactly_one_share_of_each_signer() {
    let case = Case::new();
    let prepared = prepare_all(&case.shares, &case.signers);
    let commitments = prepared.commitments.clone();
    let made = shares_of_signature(&case.shares, prepared, b"message");
    let code = |commitments: &BTreeMap<_, _>, made: &BTreeMap<_, _>| {
        aggregate(group_key(&case.shares), commitments, b"message", made).unwrap_err().code
    };
    let without = |index: Index| made.clone().into_iter().filter(|(other, _)| *other != index).collect();
    assert_eq!(code(&commitments, &without(1)), "cosigner-set-wrong");
    let more = made.clone().into_iter().chain([(2, vec![1; 32])]).collect();
    assert_eq!(code(&commitments, &more), "cosigner-set-wrong");
    assert_eq!(code(&BTreeMap::new(), &BTreeMap::new()), "cosigner-set-wrong");
    let only = commitments.clone().into_iter().filter(|(index, _)| *index == 1).collect();
    assert_eq!(code(&only, &without(3)), "cosigner-set-wrong");
    let other = super::generate(2, 3);
    let foreign = aggregate(group_key(&other), &commitments, b"message", &made).unwrap_err();
    assert_eq!(foreign.code, "cosigner-share-wrong");
    let changed = aggregate(group_key(&case.shares), &commitments, b"another message", &made).unwrap_err();
    assert_eq!(changed.code, "cosigner-share-wrong");
    aggregate(group_key(&case.shares), &commitments, b"message", &made).unwrap();
}

#[test]
fn a_group_key_that_is_no_group_key_is_nobodys_fault() {
    let case = Case::new();
    let prepared = prepare_all(&case.shares, &case.signers);
    let commitments = prepared.commitments.clone();
    let made = shares_of_signature(&case.shares, prepared, b"message");
    let whole = group_key(&case.shares);
    let mut changed = vec![whole.clone(); 5];
    changed[0].public_shares.insert(1, vec![2; 32]);
    changed[1].public_shares.insert(1, vec![2; 31]);
    changed[2].public_shares.remove(&2);
    changed[3].public_key = vec![0; 32];
    changed[4].key_type = hyperkms_core::single::KeyType::Secp256k1;
    for group_key in changed {
        let fault = aggregate(&group_key, &commitments, b"message", &made).unwrap_err();
        assert_eq!((fault.member, fault.code), (None, "share-mismatch"));
    }
}
