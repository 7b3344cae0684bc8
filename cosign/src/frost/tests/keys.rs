//! Key generation, refresh and repair when all keep to the protocol, and what is refused at the start.

use std::collections::BTreeSet;

use frost_ed25519::{Ed25519Group, Ed25519ScalarField, Field, Group};
use hyperkms_core::verify::verify_ed25519;

use super::*;
use crate::frost::signing::open;

type Scalar = <Ed25519ScalarField as Field>::Scalar;

/// The polynomial through these members' public shares, at zero: a public key.
fn interpolated(group_key: &GroupKey, members: &BTreeSet<Index>) -> Vec<u8> {
    let mut sum = Ed25519Group::identity();
    for member in members {
        let point = group_key.public_shares[member].as_slice().try_into().unwrap();
        let factor = members.iter().filter(|other| *other != member).fold(Scalar::ONE, |product, other| {
            let (x, other) = (Scalar::from(*member), Scalar::from(*other));
            product * other * Ed25519ScalarField::invert(&(other - x)).unwrap()
        });
        sum += Ed25519Group::deserialize(&point).unwrap() * factor;
    }
    Ed25519Group::serialize(&sum).unwrap().to_vec()
}

#[test]
fn every_quorum_of_every_group_signs_what_the_core_verifies() {
    for (threshold, members) in GROUPS {
        let shares = generate(threshold, members);
        for share in shares.values() {
            assert_eq!(&share.group_key, group_key(&shares), "all know the same group key");
        }
        for size in threshold..=members {
            for signers in subsets(members, size) {
                let message = format!("{signers:?} of {members}").into_bytes();
                let signature = sign(&shares, &signers, &message).unwrap();
                assert_eq!(signature.recovery_id, 0);
                let public_key = &group_key(&shares).public_key;
                verify_ed25519(public_key, &message, &signature.bytes).unwrap();
                verify_ed25519(public_key, b"another message", &signature.bytes).unwrap_err();
            }
        }
    }
}

#[test]
fn t_public_shares_give_the_public_key_and_fewer_do_not() {
    for (threshold, members) in GROUPS {
        let shares = generate(threshold, members);
        let group_key = group_key(&shares);
        for size in 1..=members {
            for subset in subsets(members, size) {
                let fits = interpolated(group_key, &subset) == group_key.public_key;
                assert_eq!(fits, size >= threshold, "{subset:?} of {threshold} of {members}");
            }
        }
    }
}

/// A highest coefficient that is fixed, or drawn from few values, would make a share say something of the key.
#[test]
fn the_commitment_to_every_coefficient_is_new_in_each_run() {
    let (threshold, runs) = (3, 200);
    let mut generated = BTreeSet::new();
    let mut refreshed = BTreeSet::new();
    let shares = generate(threshold, 4);
    for _ in 0..runs {
        for member in keygen_members(parameters(threshold, 4)).values() {
            let broadcast = member.outbox.broadcast.as_ref().unwrap();
            assert_eq!(broadcast.len(), 3 * 32 + 64);
            generated.extend(broadcast.chunks(32).map(<[u8]>::to_vec));
        }
        for member in refresh_members(&shares).values() {
            let broadcast = member.outbox.broadcast.as_ref().unwrap();
            assert_eq!(broadcast.len(), 2 * 32);
            refreshed.extend(broadcast.chunks(32).map(<[u8]>::to_vec));
        }
    }
    assert_eq!(generated.len(), runs * 4 * 5, "three coefficients, and the two halves of the proof");
    assert_eq!(refreshed.len(), runs * 4 * 2);
}

#[test]
fn a_refresh_keeps_the_public_key_and_changes_every_share() {
    for (threshold, members) in GROUPS {
        let old = generate(threshold, members);
        let new = undisturbed(refresh_members(&old));
        for (index, share) in &new {
            assert_eq!(share.group_key, *group_key(&new));
            assert_eq!(share.group_key.public_key, group_key(&old).public_key);
            assert_ne!(share.group_key.public_shares[index], old[index].group_key.public_shares[index]);
            assert_ne!(share.body, old[index].body);
        }
        let again = undisturbed(refresh_members(&new));
        for signers in subsets(members, threshold) {
            let signature = sign(&again, &signers, b"after two refreshes").unwrap();
            verify_ed25519(&group_key(&old).public_key, b"after two refreshes", &signature.bytes).unwrap();
        }
    }
}

#[test]
fn old_and_new_shares_do_not_sign_together() {
    for (threshold, members) in GROUPS {
        let old = generate(threshold, members);
        let new = undisturbed(refresh_members(&old));
        let fault = open(&old[&1].body, group_key(&new), 1).unwrap_err();
        assert_eq!(fault.code, "share-mismatch");
        // t - 1 of the old epoch and the last of the new, each signing as its own epoch has it.
        let last = threshold;
        let mixed: Shares = (1..=threshold)
            .map(|index| {
                let KeyShare { body, group_key } = if index == last { &new[&index] } else { &old[&index] };
                (index, KeyShare { body: body.clone(), group_key: group_key.clone() })
            })
            .collect();
        let signers: BTreeSet<_> = mixed.keys().copied().collect();
        let prepared = prepare_all(&mixed, &signers);
        let commitments = prepared.commitments.clone();
        let made = shares_of_signature(&mixed, prepared, b"mixed");
        let under_old = aggregate(group_key(&old), &commitments, b"mixed", &made).unwrap_err();
        assert_eq!((under_old.member, under_old.code), (Some(last), "cosigner-share-wrong"));
        let under_new = aggregate(group_key(&new), &commitments, b"mixed", &made).unwrap_err();
        assert_eq!((under_new.member, under_new.code), (Some(1), "cosigner-share-wrong"));
    }
}

#[test]
fn a_repair_by_any_t_or_more_helpers_gives_back_the_very_share() {
    for (threshold, members) in GROUPS.into_iter().filter(|(threshold, members)| threshold < members) {
        let shares = generate(threshold, members);
        for target in 1..=members {
            for size in threshold..members {
                for helpers in subsets(members, size).into_iter().filter(|set| !set.contains(&target)) {
                    let mut outcomes = undisturbed(repair_members(&shares, &helpers, target));
                    let repaired = outcomes.remove(&target).unwrap().unwrap();
                    assert_eq!(repaired.body, shares[&target].body);
                    assert_eq!(repaired.group_key, *group_key(&shares));
                    assert!(outcomes.values().all(Option::is_none), "a helper learns nothing");
                }
            }
        }
    }
}

#[test]
fn a_stored_share_opens_only_as_it_was_kept_and_where_it_belongs() {
    let shares = generate(2, 3);
    let KeyShare { body, group_key } = &shares[&2];
    assert_eq!(body.len(), 66);
    open(body, group_key, 2).unwrap();
    let code = |body: &[u8], group_key: &GroupKey, me| open(body, group_key, me).unwrap_err().code;
    for bit in 0..body.len() * 8 {
        let mut changed = body.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(code(&changed, group_key, 2), "share-mismatch", "bit {bit}");
    }
    for length in 0..body.len() {
        assert_eq!(code(&body[..length], group_key, 2), "share-mismatch");
    }
    assert_eq!(code(&[&body[..], &[0]].concat(), group_key, 2), "share-mismatch");
    for me in [0, 1, 3, 4, 255] {
        assert_eq!(code(body, group_key, me), "share-mismatch");
    }
    assert_eq!(code(body, super::group_key(&generate(2, 3)), 2), "share-mismatch");
    let mut short = group_key.clone();
    short.public_shares.remove(&3);
    assert_eq!(code(body, &short, 2), "share-mismatch");
}

fn refused<T>(start: Start<T>) -> &'static str {
    start.err().expect("it was to be refused").code
}

#[test]
fn a_run_with_members_missing_or_strange_does_not_start() {
    let shares = generate(2, 3);
    let KeyShare { body, group_key } = &shares[&1];
    let seat = |me, set: &[Index]| Seat {
        me,
        parameters: group_key.parameters,
        set: set.iter().copied().collect(),
        session: [7; 32],
    };
    let wrong = "cosigner-set-wrong";
    for set in [&[1, 2][..], &[2, 3], &[1, 2, 3, 4], &[]] {
        assert_eq!(refused(keygen::start(seat(1, set))), wrong);
        assert_eq!(refused(refresh::start(seat(1, set), body, group_key)), wrong);
    }
    assert_eq!(refused(keygen::start(seat(4, &[1, 2, 3]))), wrong);
    let other = Seat { parameters: parameters(3, 3), ..seat(1, &[1, 2, 3]) };
    assert_eq!(refused(refresh::start(other.clone(), body, group_key)), wrong);
    assert_eq!(refused(repair::helper(other, 3, body, group_key)), wrong);
    assert_eq!(refused(repair::helper(seat(1, &[1, 3]), 3, body, group_key)), wrong, "one helper of two");
    assert_eq!(refused(repair::helper(seat(1, &[1, 2]), 3, body, group_key)), wrong, "no target");
    assert_eq!(refused(repair::helper(seat(1, &[1, 2, 3]), 1, body, group_key)), wrong, "its own helper");
    assert_eq!(refused(repair::helper(seat(1, &[1, 2, 4]), 4, body, group_key)), wrong, "a stranger");
    assert_eq!(refused(repair::target(seat(3, &[1, 3]), group_key)), wrong);
    assert_eq!(refused(repair::target(seat(3, &[1, 2]), group_key)), wrong);
    assert_eq!(refused(refresh::start(seat(2, &[1, 2, 3]), body, group_key)), "share-mismatch");
    assert_eq!(refused(repair::helper(seat(2, &[1, 2, 3]), 3, body, group_key)), "share-mismatch");
}
