//! What is signed, and what is refused before anything is sent.

use hyperkms_core::single::address;
use serde_json::Value;

use super::*;
use crate::dkls::open;
use crate::protocol::Step;
use crate::testing::vectors;

fn digest(case: &Value) -> [u8; 32] {
    let digits = case["typedDataHash"].as_str().unwrap().strip_prefix("0x").unwrap();
    let bytes: Vec<_> = (0..64).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

#[test]
fn every_published_l1_digest_is_signed_for_the_group_s_address() {
    let Some(file) = vectors("hyperliquid_signing.json") else { return };
    let shares = two_of_three();
    let sets = subsets(3, 2);
    let cases: Vec<_> = file.as_array().unwrap().iter().filter(|case| case["scheme"] == "l1").collect();
    assert_eq!(cases.len(), 69);
    for (set, case) in sets.iter().cycle().zip(&cases) {
        require_signature(shares, set, digest(case));
    }
    assert_ne!(address(&group_key(shares).public_key).unwrap(), [0; 20]);
}

#[test]
fn digests_at_the_ends_of_the_scalars_are_signed() {
    let order: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae,
        0xdc, 0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
    ];
    for digest in [[0; 32], [0xff; 32], order] {
        require_signature(two_of_three(), &BTreeSet::from([1, 3]), digest);
    }
}

#[test]
fn a_digest_signed_twice_has_two_signatures_with_two_nonces() {
    let set = BTreeSet::from([2, 3]);
    let first = require_signature(two_of_three(), &set, DIGEST);
    let second = require_signature(two_of_three(), &set, DIGEST);
    assert_ne!(first.bytes[..32], second.bytes[..32], "r comes twice");
}

fn refusal(set: &[Index], me: Index, change: impl Fn(&mut Seat), banned: &[Index]) -> Fault {
    let KeyShare { body, group_key } = &two_of_three()[&me];
    let mut seat = Seat { me, parameters: group_key.parameters, set: set.iter().copied().collect(), session: SESSION };
    change(&mut seat);
    signing::start(seat, body, group_key, DIGEST, &banned.iter().copied().collect()).err().unwrap()
}

#[test]
fn only_exactly_t_members_sign_and_none_that_is_banned() {
    for set in [&[1, 2, 3][..], &[1], &[2, 3], &[1, 4], &[0, 1]] {
        assert_eq!(refusal(set, 1, |_| (), &[]).code, "cosigner-set-wrong", "{set:?}");
    }
    let other_group = refusal(&[1, 2], 1, |seat| seat.parameters = parameters(2, 2), &[]);
    assert_eq!(other_group.code, "cosigner-set-wrong");
    let banned = refusal(&[1, 2], 1, |_| (), &[3, 2]);
    assert_eq!((banned.code, banned.member, banned.ban), ("cosigner-banned", None, false));
    let KeyShare { body, group_key } = &two_of_three()[&1];
    let seat = Seat { me: 1, parameters: group_key.parameters, set: BTreeSet::from([1, 2]), session: SESSION };
    assert!(signing::start(seat, body, group_key, DIGEST, &BTreeSet::from([3])).is_ok());
}

#[test]
fn a_share_opens_only_as_its_member_s_beside_its_group_key() {
    let shares = two_of_three();
    let KeyShare { body, group_key } = &shares[&1];
    let refused = |body: &[u8], group_key: &GroupKey, me| {
        assert_eq!(open(body, group_key, me).err().unwrap().code, "share-mismatch");
    };
    refused(body, group_key, 2);
    refused(&[], group_key, 1);
    refused(&body[..body.len() - 1], group_key, 1);
    refused(&[&body[..], &[0]].concat(), group_key, 1);
    for at in [0, 1, 2, 3, 4, 40, 80] {
        let mut changed = body.to_vec();
        changed[at] ^= 3;
        refused(&changed, group_key, 1);
    }
    for change in [
        (|key: &mut GroupKey| key.public_key[0] ^= 1) as fn(&mut GroupKey),
        |key| key.public_key = vec![2; 65],
        |key| key.public_shares.get_mut(&1).unwrap()[0] ^= 1,
        |key| key.public_shares.get_mut(&2).unwrap().truncate(1),
        |key| *key.public_shares.get_mut(&3).unwrap() = vec![0; 33],
        |key| drop(key.public_shares.remove(&3)),
        |key| key.parameters = parameters(3, 3),
        |key| key.key_type = hyperkms_core::single::KeyType::Ed25519,
    ] {
        let mut changed = group_key.clone();
        change(&mut changed);
        refused(body, &changed, 1);
    }
}

/// Whoever holds the last message back can write its record first: nobody else has the signature by then.
#[test]
fn the_last_message_is_all_that_a_signature_waits_for() {
    let mut members = signers(two_of_three(), &BTreeSet::from([1, 2]), SESSION, DIGEST);
    let mut rounds = 0;
    while members[&2].outbox.broadcast.is_none() {
        members = measure::one_round(members, &mut Vec::new());
        rounds += 1;
    }
    assert_eq!(rounds, 2);
    let Member { outbox, machine } = members.remove(&1).unwrap();
    assert!(outbox.direct.is_empty() && outbox.broadcast.is_some());
    assert_eq!(machine.expects().broadcasts, BTreeSet::from([2]));
    let theirs = members[&2].outbox.broadcast.clone().unwrap();
    let inbox = crate::protocol::Inbox { broadcasts: BTreeMap::from([(2, theirs)]), ..Default::default() };
    assert!(matches!(machine.step(inbox).ok().unwrap(), Step::Done(_)));
}
