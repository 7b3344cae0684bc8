//! Keys from copies of shares.

use hyperkms_core::single::{public_key, KeyType};
use hyperkms_core::verify::verify_ed25519;
use hyperkms_cosign::protocol::Index;
use hyperkms_cosign::share_context::ShareContext;

use crate::combine::{ed25519_signature, secp256k1_key};
use crate::copies::Opened;
use crate::identity::Identity;
use crate::testing::{identity, subsets, Split};

const MESSAGE: &[u8] = b"the funds go to a new key";

fn opened(split: &Split, indices: &[Index], own: &Identity) -> Vec<Opened> {
    indices.iter().map(|index| Opened::open(&split.copy(*index, own), own).unwrap()).collect()
}

#[test]
fn any_t_copies_sign_as_the_group_and_fewer_do_not() {
    let own = identity(Some("w"));
    for (threshold, members) in [(2, 2), (2, 3), (3, 3), (3, 4), (3, 5), (5, 5)] {
        let split = Split::ed25519(threshold, members);
        let everyone: Vec<Index> = (1..=members).collect();
        for size in 0..=usize::from(members) {
            for set in subsets(&everyone, size) {
                let signed = ed25519_signature(&opened(&split, &set, &own), MESSAGE);
                if size < usize::from(threshold) {
                    assert_eq!(signed.err().unwrap().code, "copies-too-few");
                } else {
                    verify_ed25519(&split.group_key.public_key, MESSAGE, &signed.unwrap()).unwrap();
                }
            }
        }
    }
}

#[test]
fn any_t_copies_make_the_private_key_of_a_secp256k1_group_and_fewer_do_not() {
    let own = identity(Some("w"));
    for (threshold, members) in [(2, 2), (2, 3)] {
        let split = Split::secp256k1(threshold, members);
        let everyone: Vec<Index> = (1..=members).collect();
        for size in 1..=usize::from(members) {
            for set in subsets(&everyone, size) {
                let made = secp256k1_key(&opened(&split, &set, &own));
                if size < usize::from(threshold) {
                    assert_eq!(made.err().unwrap().code, "copies-too-few");
                } else {
                    let public = public_key(KeyType::Secp256k1, &made.unwrap()).unwrap();
                    assert_eq!(public, split.group_key.public_key);
                }
            }
        }
        let both = opened(&split, &everyone, &own);
        assert_eq!(ed25519_signature(&both, MESSAGE).err().unwrap().code, "wrong-key-type");
    }
}

#[test]
fn a_copy_of_a_secp256k1_share_that_was_changed_does_not_open() {
    let (split, own) = (Split::secp256k1(2, 2), identity(None));
    let copy = split.copy(1, &own);
    for place in (0..copy.len()).step_by(997).chain(0..400) {
        let mut changed = copy.clone();
        changed[place] ^= 1;
        assert!(Opened::open(&changed, &own).is_err(), "byte {place}");
    }
    let renumbered = split.copy_as(&split.context(2), 1, &own);
    assert_eq!(Opened::open(&renumbered, &own).err().unwrap().code, "share-mismatch");
}

#[test]
fn copies_of_two_wallets_versions_epochs_groups_or_keys_are_not_mixed() {
    let (split, own) = (Split::ed25519(2, 3), identity(None));
    let context = split.context(2);
    let first = || Opened::open(&split.copy(1, &own), &own).unwrap();
    let with = |other: Opened| ed25519_signature(&[first(), other], MESSAGE).map_err(|refused| refused.code);
    let as_if = |context: ShareContext| Opened::open(&split.copy_as(&context, 2, &own), &own).unwrap();
    assert!(with(as_if(context.clone())).is_ok());
    for other in [
        ShareContext { wallet: "other".into(), ..context.clone() },
        ShareContext { version: 2, ..context.clone() },
        ShareContext { epoch: 1, ..context.clone() },
        ShareContext { group_id: [6; 32], ..context },
    ] {
        assert_eq!(with(as_if(other)), Err("copies-differ"));
    }
    let other = Split::ed25519(2, 3);
    assert_eq!(with(Opened::open(&other.copy(2, &own), &own).unwrap()), Err("copies-differ"));
    assert_eq!(with(first()), Err("copies-alike"));
}

/// Shares that fit their public shares, under a public key that is not the one that they make.
#[test]
fn a_key_that_is_not_the_groups_is_not_used() {
    let (mut split, other, own) = (Split::ed25519(2, 3), Split::ed25519(2, 3), identity(None));
    split.group_key.public_key = other.group_key.public_key;
    for body in split.bodies.values_mut() {
        body[34..].copy_from_slice(&split.group_key.public_key);
    }
    let refused = ed25519_signature(&opened(&split, &[1, 2], &own), MESSAGE);
    assert_eq!(refused.err().unwrap().code, "recovered-key-mismatch");
}

#[test]
fn a_key_of_one_type_is_not_taken_for_the_other_and_no_request_of_a_client_is_signed() {
    let (split, own) = (Split::ed25519(2, 2), identity(None));
    let both = opened(&split, &[1, 2], &own);
    assert_eq!(secp256k1_key(&both).err().unwrap().code, "wrong-key-type");
    assert_eq!(ed25519_signature(&both, b"hyperkms request v1\n...").err().unwrap().code, "message-of-a-request");
}
