//! Copies of shares, and the identities that open them.

use std::os::unix::fs::PermissionsExt;

use hyperkms_cosign::share_context::ShareContext;
use hyperkms_cosign::share_copy::copy_for;

use crate::copies::Opened;
use crate::identity::Identity;
use crate::testing::{fresh_path, identity, Split};

fn code(copy: &[u8], identity: &Identity) -> &'static str {
    Opened::open(copy, identity).err().expect("it is refused").code
}

#[test]
fn a_copy_opens_with_the_identity_of_its_recipient_to_what_was_encrypted() {
    let split = Split::ed25519(2, 3);
    for own in [identity(None), identity(Some("w"))] {
        let opened = Opened::open(&split.copy(2, &own), &own).unwrap();
        assert!(*opened.body == split.bodies[&2]);
        assert_eq!(opened.context, split.context(2));
        assert_eq!(opened.group_key, split.group_key);
    }
}

#[test]
fn another_identity_or_one_of_another_wallet_opens_nothing() {
    let (split, own) = (Split::ed25519(2, 3), identity(None));
    let copy = split.copy(1, &own);
    assert_eq!(code(&copy, &identity(None)), "copy-for-another");
    let of_other_wallet = identity(Some("x"));
    assert_eq!(code(&split.copy(1, &of_other_wallet), &of_other_wallet), "copy-of-another-wallet");
    // The copy says that it is for the other, and was still encrypted to the first.
    let other = identity(None);
    let place = copy.windows(32).position(|window| window == own.recipient.0).unwrap();
    let mut relabelled = copy;
    relabelled[place..place + 32].copy_from_slice(&other.recipient.0);
    assert_eq!(code(&relabelled, &other), "copy-tampered");
}

#[test]
fn a_copy_with_any_bit_changed_or_cut_anywhere_does_not_open() {
    let (split, own) = (Split::ed25519(2, 2), identity(Some("w")));
    let copy = split.copy(1, &own);
    for place in 0..copy.len() {
        for bit in 0..8 {
            let mut changed = copy.clone();
            changed[place] ^= 1 << bit;
            assert!(Opened::open(&changed, &own).is_err(), "bit {bit} of byte {place}");
        }
        assert!(Opened::open(&copy[..place], &own).is_err(), "cut at {place}");
    }
    assert_eq!(code(&[&copy[..], b"x"].concat(), &own), "copy-tampered");
}

/// Anyone can encrypt to a recipient: what is in a copy is held against the group key that it names.
#[test]
fn a_copy_that_holds_another_share_than_it_says_is_refused() {
    let (split, other, own) = (Split::ed25519(2, 3), Split::ed25519(2, 3), identity(None));
    let of = |body: &[u8]| copy_for(body, &split.group_key, &split.context(1), &own.recipient).unwrap();
    assert!(Opened::open(&of(&split.bodies[&1]), &own).is_ok());
    let mut renumbered = split.bodies[&2].clone();
    renumbered[1] = 1;
    let mut raised = split.bodies[&1].clone();
    raised[2] ^= 1;
    let long = [&split.bodies[&1][..], b"x"].concat();
    for body in [&split.bodies[&2], &renumbered, &raised, &long, &other.bodies[&1], &Vec::new()] {
        assert_eq!(code(&of(body), &own), "share-mismatch");
    }
}

#[test]
fn an_identity_is_kept_in_a_file_of_its_user_alone_and_opens_again() {
    let path = fresh_path("kept");
    let made = Identity::create(&path, Some("w".into())).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(Identity::create(&path, None).err().unwrap().code, "file-exists");
    let copy = Split::ed25519(2, 2).copy(1, &made);
    let again = Identity::open(&path).unwrap();
    assert_eq!(again.recipient, made.recipient);
    assert!(Opened::open(&copy, &again).is_ok());

    let text = std::fs::read_to_string(&path).unwrap();
    let secret = text.trim_end().rsplit(' ').next().unwrap();
    for wrong in ["", secret, &text[..text.len() - 2], &format!("{}00", text.trim_end()), &text.replace(" w ", " / ")] {
        std::fs::write(&path, wrong).unwrap();
        let refused = Identity::open(&path).err().unwrap();
        assert_eq!(refused.code, "identity-malformed", "{wrong}");
        assert!(!refused.message.contains(secret));
    }
    std::fs::write(&path, &text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
    assert_eq!(Identity::open(&path).err().unwrap().code, "key-file-permissions");
    std::fs::remove_file(&path).unwrap();
    for wallet in ["", "*", "a b", "x\n"] {
        assert_eq!(Identity::create(&path, Some(wallet.into())).err().unwrap().code, "malformed-context");
    }
    assert!(!path.exists());
}

#[test]
fn a_copy_says_nothing_that_a_terminal_would_obey() {
    let (split, own) = (Split::ed25519(2, 2), identity(None));
    let named = |wallet: &str| ShareContext { wallet: wallet.into(), ..split.context(1) };
    assert!(Opened::open(&split.copy_as(&named("desk.1"), 1, &own), &own).is_ok());
    for wallet in ["\x1b[2J", "a\nb", "é", ""] {
        assert_eq!(code(&split.copy_as(&named(wallet), 1, &own), &own), "copy-malformed");
    }
}
