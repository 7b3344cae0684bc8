//! One member that does not keep to the protocol, with messages that are of their form: who is named, who is banned.

use super::*;
use crate::dkls::messages::{encode, Message, Multiplied, Proof, Summand, SCALAR};
use dkls23_secp256k1::protocols::signing::TransmitPhase1to2;

/// Which message is another: of whom, in which round, and to whom where it is not to all.
#[derive(Debug, Clone, Copy)]
struct Place {
    culprit: Index,
    round: usize,
    receiver: Option<Index>,
}

/// What the others come to when one message is changed.
fn disturbed<T>(members: Members<T>, place: Place, change: impl Fn(&mut Vec<u8>)) -> BTreeMap<Index, Result<T, Fault>> {
    let mut done = false;
    let mut outcomes = run(members, |round, sender, outbox| {
        if (round, sender) == (place.round, place.culprit) {
            match place.receiver {
                None => change(outbox.broadcast.as_mut().unwrap()),
                Some(receiver) => change(outbox.direct.get_mut(&receiver).unwrap()),
            }
            done = true;
        }
    });
    assert!(done, "there is no such message: {place:?}");
    outcomes.remove(&place.culprit);
    outcomes
}

/// Every message of a run: the sender's, by round and receiver; none for one to all.
type Sent = BTreeMap<(Index, usize, Option<Index>), Vec<u8>>;

fn all_sent<T>(members: Members<T>) -> Sent {
    let mut all = Sent::new();
    run(members, |round, sender, outbox| {
        let direct = outbox.direct.iter().map(|(receiver, message)| (Some(*receiver), message.to_vec()));
        let to_all = outbox.broadcast.iter().map(|message| (None, message.clone()));
        all.extend(direct.chain(to_all).map(|(receiver, message)| ((sender, round, receiver), message)));
    });
    all
}

const MALFORMED: &str = "cosigner-message-malformed";

/// Every message of every member in turn: that of another run, and one that is not of its form. Nobody who is given it
/// has an outcome, nobody else is named, and whoever names nobody is let by `unnamed` (rounds, with what is to all).
fn require_named<T>(members: impl Fn() -> Members<T>, other: &Sent, unnamed: &[(usize, bool)]) {
    for ((culprit, round, receiver), foreign) in other {
        let place = Place { culprit: *culprit, round: *round, receiver: *receiver };
        let outcomes = disturbed(members(), place, |message| *message = foreign.clone());
        for fault in faults(outcomes, place) {
            let nobody = unnamed.contains(&(*round, receiver.is_none()));
            assert!(fault.member == Some(*culprit) || (nobody && fault.member.is_none()), "{place:?}: {fault:?}");
            assert!(!fault.ban, "{place:?}: {fault:?}");
        }
        let outcomes = disturbed(members(), place, |message| message.truncate(message.len() - 1));
        for fault in faults(outcomes, place) {
            assert_eq!((fault.member, fault.code, fault.ban), (Some(*culprit), MALFORMED, false), "{place:?}");
        }
    }
}

/// Of those who were given the message. Others may stop later for want of a peer.
fn faults<T>(outcomes: BTreeMap<Index, Result<T, Fault>>, place: Place) -> Vec<Fault> {
    let given = |index: &Index| place.receiver.is_none_or(|receiver| receiver == *index);
    let faults: Vec<_> = outcomes
        .into_iter()
        .filter(|(index, _)| given(index))
        .map(|(index, outcome)| outcome.err().unwrap_or_else(|| panic!("{index} has an outcome: {place:?}")))
        .filter(|fault| fault.code != "incomplete")
        .collect();
    assert!(!faults.is_empty(), "nobody found it: {place:?}");
    faults
}

/// A wrong value of a polynomial shows only in the sum of all, whose it was does not.
const FRAGMENT: (usize, bool) = (0, false);

#[test]
fn who_sends_what_is_of_another_key_generation_is_named_but_for_a_wrong_fragment() {
    let mut other = all_sent(keygen_members(parameters(2, 2), [9; 32]));
    assert_eq!(other.len(), 2 * 5);
    // With t = n every value is one of some polynomial of degree t - 1: no fragment is wrong.
    other.retain(|(_, round, _), _| *round > 0);
    require_named(|| keygen_members(parameters(2, 2), SESSION), &other, &[]);
}

#[test]
fn a_wrong_fragment_in_key_generation_is_found_by_all_and_names_nobody() {
    let place = Place { culprit: 1, round: 0, receiver: Some(2) };
    let one_off = |message: &mut Vec<u8>| message[SCALAR - 1] ^= 1;
    for outcome in disturbed(keygen_members(parameters(2, 3), SESSION), place, one_off).into_values() {
        let fault = outcome.err().expect("there is a key");
        assert_eq!((fault.code, fault.member, fault.ban), ("cosigner-protocol-failed", None, false));
    }
}

#[test]
fn who_sends_what_is_of_another_refresh_is_named_but_for_a_wrong_fragment() {
    let shares = two_of_two();
    let other = all_sent(refresh_members(shares, [9; 32]));
    assert_eq!(other.len(), 2 * 5);
    require_named(|| refresh_members(shares, SESSION), &other, &[FRAGMENT]);
}

fn two_of_two() -> &'static Shares {
    static SHARES: OnceLock<Shares> = OnceLock::new();
    SHARES.get_or_init(|| generate(2, 2))
}

/// A refresh whose polynomial is not zero at 0 would change the key.
#[test]
fn a_fragment_that_would_move_the_key_is_found() {
    let place = Place { culprit: 1, round: 0, receiver: Some(2) };
    let one_more = |message: &mut Vec<u8>| message[SCALAR - 1] ^= 1;
    for fault in faults(disturbed(refresh_members(two_of_two(), SESSION), place, one_more), place) {
        assert_eq!((fault.code, fault.member), ("cosigner-protocol-failed", None));
    }
}

/// Two proofs for one commitment: the second is chosen after the others' are seen.
#[test]
fn a_proof_that_was_not_committed_to_is_refused() {
    let place = Place { culprit: 2, round: 2, receiver: None };
    let honest = refresh_members(two_of_two(), SESSION);
    let challenge_of_the_first = Proof::LENGTH - SCALAR - 1;
    let outcomes = disturbed(honest, place, |message| message[challenge_of_the_first] ^= 1);
    for fault in faults(outcomes, place) {
        assert_eq!((fault.code, fault.member, fault.ban), ("cosigner-proof-wrong", Some(2), false));
    }
}

#[test]
fn a_wrong_term_of_a_repair_gives_no_share_and_names_nobody() {
    let (shares, helpers) = (two_of_three(), BTreeSet::from([1, 2]));
    let place = Place { culprit: 1, round: 0, receiver: Some(3) };
    for at in [3, 40, 80] {
        let members = repair_members(shares, &helpers, 3);
        let mut outcomes = disturbed(members, place, |message| message[at] ^= 1);
        let fault = outcomes.remove(&3).unwrap().err().unwrap();
        assert_eq!((fault.code, fault.member, fault.ban), ("cosigner-share-wrong", None, false));
    }
}

fn signing_members(session: [u8; 32], digest: [u8; 32]) -> Members<GroupSignature> {
    signers(two_of_three(), &BTreeSet::from([1, 3]), session, digest)
}

/// Another session, another digest, another epoch: found before the transfers are touched, so nobody is banned for it.
#[test]
fn who_sends_what_is_of_another_signature_is_named_and_not_banned() {
    let last = [(2, true)];
    for (session, digest) in [([9; 32], DIGEST), (SESSION, [1; 32]), (SESSION, DIGEST)] {
        let mut other = all_sent(signing_members(session, digest));
        if session == SESSION && digest == DIGEST {
            // The first message of another attempt with the same id would do as well as the one that it replaces, and
            // fails where the answer to it comes: session ids never come twice.
            other.retain(|(_, round, _), _| *round > 0);
        }
        require_named(|| signing_members(SESSION, DIGEST), &other, &last);
    }
}

/// A message of the right session whose transfers are false: the library asks for a ban, and so do we.
#[test]
fn whoever_fails_a_check_of_oblivious_transfers_is_banned() {
    let first = TransmitPhase1to2::LENGTH;
    // A row of the extension; the values that it is checked by.
    for at in [first / 2, first - 1, first - 256 * 26 - 10] {
        require_banned(0, |message| message[at] ^= 1);
    }
    // Corrections; the hash and the scalars that they are checked by; the adjusted input; points that do not fit what
    // was multiplied: gamma of the nonce, gamma and public part of the share.
    for change in [
        (|message: &mut Multiplied| message.mul_transmit.vector_of_tau[1][7] += k256::Scalar::ONE) as Change,
        |message| message.mul_transmit.ote_salt[0] ^= 1,
        |message| message.mul_transmit.verify_r[0] ^= 1,
        |message| message.mul_transmit.verify_u[1] += k256::Scalar::ONE,
        |message| message.mul_transmit.gamma_sender[0] += k256::Scalar::ONE,
        |message| std::mem::swap(&mut message.gamma_u, &mut message.gamma_v),
        |message| message.gamma_v = message.public_share,
        |message| message.public_share = message.gamma_v,
    ] {
        require_banned(1, |bytes| rewrite(bytes, change));
    }
}

type Change = fn(&mut Multiplied);

fn rewrite(bytes: &mut Vec<u8>, change: Change) {
    let mut message: Multiplied = postcard::from_bytes(bytes).unwrap();
    change(&mut message);
    *bytes = encode(&message, Multiplied::LENGTH).unwrap().to_vec();
}

fn require_banned(round: usize, change: impl Fn(&mut Vec<u8>)) {
    for (culprit, receiver) in [(1, 3), (3, 1)] {
        let place = Place { culprit, round, receiver: Some(receiver) };
        let outcomes = disturbed(signing_members(SESSION, DIGEST), place, &change);
        for fault in faults(outcomes, place) {
            assert_eq!(
                (fault.code, fault.member, fault.ban),
                ("cosigner-proof-wrong", Some(culprit), true),
                "{place:?}"
            );
        }
    }
}

/// What was committed to in round 0 is opened to something else in round 1.
#[test]
fn a_nonce_point_that_was_not_committed_to_names_its_sender_without_a_ban() {
    for change in [
        (|message: &mut Multiplied| message.instance_point = message.gamma_u) as Change,
        |message| message.psi += k256::Scalar::ONE,
        |message| message.salt[0] ^= 1,
    ] {
        let place = Place { culprit: 3, round: 1, receiver: Some(1) };
        let outcomes = disturbed(signing_members(SESSION, DIGEST), place, |bytes| rewrite(bytes, change));
        for fault in faults(outcomes, place) {
            assert_eq!((fault.code, fault.member, fault.ban), ("cosigner-proof-wrong", Some(3), false));
        }
    }
}

#[test]
fn wrong_summands_make_no_signature() {
    let place = Place { culprit: 1, round: 2, receiver: None };
    for at in [SCALAR - 1, 2 * SCALAR - 1] {
        let outcomes = disturbed(signing_members(SESSION, DIGEST), place, |message| message[at] ^= 1);
        for fault in faults(outcomes, place) {
            assert_eq!((fault.code, fault.member, fault.ban), ("cosigner-protocol-failed", None, false));
        }
    }
}

/// Who speaks last can make either sum zero: s would be 0, or be divided by 0.
#[test]
fn summands_that_cancel_those_of_the_others_make_no_signature() {
    for (cancel_u, cancel_w) in [(true, false), (false, true), (true, true)] {
        let mut first = None;
        let mut outcomes = run(signing_members(SESSION, DIGEST), |_, sender, outbox| {
            let Some(bytes) = outbox.broadcast.as_mut() else { return };
            let mut own: Summand = postcard::from_bytes(bytes).unwrap();
            let Some((u, w)) = first else {
                first = Some((own.u, own.w));
                return;
            };
            assert_eq!(sender, 3);
            own.u = if cancel_u { -u } else { own.u };
            own.w = if cancel_w { -w } else { own.w };
            *bytes = encode(&own, Summand::LENGTH).unwrap().to_vec();
        });
        let fault = outcomes.remove(&1).unwrap().unwrap_err();
        assert_eq!((fault.code, fault.member, fault.ban), ("cosigner-protocol-failed", None, false));
    }
}

/// All three fail alike, and the two honest ones name who signs something else.
#[test]
fn a_signer_that_takes_another_digest_is_named_by_both_others() {
    let shares = generate(3, 3);
    let set = BTreeSet::from([1, 2, 3]);
    let members = begin(parameters(3, 3), &set, SESSION, |seat| {
        let KeyShare { body, group_key } = &shares[&seat.me];
        let digest = if seat.me == 2 { [1; 32] } else { DIGEST };
        signing::start(seat, body, group_key, digest, &BTreeSet::new())
    });
    let mut outcomes = run(members, |_, _, _| ());
    outcomes.remove(&2);
    for outcome in outcomes.into_values() {
        let fault = outcome.unwrap_err();
        assert_eq!((fault.code, fault.member, fault.ban), ("cosigner-share-wrong", Some(2), false));
    }
}
