//! Shares that the first system's own library made: tests/golden/first_system_shares.json.

use std::os::unix::fs::PermissionsExt;

use hyperkms_core::error::Result;
use hyperkms_core::hex::unhex;
use hyperkms_core::memory::Slot;
use serde_json::Value;

use crate::field::multiply;
use crate::first_system::{combine, recover, Share};
use crate::testing::{fresh_path, subsets};

struct Golden {
    seed: [u8; 32],
    public: [u8; 32],
    threshold: usize,
    shares: Vec<String>,
}

fn golden() -> Vec<Golden> {
    let text = include_str!("../../tests/golden/first_system_shares.json");
    let read: Vec<Value> = serde_json::from_str(text).unwrap();
    let hex = |value: &Value| unhex(value.as_str().unwrap().as_bytes()).unwrap();
    let shares = |value: &Value| value.as_array().unwrap().iter().map(|one| one.as_str().unwrap().into()).collect();
    read.iter()
        .map(|one| Golden {
            seed: hex(&one["seed"]),
            public: hex(&one["publicKey"]),
            threshold: one["threshold"].as_u64().unwrap() as usize,
            shares: shares(&one["shares"]),
        })
        .collect()
}

fn combined(shares: &[&str], public: &[u8; 32]) -> Result<Slot> {
    let read: Vec<Share> = shares.iter().map(|text| Share::parse(text.as_bytes()).unwrap().expect("a share")).collect();
    combine(&read, public)
}

fn code(shares: &[&str], public: &[u8; 32]) -> &'static str {
    combined(shares, public).err().expect("it is refused").code
}

#[test]
fn any_as_many_shares_as_are_needed_give_the_seed_and_fewer_give_nothing() {
    let all = golden();
    assert_eq!(all.len(), 5);
    for Golden { seed, public, threshold, shares } in &all {
        let places: Vec<u8> = (0..shares.len() as u8).collect();
        let chosen = |set: Vec<u8>| set.iter().map(|place| shares[usize::from(*place)].as_str()).collect::<Vec<_>>();
        for size in *threshold..=*threshold + 1 {
            for set in subsets(&places, size).into_iter().map(chosen) {
                assert!(combined(&set, public).unwrap().key() == seed);
            }
        }
        let constant = shares[0][3..] == shares[1][3..];
        for set in subsets(&places, 2).into_iter().map(chosen).filter(|_| *threshold > 2 && !constant) {
            assert_eq!(code(&set, public), "first-system-shares-mismatch");
        }
        assert_eq!(code(&[&shares[0]], public), "first-system-shares-incomplete");
        assert_eq!(code(&[], public), "first-system-shares-incomplete");
    }
}

#[test]
fn upper_case_digits_and_white_space_around_are_read() {
    let Golden { seed, public, shares, .. } = &golden()[0];
    let (first, second) = (shares[0].to_uppercase(), format!("\t{}\r\n", shares[1]));
    assert!(combined(&[&first, &second], public).unwrap().key() == seed);
}

/// Row 3 of what went wrong in the first system: a changed share, and what it gave back told of the key.
#[test]
fn a_share_with_any_digit_changed_never_gives_a_key() {
    let Golden { public, shares, .. } = &golden()[0];
    for place in 1..shares[1].len() {
        let mut changed = shares[1].clone().into_bytes();
        changed[place] = if changed[place] == b'7' { b'c' } else { b'7' };
        let changed = String::from_utf8(changed).unwrap();
        assert_eq!(code(&[&shares[0], &changed], public), "first-system-shares-mismatch", "digit {place}");
        assert_eq!(code(&[&changed, &shares[2]], public), "first-system-shares-mismatch", "digit {place}");
    }
}

/// Who knows how shares add up can move the whole secret, with its public key, to another key of their own choice.
#[test]
fn a_share_that_was_moved_to_give_another_sound_key_is_refused_by_the_public_key() {
    let all = golden();
    let (own, other) = (&all[0], &all[1]);
    let wanted = |one: &Golden| [&one.seed[..], &one.public].concat();
    let difference: Vec<u8> = wanted(own).iter().zip(wanted(other)).map(|(one, two)| one ^ two).collect();
    // What is added to the second share comes out multiplied by its weight, so it is divided by that first.
    let weight = crate::field::coefficient_at_zero(&[1, 2], 1);
    let inverse = crate::field::invert(weight);
    let mut bytes: [u8; 80] = unhex(&own.shares[1].as_bytes()[3..]).unwrap();
    bytes[16..].iter_mut().zip(difference).for_each(|(byte, change)| *byte ^= multiply(inverse, change));
    let moved = format!("802{}", hyperkms_core::hex::hex(&bytes));
    assert!(combined(&[&own.shares[0], &moved], &other.public).unwrap().key() == &other.seed);
    assert_eq!(code(&[&own.shares[0], &moved], &own.public), "first-system-shares-mismatch");
}

#[test]
fn shares_of_two_keys_one_share_twice_or_another_public_key_give_nothing() {
    let all = golden();
    let (own, other) = (&all[0], &all[2]);
    assert_eq!(code(&[&own.shares[0], &other.shares[1]], &own.public), "first-system-shares-mismatch");
    assert_eq!(code(&[&own.shares[0], &own.shares[1]], &other.public), "first-system-shares-mismatch");
    assert_eq!(code(&[&own.shares[0], &own.shares[0]], &own.public), "first-system-shares-incomplete");
    assert_eq!(code(&[&own.shares[0], &own.shares[1], &own.shares[0]], &own.public), "first-system-shares-incomplete");
}

#[test]
fn what_is_no_share_of_eight_bits_is_not_read() {
    let share = golden()[0].shares[0].clone();
    let wrong = [
        "".to_owned(),
        share[..share.len() - 1].to_owned(),
        share[..share.len() - 2].to_owned(),
        format!("{share}00"),
        format!("7{}", &share[1..]),
        format!("800{}", &share[3..]),
        format!("8g1{}", &share[3..]),
        format!("{}z", &share[..share.len() - 1]),
        format!("{} {}", &share[..20], &share[20..]),
    ];
    for text in wrong {
        assert!(Share::parse(text.as_bytes()).unwrap().is_none(), "{text}");
    }
}

#[test]
fn a_file_that_others_may_read_is_refused_and_no_error_repeats_what_a_file_holds() {
    let Golden { seed, public, shares, .. } = &golden()[0];
    let paths: Vec<_> = (0..2).map(|number| fresh_path(&format!("share-{number}"))).collect();
    let allow = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    for (path, share) in paths.iter().zip(shares) {
        std::fs::write(path, format!("{share}\n")).unwrap();
        allow(path, 0o600);
    }
    assert!(recover(&paths, public).unwrap().key() == seed);
    allow(&paths[1], 0o640);
    assert_eq!(recover(&paths, public).err().unwrap().code, "key-file-permissions");
    allow(&paths[1], 0o600);
    for content in [format!("{}x", shares[1]), "8".repeat(2000)] {
        std::fs::write(&paths[1], &content).unwrap();
        let refused = recover(&paths, public).err().unwrap();
        assert!(!refused.message.contains(&content[..20]), "{}", refused.message);
    }
    paths.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    assert_eq!(recover(&paths, public).err().unwrap().code, "key-file-missing");
}
