//! Shares made, made new and made again.

use std::collections::BTreeSet;

use super::*;
use crate::dkls::{is_hollow, open};

fn require_one_key(shares: &Shares) {
    let first = group_key(shares);
    for (member, share) in shares {
        assert_eq!(share.group_key, *first, "member {member}");
        open(&share.body, first, *member).unwrap();
        assert!(!is_hollow(&share.body).unwrap());
    }
}

fn require_group_signs(threshold: u8, members: u8) {
    let shares = generate(threshold, members);
    require_one_key(&shares);
    require_every_subset_signs(&shares);
}

#[test]
fn every_two_of_two_and_of_three_sign() {
    require_group_signs(2, 2);
    require_one_key(two_of_three());
    require_every_subset_signs(two_of_three());
}

#[test]
fn every_three_of_four_sign() {
    require_group_signs(3, 4);
}

#[test]
#[ignore = "takes a minute; the groups that are asked for most are in the other tests"]
fn every_subset_of_the_other_groups_signs() {
    require_group_signs(3, 3);
    require_group_signs(4, 4);
    require_group_signs(4, 5);
    require_group_signs(5, 5);
}

#[test]
fn a_refresh_keeps_the_key_and_changes_every_share() {
    let (old, new) = (two_of_three(), two_of_three_refreshed());
    require_one_key(new);
    assert_eq!(group_key(new).public_key, group_key(old).public_key);
    for member in 1..=3 {
        assert_ne!(group_key(new).public_shares[&member], group_key(old).public_shares[&member]);
        assert!(open(&old[&member].body, group_key(new), member).is_err(), "an old share fits the new epoch");
        assert!(open(&new[&member].body, group_key(old), member).is_err(), "a new share fits the old epoch");
    }
    require_every_subset_signs(new);
}

#[test]
fn an_old_and_a_new_share_do_not_sign_together_and_nobody_is_banned_for_it() {
    let (old, new) = (two_of_three(), two_of_three_refreshed());
    for (holds_old, holds_new) in [(1, 2), (3, 1)] {
        let set = BTreeSet::from([holds_old, holds_new]);
        let members = begin(parameters(2, 3), &set, SESSION, |seat| {
            let share = if seat.me == holds_old { &old[&seat.me] } else { &new[&seat.me] };
            signing::start(seat, &share.body, &share.group_key, DIGEST, &BTreeSet::new())
        });
        for (member, outcome) in run(members, |_, _, _| ()) {
            let fault = outcome.unwrap_err();
            assert_eq!(fault.code, "cosigner-share-wrong");
            assert_eq!(fault.member, set.iter().copied().find(|other| *other != member));
            assert!(!fault.ban);
        }
    }
}

#[test]
fn every_three_of_five_sign_and_a_repaired_share_is_hollow_until_a_refresh_of_all_members() {
    let mut shares = generate(3, 5);
    require_one_key(&shares);
    require_every_subset_signs(&shares);
    let lost = 4;
    let was = shares.remove(&lost).unwrap();
    let helpers = BTreeSet::from([1, 3, 5]);
    let mut outcomes = undisturbed(repair_members(&shares, &helpers, lost));
    let repaired = outcomes.remove(&lost).unwrap().unwrap();
    assert!(outcomes.into_values().all(|outcome| outcome.is_none()), "a helper has a share of it");
    assert_eq!(repaired.group_key, was.group_key);
    assert!(is_hollow(&repaired.body).unwrap());
    let before = open(&was.body, &was.group_key, lost).unwrap();
    assert!(open(&repaired.body, &was.group_key, lost).unwrap().poly_point == before.poly_point);
    shares.insert(lost, repaired);
    require_hollow_does_not_sign(&shares, lost);
    let refreshed = refreshed(&shares);
    require_one_key(&refreshed);
    assert_eq!(group_key(&refreshed).public_key, was.group_key.public_key);
    require_every_subset_signs(&refreshed);
}

fn require_hollow_does_not_sign(shares: &Shares, hollow: Index) {
    let KeyShare { body, group_key } = &shares[&hollow];
    let set = BTreeSet::from([1, 2, hollow]);
    let seat = Seat { me: hollow, parameters: group_key.parameters, set, session: SESSION };
    let fault = signing::start(seat.clone(), body, group_key, DIGEST, &BTreeSet::new()).err().unwrap();
    assert_eq!((fault.code, fault.member, fault.ban), ("share-mismatch", None, false));
    let helps = Seat { set: BTreeSet::from([1, 2, 3, hollow]), ..seat };
    assert_eq!(repair::helper(helps, 1, body, group_key).err().unwrap().code, "share-mismatch");
}

#[test]
fn every_helper_set_gives_back_the_same_share() {
    let shares = two_of_three();
    for target in 1..=3 {
        let helpers: BTreeSet<_> = (1..=3).filter(|member| *member != target).collect();
        let repaired = undisturbed(repair_members(shares, &helpers, target)).remove(&target).unwrap().unwrap();
        open(&repaired.body, group_key(shares), target).unwrap();
    }
}
