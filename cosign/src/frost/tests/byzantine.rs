//! One member that does not keep to the protocol: each of its messages, each field of it, each kind of wrong.

use super::changes::{changes, wrong_points, wrong_scalars, Change, Form, MALFORMED};
use super::*;

const WRONG_SHARE: &str = "cosigner-share-wrong";

/// Which message is changed: of whom, in which round, and to whom where it is not to all.
#[derive(Debug, Clone, Copy)]
struct Place {
    culprit: Index,
    round: usize,
    receiver: Option<Index>,
}

fn disturbed<T>(
    members: BTreeMap<Index, Member<T>>,
    place: Place,
    change: &Change,
) -> BTreeMap<Index, Result<T, Fault>> {
    let mut done = false;
    let mut outcomes = run(members, |round, sender, outbox| {
        if (round, sender) == (place.round, place.culprit) {
            match place.receiver {
                None => change.apply(outbox.broadcast.as_mut().unwrap()),
                Some(receiver) => change.apply(outbox.direct.get_mut(&receiver).unwrap()),
            }
            done = true;
        }
    });
    assert!(done, "there is no such message: {place:?}");
    outcomes.remove(&place.culprit);
    outcomes
}

/// Every change of every message of a protocol whose rounds are a broadcast, and a share to each.
fn require_named(members: u8, broadcast: Form, start: impl Fn() -> BTreeMap<Index, Member<KeyShare>>) {
    for culprit in 1..=members {
        let to_all = Place { culprit, round: 0, receiver: None };
        for change in changes(broadcast) {
            for (_, outcome) in disturbed(start(), to_all, &change) {
                require_blamed(outcome, to_all, &change);
            }
        }
        for receiver in (1..=members).filter(|receiver| *receiver != culprit) {
            let to_one = Place { culprit, round: 1, receiver: Some(receiver) };
            for change in changes(&[wrong_scalars]) {
                let outcome = disturbed(start(), to_one, &change).remove(&receiver).unwrap();
                require_blamed(outcome, to_one, &change);
            }
        }
    }
}

fn require_blamed<T>(outcome: Result<T, Fault>, place: Place, change: &Change) {
    let fault = outcome.err().unwrap_or_else(|| panic!("there is a key: {place:?}, {}", change.name));
    assert_eq!(fault.member, Some(place.culprit), "{place:?}, {}: {}", change.name, fault.words);
    assert!(!fault.ban, "FROST asks for no ban");
    if change.malformed {
        assert_eq!(fault.code, MALFORMED, "{place:?}, {}", change.name);
    }
}

#[test]
fn whoever_sends_something_wrong_in_key_generation_is_named_and_no_receiver_has_a_key() {
    for (threshold, members) in [(2, 2), (2, 3), (3, 4)] {
        let mut form: Vec<_> = (0..threshold).map(|_| wrong_points as fn() -> _).collect();
        form.extend([wrong_points as fn() -> _, wrong_scalars]);
        require_named(members, &form, || keygen_members(parameters(threshold, members)));
    }
}

#[test]
fn whoever_sends_something_wrong_in_a_refresh_is_named_and_no_receiver_has_a_new_share() {
    for (threshold, members) in [(2, 2), (2, 3), (3, 4)] {
        let shares = generate(threshold, members);
        let form: Vec<_> = (1..threshold).map(|_| wrong_points as fn() -> _).collect();
        require_named(members, &form, || refresh_members(&shares));
    }
}

#[test]
fn a_proof_of_knowledge_of_another_member_or_another_run_is_refused() {
    let start = || keygen_members(parameters(2, 3));
    let proof = start()[&1].outbox.broadcast.clone().unwrap();
    for (name, sender, from) in [("its own of another run", 1, 64), ("a whole message of another member", 2, 0)] {
        let outcomes = run(start(), |round, index, outbox| {
            if (round, index) == (0, sender) {
                outbox.broadcast.as_mut().unwrap()[from..].copy_from_slice(&proof[from..]);
            }
        });
        for (_, outcome) in outcomes.into_iter().filter(|(index, _)| *index != sender) {
            let fault = outcome.err().unwrap();
            assert_eq!((fault.member, fault.code), (Some(sender), "cosigner-proof-wrong"), "{name}");
        }
    }
}

#[test]
fn a_helper_that_sends_something_wrong_is_named_if_it_shows_and_the_target_has_no_share() {
    for (threshold, members, target) in [(2, 3, 3), (2, 3, 1), (3, 5, 2)] {
        let shares = generate(threshold, members);
        let helpers: BTreeSet<_> = (1..=members).filter(|index| *index != target).collect();
        for culprit in &helpers {
            let others = helpers.iter().filter(|helper| *helper != culprit).map(|helper| (0, *helper));
            for (round, receiver) in others.chain([(1, target)]) {
                let place = Place { culprit: *culprit, round, receiver: Some(receiver) };
                for change in changes(&[wrong_scalars]) {
                    let mut outcomes = disturbed(repair_members(&shares, &helpers, target), place, &change);
                    let of_target = outcomes.remove(&target).unwrap();
                    if change.malformed {
                        let of_receiver =
                            if receiver == target { of_target } else { outcomes.remove(&receiver).unwrap() };
                        require_blamed(of_receiver, place, &change);
                    } else if let Err(fault) = of_target {
                        // Random bytes may be no scalar, and then the receiver stops before the target is sent a sum.
                        assert!(
                            [WRONG_SHARE, MALFORMED, "incomplete"].contains(&fault.code),
                            "{place:?}, {}",
                            change.name
                        );
                    } else {
                        panic!("the target has a share: {place:?}, {}", change.name);
                    }
                }
            }
        }
    }
}

#[test]
fn a_sum_that_is_wrong_is_found_by_the_target_without_a_name() {
    let shares = generate(2, 3);
    let place = Place { culprit: 1, round: 1, receiver: Some(3) };
    let one = changes(&[wrong_scalars]).into_iter().find(|change| change.name.ends_with(": one")).unwrap();
    let helpers = BTreeSet::from([1, 2]);
    let fault = disturbed(repair_members(&shares, &helpers, 3), place, &one).remove(&3).unwrap().err().unwrap();
    assert_eq!((fault.member, fault.code), (None, WRONG_SHARE));
}

#[test]
fn a_commitment_that_is_no_commitment_names_its_signer_and_is_not_signed_with() {
    let shares = generate(2, 3);
    let signers = BTreeSet::from([1, 2, 3]);
    for culprit in [2, 3] {
        for change in changes(&[wrong_points, wrong_points]) {
            let mut prepared = prepare_all(&shares, &signers);
            change.apply(prepared.commitments.get_mut(&culprit).unwrap());
            let KeyShare { body, group_key } = &shares[&1];
            let nonces = prepared.nonces.remove(&1).unwrap();
            let signed = sign_share(nonces, body, group_key, 1, &prepared.commitments, b"message");
            let aggregated = aggregate(group_key, &prepared.commitments, b"message", &three_ones());
            if change.malformed {
                let fault = signed.unwrap_err();
                assert_eq!((fault.member, fault.code), (Some(culprit), MALFORMED), "{}", change.name);
                let fault = aggregated.unwrap_err();
                assert_eq!((fault.member, fault.code), (Some(culprit), MALFORMED), "{}", change.name);
            }
        }
    }
}

fn three_ones() -> BTreeMap<Index, Vec<u8>> {
    let mut one = vec![0; 32];
    one[0] = 1;
    (1..=3).map(|index| (index, one.clone())).collect()
}

/// The culprit sends others a commitment that is not the one it signs with.
#[test]
fn a_signer_whose_commitment_is_another_than_it_signs_with_is_named() {
    let shares = generate(2, 3);
    let signers = BTreeSet::from([1, 3]);
    for culprit in [1, 3] {
        for change in changes(&[wrong_points, wrong_points]).into_iter().filter(|change| change.well_formed()) {
            let Prepared { nonces, commitments: honest } = prepare_all(&shares, &signers);
            let mut commitments = honest.clone();
            change.apply(commitments.get_mut(&culprit).unwrap());
            let signed = nonces.into_iter().map(|(me, nonces)| {
                let KeyShare { body, group_key } = &shares[&me];
                let seen = if me == culprit { &honest } else { &commitments };
                (me, sign_share(nonces, body, group_key, me, seen, b"message").unwrap().to_vec())
            });
            let made = signed.collect();
            let fault = aggregate(group_key(&shares), &commitments, b"message", &made).unwrap_err();
            assert_eq!((fault.member, fault.code), (Some(culprit), WRONG_SHARE), "{}", change.name);
        }
    }
}

#[test]
fn a_wrong_share_of_a_signature_names_its_signer() {
    for (threshold, members) in [(2, 2), (2, 3), (3, 5)] {
        let shares = generate(threshold, members);
        for signers in subsets(members, threshold) {
            let prepared = prepare_all(&shares, &signers);
            let commitments = prepared.commitments.clone();
            let made = shares_of_signature(&shares, prepared, b"message");
            for culprit in &signers {
                for change in changes(&[wrong_scalars]) {
                    let mut made = made.clone();
                    change.apply(made.get_mut(culprit).unwrap());
                    let fault = aggregate(group_key(&shares), &commitments, b"message", &made).unwrap_err();
                    assert_eq!(fault.member, Some(*culprit), "{}: {}", change.name, fault.words);
                    if change.malformed {
                        assert_eq!(fault.code, MALFORMED, "{}", change.name);
                    }
                }
            }
        }
    }
}
