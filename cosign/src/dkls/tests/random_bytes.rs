//! Messages that no protocol made: none makes a member panic, and of none comes a share or a signature.

use std::panic::{catch_unwind, AssertUnwindSafe};

use super::*;
use crate::dkls::messages::{read_each, Message, MulSetup, Multiplied, Proof, Summand, Term};
use crate::testing::Noise;
use dkls23_secp256k1::protocols::dkg::{
    BroadcastDerivationPhase2to4, BroadcastDerivationPhase3to4, TransmitInitZeroSharePhase2to4,
    TransmitInitZeroSharePhase3to4,
};
use dkls23_secp256k1::protocols::signing::TransmitPhase1to2;
use dkls23_secp256k1::utilities::hashes::HashOutput;
use k256::Scalar;

const MESSAGES: usize = 10_000;

/// Whether it was read; what was read gives the same bytes again.
fn read<M: Message>(bytes: &[u8]) -> bool {
    match read_each::<_, M>(std::iter::once(2), &BTreeMap::from([(2, bytes.to_vec())]), 1) {
        Ok(read) => {
            assert_eq!(postcard::to_allocvec(&read[&2]).unwrap(), bytes);
            true
        }
        Err(fault) => {
            assert_eq!((fault.code, fault.member, fault.ban), ("cosigner-message-malformed", Some(2), false));
            false
        }
    }
}

type Reader = fn(&[u8]) -> bool;

/// What member 2 sends to all or to member 1 in a run, with the readers of these messages in their order.
fn honest<T>(members: Members<T>, readers: &[Reader]) -> Vec<(Vec<u8>, Reader)> {
    let mut sent = Vec::new();
    run(members, |_, sender, outbox| {
        if sender == 2 {
            sent.extend(outbox.broadcast.clone());
            sent.extend(outbox.direct.get(&1).map(|message| message.to_vec()));
        }
    });
    assert_eq!(sent.len(), readers.len());
    sent.into_iter().zip(readers.iter().copied()).collect()
}

#[test]
fn ten_thousand_spoiled_messages_are_read_or_refused_and_nothing_else() {
    let shares = two_of_three();
    let setup: [Reader; 5] = [
        read::<Scalar>,
        read::<(HashOutput, BroadcastDerivationPhase2to4)>,
        read::<TransmitInitZeroSharePhase2to4>,
        read::<(Proof, BroadcastDerivationPhase3to4)>,
        read::<(TransmitInitZeroSharePhase3to4, MulSetup)>,
    ];
    let signing: [Reader; 3] = [read::<TransmitPhase1to2>, read::<Multiplied>, read::<Summand>];
    let mut kinds = honest(keygen_members(parameters(2, 2), SESSION), &setup);
    kinds.extend(honest(signers(shares, &BTreeSet::from([1, 2]), SESSION, DIGEST), &signing));
    kinds.extend(honest(repair_members(shares, &BTreeSet::from([2, 3]), 1), &[read::<Term>]));
    assert!(kinds.iter().all(|(message, reader)| reader(message)), "an honest message is refused");
    let mut noise = Noise(0x1d2e_3f40_5162_7384);
    let mut refused = 0;
    for at in 0..MESSAGES {
        let (message, reader) = &kinds[at % kinds.len()];
        refused += usize::from(!reader(&noise.spoil(message)));
    }
    assert!(refused > MESSAGES / 2, "only {refused} were refused");
}

/// Spoiled messages that pass for their form go all the way.
#[test]
fn no_spoiled_message_of_signing_makes_a_signature_or_a_panic() {
    let mut noise = Noise(0x0123_4567_89ab_cdef);
    for attempt in 0..300 {
        let round = attempt % 3;
        let members = signers(two_of_three(), &BTreeSet::from([1, 2]), SESSION, DIGEST);
        let mut outcomes = catch_unwind(AssertUnwindSafe(|| {
            run(members, |now, sender, outbox| {
                if (now, sender) == (round, 2) {
                    if let Some(message) = outbox.broadcast.as_mut() {
                        *message = noise.spoil(message);
                    }
                    if let Some(message) = outbox.direct.get_mut(&1) {
                        **message = noise.spoil(message);
                    }
                }
            })
        }))
        .expect("no message makes a member panic");
        let fault = outcomes.remove(&1).unwrap().expect_err("a signature was made");
        assert!(fault.member == Some(2) || (round == 2 && fault.member.is_none()), "{fault:?}");
    }
}
