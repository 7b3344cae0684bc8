use ed25519_dalek::{Signer, SigningKey};
use secp256k1::ecdsa::RecoverableSignature;
use secp256k1::{Message, PublicKey, Secp256k1, SecretKey};

use super::*;
use crate::digest::eip191;

/// The group order of secp256k1.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xba, 0xae, 0xdc,
    0xe6, 0xaf, 0x48, 0xa0, 0x3b, 0xbf, 0xd2, 0x5e, 0x8c, 0xd0, 0x36, 0x41, 0x41,
];

struct Signed {
    form: Form,
    r: [u8; 32],
    s: [u8; 32],
    v: u8,
}

fn key(seed: u8) -> (SecretKey, [u8; 33]) {
    let secret = SecretKey::from_byte_array([seed; 32]).unwrap();
    (secret, PublicKey::from_secret_key(&Secp256k1::new(), &secret).serialize())
}

fn signed(number: u32) -> Signed {
    let (secret, public) = key(7);
    let digest = eip191(&number.to_be_bytes());
    let made: RecoverableSignature = Secp256k1::new().sign_ecdsa_recoverable(Message::from_digest(digest.0), &secret);
    let (id, bytes) = made.serialize_compact();
    let form = Form::of_digest(&public, digest).unwrap();
    Signed { form, r: bytes[..32].try_into().unwrap(), s: bytes[32..].try_into().unwrap(), v: 27 + i32::from(id) as u8 }
}

/// The first message whose signature is such a one.
fn signed_where(fits: impl Fn(&Signed) -> bool) -> Signed {
    (0..).map(signed).find(fits).unwrap()
}

fn number(value: &[u8]) -> Vec<u8> {
    let start = value.iter().position(|byte| *byte != 0).unwrap_or(value.len() - 1);
    let mut bytes = value[start..].to_vec();
    if bytes[0] >= 0x80 {
        bytes.insert(0, 0);
    }
    raw(&bytes)
}

fn raw(bytes: &[u8]) -> Vec<u8> {
    [&[0x02, bytes.len() as u8][..], bytes].concat()
}

fn sequence(r: &[u8], s: &[u8]) -> Vec<u8> {
    let content = [r, s].concat();
    [&[0x30, content.len() as u8][..], &content].concat()
}

fn negated(s: &[u8; 32]) -> [u8; 32] {
    SecretKey::from_byte_array(*s).unwrap().negate().secret_bytes()
}

fn assert_signature(of: &Signed, der: &[u8]) {
    assert_eq!(of.form.accept(der).unwrap(), [&of.r[..], &of.s, &[of.v]].concat());
}

fn assert_none(of: &Signed, der: &[u8]) {
    assert_eq!(of.form.accept(der).unwrap_err().code, "kms-signature-wrong", "{der:02x?}");
}

#[test]
fn both_recovery_ids_are_found() {
    for v in [27, 28] {
        let made = signed_where(|made| made.v == v);
        assert_signature(&made, &sequence(&number(&made.r), &number(&made.s)));
    }
}

#[test]
fn a_high_s_is_made_low_and_the_recovery_id_is_that_of_the_low_one() {
    for v in [27, 28] {
        let made = signed_where(|made| made.v == v);
        assert_signature(&made, &sequence(&number(&made.r), &number(&negated(&made.s))));
    }
}

#[test]
fn numbers_of_every_length_that_comes_about_are_read() {
    for fits in [
        |made: &Signed| made.r[0] >= 0x80,
        |made: &Signed| made.r[0] < 0x80 && made.r[0] > 0,
        |made: &Signed| made.r[0] == 0 && made.r[1] < 0x80,
        |made: &Signed| made.r[0] == 0 && made.r[1] >= 0x80,
        |made: &Signed| made.s[0] == 0 && made.s[1] < 0x80,
        |made: &Signed| made.s[0] == 0 && made.s[1] >= 0x80,
    ] {
        let made = signed_where(fits);
        assert_signature(&made, &sequence(&number(&made.r), &number(&made.s)));
    }
}

#[test]
fn what_is_not_the_one_form_of_a_signature_is_none() {
    let made = signed_where(|made| made.r[0] < 0x80 && made.r[0] > 0);
    let (r, s) = (number(&made.r), number(&made.s));
    let whole = sequence(&r, &s);
    assert_signature(&made, &whole);
    for cut in 0..whole.len() {
        assert_none(&made, &whole[..cut]);
    }
    assert_none(&made, &[&whole[..], &[0]].concat());
    let padded = [&[0], &made.r[..]].concat();
    assert_none(&made, &sequence(&raw(&padded), &s));
    let content = [&r[..], &s].concat();
    let long_lengths: [&[u8]; 3] =
        [&[0x30, 0x81, content.len() as u8], &[0x30, 0x82, 0, content.len() as u8], &[0x30, 0x80]];
    for head in long_lengths {
        assert_none(&made, &[head, &content].concat());
    }
    let long_integer = [&[0x02, 0x81, 32][..], &made.r].concat();
    assert_none(&made, &sequence(&long_integer, &s));
    let with_more = [&r[..], &s, &[0x02, 0x01, 0x01]].concat();
    assert_none(&made, &[&[0x30, with_more.len() as u8][..], &with_more].concat());
    assert_none(&made, &sequence(&[], &s));
    assert_none(&made, &sequence(&r, &raw(&[])));
    let mut set = whole.clone();
    set[0] = 0x31;
    assert_none(&made, &set);
    let mut bits = whole.clone();
    bits[2] = 0x03;
    assert_none(&made, &bits);
    assert_none(&made, &[&made.r[..], &made.s].concat());
}

#[test]
fn a_number_out_of_range_is_no_signature() {
    let made = signed(1);
    let (r, s) = (number(&made.r), number(&made.s));
    let mut over = ORDER;
    over[31] += 1;
    for wrong in [number(&[0]), number(&ORDER), number(&over), number(&[0xff; 32]), raw(&[1; 33]), number(&[1; 40])] {
        assert_none(&made, &sequence(&wrong, &s));
        assert_none(&made, &sequence(&r, &wrong));
    }
    let high = signed_where(|made| made.r[0] >= 0x80);
    assert_none(&high, &sequence(&raw(&high.r), &number(&high.s))); // without its zero it is negative
}

#[test]
fn a_signature_by_another_key_or_of_another_digest_is_none() {
    let (made, other) = (signed(1), signed(2));
    assert_none(&made, &sequence(&number(&other.r), &number(&other.s)));
    let (_, public) = key(8);
    let form = Form::of_digest(&public, eip191(&1u32.to_be_bytes())).unwrap();
    let error = form.accept(&sequence(&number(&made.r), &number(&made.s))).unwrap_err();
    assert_eq!(error.code, "kms-signature-wrong");
    assert_none(&made, &sequence(&number(&made.s), &number(&made.r)));
}

#[test]
fn every_changed_bit_of_a_signature_is_noticed() {
    let made = signed(1);
    let whole = sequence(&number(&made.r), &number(&made.s));
    for bit in 0..whole.len() * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_none(&made, &changed);
    }
}

#[test]
fn an_ed25519_answer_is_the_64_bytes_that_verify() {
    let secret = SigningKey::from_bytes(&[7; 32]);
    let public = secret.verifying_key().to_bytes();
    let form = Form::of_message(&public, b"hello").unwrap();
    assert_eq!(form.asked(), b"hello");
    let signature = secret.sign(b"hello").to_bytes();
    assert_eq!(form.accept(&signature).unwrap(), signature);
    let others = [secret.sign(b"hell").to_bytes(), SigningKey::from_bytes(&[8; 32]).sign(b"hello").to_bytes()];
    for other in others {
        assert_eq!(form.accept(&other).unwrap_err().code, "kms-signature-wrong");
    }
    for wrong in [&signature[..63], &[&signature[..], &[0]].concat(), b""] {
        assert_eq!(form.accept(wrong).unwrap_err().code, "kms-signature-wrong");
    }
}

#[test]
fn a_message_over_the_limit_of_kms_and_a_client_s_request_are_refused() {
    let public = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
    assert!(Form::of_message(&public, &[b'm'; LONGEST]).is_ok());
    let error = Form::of_message(&public, &[b'm'; LONGEST + 1]).err().unwrap();
    assert_eq!(error.code, "message-too-long-for-kms");
    let request = [crate::request::DOMAIN, b"anything"].concat();
    assert!(Form::of_message(&public, &request).is_err());
}

#[test]
fn a_digest_is_asked_for_as_it_is() {
    let (_, public) = key(7);
    let digest = eip191(b"hello");
    assert_eq!(Form::of_digest(&public, digest).unwrap().asked(), digest.0);
}

#[test]
fn public_keys_are_read_in_their_one_form() {
    let (secret, public) = key(7);
    let point = PublicKey::from_secret_key(&Secp256k1::new(), &secret).serialize_uncompressed();
    let secp = [&SECP256K1_SPKI[..], &point].concat();
    assert_eq!(read_spki(KeyType::Secp256k1, &secp).unwrap(), public);
    let edwards = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
    let ed = [&ED25519_SPKI[..], &edwards].concat();
    assert_eq!(read_spki(KeyType::Ed25519, &ed).unwrap(), edwards);

    for (key_type, whole, other) in [(KeyType::Secp256k1, &secp, &ed), (KeyType::Ed25519, &ed, &secp)] {
        let refused = |der: &[u8]| assert_eq!(read_spki(key_type, der).unwrap_err().code, "kms-public-key-wrong");
        for cut in 0..whole.len() {
            refused(&whole[..cut]);
        }
        refused(&[&whole[..], &[0]].concat());
        refused(other);
        for place in 0..whole.len() - if key_type == KeyType::Ed25519 { 32 } else { 65 } {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            refused(&changed);
        }
    }
}

#[test]
fn points_that_are_no_keys_are_refused() {
    let (secret, public) = key(7);
    let point = PublicKey::from_secret_key(&Secp256k1::new(), &secret).serialize_uncompressed();
    let mut off_the_curve = point;
    off_the_curve[64] ^= 1;
    let mut hybrid = point;
    hybrid[0] = 6 + (point[64] & 1);
    for wrong in [&off_the_curve[..], &hybrid, &public, &[0; 65], &[4; 65]] {
        let der = [&SECP256K1_SPKI[..], wrong].concat();
        assert_eq!(read_spki(KeyType::Secp256k1, &der).unwrap_err().code, "kms-public-key-wrong");
    }
    for wrong in [[0; 32], [0xff; 32]] {
        let der = [&ED25519_SPKI[..], &wrong].concat();
        assert_eq!(read_spki(KeyType::Ed25519, &der).unwrap_err().code, "kms-public-key-wrong");
    }
}
