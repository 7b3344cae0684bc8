//! Each kind of message has one form: every other is refused by itself, and names its sender.

use serde::Serialize;

use super::*;
use crate::dkls::messages::{read_each, Message, Multiplied, Summand, Term, POINT, SCALAR};
use crate::dkls::messages::{MulSetup, Proof};
use dkls23_secp256k1::protocols::dkg::{
    BroadcastDerivationPhase2to4, BroadcastDerivationPhase3to4, TransmitInitZeroSharePhase2to4,
    TransmitInitZeroSharePhase3to4,
};
use dkls23_secp256k1::protocols::signing::TransmitPhase1to2;
use dkls23_secp256k1::utilities::hashes::HashOutput;
use k256::{ProjectivePoint, Scalar};

/// What member 2 sends to all and to member 1.
type Sent = (Option<Vec<u8>>, Option<Vec<u8>>);

fn sent<T>(members: Members<T>) -> Vec<Sent> {
    let mut sent = Vec::new();
    run(members, |_, sender, outbox| {
        if sender == 2 {
            sent.push((outbox.broadcast.clone(), outbox.direct.get(&1).map(|message| message.to_vec())));
        }
    });
    sent
}

fn read<M: Message>(bytes: &[u8]) -> Result<M, Fault> {
    let messages = BTreeMap::from([(2, bytes.to_vec())]);
    read_each(std::iter::once(2), &messages, 1).map(|mut read| read.remove(&2).unwrap())
}

fn require_refused<M: Message>(bytes: &[u8], why: &str) {
    let fault = read::<M>(bytes).err().unwrap_or_else(|| panic!("read all the same: {why}"));
    assert_eq!((fault.code, fault.member, fault.ban), ("cosigner-message-malformed", Some(2), false), "{why}");
}

/// The honest message is read; cut, longer, of another member or to another, and all ones, it is not.
fn require_one_form<M: Message>(honest: Option<&Vec<u8>>, points: &[usize], scalars: &[usize], names: &[usize]) {
    let honest = honest.unwrap();
    assert_eq!(honest.len(), M::LENGTH);
    assert_eq!(postcard::to_allocvec(&read::<M>(honest).unwrap()).unwrap(), *honest);
    for length in [0, 1, honest.len() / 2, honest.len() - 1] {
        require_refused::<M>(&honest[..length], "cut");
    }
    require_refused::<M>(&[&honest[..], &[0]].concat(), "one more byte");
    require_refused::<M>(&vec![0xff; 1 << 20], "a mebibyte");
    let replaced = |at: usize, by: &[u8]| {
        let mut changed = honest.clone();
        changed[at..at + by.len()].copy_from_slice(by);
        changed
    };
    for at in points {
        assert_eq!(honest[*at], 33, "there is no point at {at}");
        require_refused::<M>(&replaced(*at + 1, &[5]), "a point of another encoding");
        require_refused::<M>(&replaced(*at + 2, &[0xff; 32]), "a coordinate past the prime");
        // x = 5 is on no point of the curve.
        require_refused::<M>(&replaced(*at + 2, &[&[0; 31][..], &[5]].concat()), "a point off the curve");
        require_refused::<M>(&replaced(*at, &[1, 0]), "the point at infinity in the place of a point");
    }
    for at in scalars {
        assert_eq!(honest[*at], 32, "there is no scalar at {at}");
        require_refused::<M>(&replaced(*at + 1, &[0xff; 32]), "a scalar past the order");
    }
    for at in names {
        for name in [0, 3, 0xff] {
            require_refused::<M>(&replaced(*at, &[name]), "of another member, or to another");
        }
    }
}

#[test]
fn key_generation_has_one_form_of_each_message() {
    let sent = sent(keygen_members(parameters(2, 2), SESSION));
    require_one_form::<Scalar>(sent[0].1.as_ref(), &[], &[0], &[]);
    require_one_form::<(HashOutput, BroadcastDerivationPhase2to4)>(sent[1].0.as_ref(), &[], &[], &[32]);
    require_one_form::<TransmitInitZeroSharePhase2to4>(sent[1].1.as_ref(), &[], &[], &[0, 1]);
    let proof = Proof::LENGTH;
    let (last_point, last_scalar) = (POINT + 1 + 63 * POINT, proof - SCALAR);
    let points = [0, POINT + 1, last_point];
    require_one_form::<(Proof, BroadcastDerivationPhase3to4)>(sent[2].0.as_ref(), &points, &[last_scalar], &[proof]);
    let (mul, nonce) = (99, 99 + 2 + proof);
    let first = nonce + SCALAR + 2;
    type Pair = (TransmitInitZeroSharePhase3to4, MulSetup);
    let points = [mul + 2, first, first + POINT, first + 2 * POINT, first + 3 * POINT];
    require_one_form::<Pair>(sent[2].1.as_ref(), &points, &[nonce], &[0, 1, mul, mul + 1]);
}

#[test]
fn a_refresh_and_a_repair_have_one_form_of_each_message() {
    let shares = two_of_three();
    let refresh = sent(refresh_members(shares, SESSION));
    require_one_form::<Scalar>(refresh[0].1.as_ref(), &[], &[0], &[]);
    require_one_form::<HashOutput>(refresh[1].0.as_ref(), &[], &[], &[]);
    require_one_form::<Proof>(refresh[2].0.as_ref(), &[0, POINT + 1], &[Proof::LENGTH - SCALAR], &[]);
    let repair = sent(repair_members(shares, &BTreeSet::from([2, 3]), 1));
    require_one_form::<Term>(repair[0].1.as_ref(), &[Term::LENGTH - POINT], &[2], &[0, 1]);
}

#[test]
fn signing_has_one_form_of_each_message() {
    let sent = sent(signers(two_of_three(), &BTreeSet::from([1, 2]), SESSION, DIGEST));
    require_one_form::<TransmitPhase1to2>(sent[0].1.as_ref(), &[], &[], &[0, 1]);
    let points = [34, 34 + POINT, 34 + 2 * POINT + SCALAR, 34 + 3 * POINT + SCALAR];
    let tau = 34 + 4 * POINT + SCALAR + 65 + 3;
    let scalars = [34 + 2 * POINT, tau, Multiplied::LENGTH - SCALAR];
    require_one_form::<Multiplied>(sent[1].1.as_ref(), &points, &scalars, &[0, 1]);
    require_one_form::<Summand>(sent[2].0.as_ref(), &[], &[0, SCALAR], &[]);
}

/// An identity is 32 bytes shorter than another point: the length is made right again elsewhere.
#[test]
fn no_other_part_of_a_message_makes_room_for_a_point_at_infinity() {
    let sent = sent(signers(two_of_three(), &BTreeSet::from([1, 2]), SESSION, DIGEST));
    let honest = sent[1].1.as_ref().unwrap();
    let mut message: Multiplied = read(honest).unwrap();
    message.gamma_u = ProjectivePoint::IDENTITY.to_affine();
    message.salt.extend([0; 32]);
    let longer_salt = encoded(&message);
    require_refused::<Multiplied>(&longer_salt, "the salt is longer");
    message.salt.truncate(64);
    let mut uncompressed = encoded(&message);
    // The next point, in full: 04, x, y.
    let point = message.gamma_v;
    let full = k256::elliptic_curve::sec1::ToSec1Point::to_sec1_point(&point, false);
    uncompressed.splice(36..36 + POINT, [&[65][..], full.as_bytes()].concat());
    assert_eq!(uncompressed.len(), Multiplied::LENGTH);
    require_refused::<Multiplied>(&uncompressed, "another point is not compressed");
    message.mul_transmit.verify_u.push(Scalar::ONE);
    message.salt.truncate(63);
    assert_eq!(encoded(&message).len(), Multiplied::LENGTH);
    require_refused::<Multiplied>(&encoded(&message), "a list is longer");
}

fn encoded(message: &impl Serialize) -> Vec<u8> {
    postcard::to_allocvec(message).unwrap()
}

#[test]
fn a_proof_has_challenges_of_their_length_only() {
    let sent = sent(refresh_members(two_of_three(), SESSION));
    let mut bytes = sent[2].0.clone().unwrap();
    // The first challenge loses a byte, the second wins one.
    let first = POINT + 1 + 64 * POINT + 1;
    let second = first + 5 + SCALAR;
    assert_eq!((bytes[first], bytes[second]), (4, 4));
    bytes[second] = 5;
    bytes.insert(second + 1, 0);
    bytes[first] = 3;
    bytes.remove(first + 1);
    require_refused::<Proof>(&bytes, "challenges of other lengths");
}
