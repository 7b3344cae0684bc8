//! Published test vectors against the primitives as the core uses them.

use aes_gcm::aead::AeadInOut;
use aes_gcm::{Aes256Gcm, KeyInit};
use hkdf::Hkdf;
use secp256k1::{PublicKey, Secp256k1, SecretKey};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::hex::hex;
use crate::single::{public_key, sign_ed25519, sign_secp256k1, KeyType, Public};
use crate::testing::{slot, unhex, vectors};

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().unwrap()
}

fn cases(file: &Value) -> &Vec<Value> {
    file["cases"].as_array().unwrap()
}

fn wycheproof(file: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    let groups = file["testGroups"].as_array().unwrap();
    groups.iter().flat_map(|group| group["tests"].as_array().unwrap().iter().map(move |test| (group, test)))
}

#[test]
fn ed25519_keys_and_signatures_are_those_of_rfc_8032_and_of_the_authors_file() {
    for (name, expected) in [("ed25519_rfc8032.json", 5), ("ed25519_sign_input.json", 159)] {
        let Some(file) = vectors(name) else { return };
        let mut seen = 0;
        for case in cases(&file) {
            let seed = slot(&unhex(text(case, "seed")));
            let public = public_key(KeyType::Ed25519, &seed).unwrap();
            assert_eq!(hex(&public), text(case, "public"));
            let public = Public::read(KeyType::Ed25519, &public).unwrap();
            let signature = sign_ed25519(&seed, &public, &unhex(text(case, "message"))).unwrap();
            assert_eq!(hex(&signature), text(case, "signature"));
            seen += 1;
        }
        assert_eq!(seen, expected);
    }
}

#[test]
fn secp256k1_signatures_are_deterministic_and_low_s_as_published() {
    let Some(file) = vectors("rfc6979_secp256k1_sign.json") else { return };
    for case in cases(&file) {
        let digest = unhex(text(case, "m")).try_into().unwrap();
        let signature = sign_secp256k1(&slot(&unhex(text(case, "d"))), &digest).unwrap();
        assert_eq!(hex(&[signature.r, signature.s].concat()), text(case, "signature"));
        assert!(matches!(signature.v, 27 | 28));
    }
    assert_eq!(cases(&file).len(), 206);
}

#[test]
fn the_ecdsa_nonce_is_the_first_candidate_of_rfc_6979() {
    let Some(file) = vectors("rfc6979_secp256k1_nonces.json") else { return };
    let curve = Secp256k1::new();
    for case in cases(&file) {
        let digest = Sha256::digest(text(case, "message").as_bytes()).into();
        let signature = sign_secp256k1(&slot(&unhex(text(case, "d"))), &digest).unwrap();
        let nonce = SecretKey::from_byte_array(unhex(text(case, "k0")).try_into().unwrap()).unwrap();
        let point = PublicKey::from_secret_key(&curve, &nonce).serialize();
        assert_eq!(hex(&signature.r), hex(&point[1..]));
    }
}

#[test]
fn aes_256_gcm_agrees_with_wycheproof_for_the_sizes_in_use() {
    let Some(file) = vectors("wycheproof_aes_gcm.json") else { return };
    let mut seen = 0;
    for (group, test) in wycheproof(&file) {
        if group["ivSize"] != 96 || group["keySize"] != 256 || group["tagSize"] != 128 {
            continue;
        }
        let cipher = Aes256Gcm::new_from_slice(&unhex(text(test, "key"))).unwrap();
        let nonce: [u8; 12] = unhex(text(test, "iv")).try_into().unwrap();
        let (aad, tag) = (unhex(text(test, "aad")), unhex(text(test, "tag")));
        let tag: [u8; 16] = tag.try_into().unwrap();
        let mut body = unhex(text(test, "ct"));
        let opened = cipher.decrypt_inout_detached(&nonce.into(), &aad, body.as_mut_slice().into(), &tag.into());
        assert_eq!(opened.is_ok(), text(test, "result") == "valid", "case {}", test["tcId"]);
        if opened.is_ok() {
            assert_eq!(hex(&body), text(test, "msg"));
            let made = cipher.encrypt_inout_detached(&nonce.into(), &aad, body.as_mut_slice().into()).unwrap();
            assert_eq!((hex(&body), hex(&made)), (text(test, "ct").into(), text(test, "tag").into()));
        }
        seen += 1;
    }
    assert!(seen >= 30, "only {seen} cases of this size");
}

#[test]
fn hkdf_sha256_agrees_with_wycheproof() {
    let Some(file) = vectors("wycheproof_hkdf_sha256.json") else { return };
    for (_, test) in wycheproof(&file) {
        let salt = unhex(text(test, "salt"));
        let mut okm = vec![0; usize::try_from(test["size"].as_u64().unwrap()).unwrap()];
        let hkdf = Hkdf::<Sha256>::new(Some(&salt), &unhex(text(test, "ikm")));
        let made = hkdf.expand(&unhex(text(test, "info")), &mut okm);
        assert_eq!(made.is_ok(), text(test, "result") == "valid", "case {}", test["tcId"]);
        if made.is_ok() {
            assert_eq!(hex(&okm), text(test, "okm"));
        }
    }
}
