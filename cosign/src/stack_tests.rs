//! No round of a protocol goes deeper into the stack than is wiped after it.

use std::collections::{BTreeMap, BTreeSet};

use hyperkms_core::memory::{deepest_of, on_deeply_wiped_stack, WIPED_DEEPLY};
use hyperkms_core::single::KeyType;

use crate::form::Form;
use crate::protocol::{Index, KeyShare, Seat};
use crate::session::{mapped, Outcome, Session, Start, Topic};
use crate::testing::{context, group_of};
use crate::{dkls, frost};

type Sessions = BTreeMap<Index, Session>;

/// Runs sessions of all members to their end; the outcomes.
fn finish(
    mut sessions: Sessions,
    members: &[(crate::identity::Identity, hyperkms_core::root_file::RootFile)],
) -> Vec<Outcome> {
    let identity = |index: Index| &members[usize::from(index) - 1].0;
    let openings: BTreeMap<Index, Vec<u8>> = sessions.iter().map(|(at, each)| (*at, each.opening().to_vec())).collect();
    let mut sent: Vec<(Index, Vec<u8>)> = Vec::new();
    for (index, session) in &mut sessions {
        let others: Vec<_> = openings.iter().filter(|(at, _)| *at != index).map(|(_, bytes)| bytes.clone()).collect();
        sent.extend(session.begin(identity(*index), &others).unwrap().into_iter().map(|message| (*index, message)));
    }
    while !sessions.values().all(Session::is_done) {
        let mut next = Vec::new();
        for (index, session) in &mut sessions {
            let inbox: Vec<Vec<u8>> = sent
                .iter()
                .filter(|(sender, message)| sender != index && [0, *index].contains(&message[8]))
                .map(|(_, message)| message.clone())
                .collect();
            next.extend(
                session.advance(identity(*index), &inbox).unwrap().into_iter().map(|message| (*index, message)),
            );
        }
        sent = next;
    }
    sessions.values_mut().map(|session| session.take().unwrap()).collect()
}

#[test]
fn no_round_uses_more_stack_than_is_wiped() {
    let (group, members) = group_of(2, 3, "stack");
    for key_type in [KeyType::Ed25519, KeyType::Secp256k1] {
        let deepest = deepest_of(|| {
            let set = group.parameters.everyone();
            let sessions = set.iter().map(|me| {
                let start: Start = Box::new(move |seat: Seat| match key_type {
                    KeyType::Ed25519 => mapped(frost::keygen::start(seat), Outcome::Share),
                    KeyType::Secp256k1 => mapped(dkls::keygen::start(seat), Outcome::Share),
                });
                let own = context(&group, key_type, *me);
                let topic = Topic { what: "keygen", context: &own, set: &set, detail: &[] };
                (*me, Session::open(&members[usize::from(*me) - 1].0, &group, &topic, true, start).unwrap())
            });
            let shares: Vec<KeyShare> = finish(sessions.collect(), &members)
                .into_iter()
                .map(|outcome| match outcome {
                    Outcome::Share(share) => share,
                    _ => panic!("no share"),
                })
                .collect();
            if key_type == KeyType::Ed25519 {
                on_deeply_wiped_stack(|| frost::signing::prepare(&shares[0].body, &shares[0].group_key, 1)).unwrap();
                return;
            }
            let signers: BTreeSet<Index> = [1, 2].into();
            let digest = Form::eip191(b"words").digest;
            let sessions = signers.iter().map(|me| {
                let share = &shares[usize::from(*me) - 1];
                let (body, group_key) = (share.body.clone(), share.group_key.clone());
                let start: Start = Box::new(move |seat: Seat| {
                    let banned = BTreeSet::new();
                    mapped(dkls::signing::start(seat, &body, &group_key, digest, &banned), Outcome::Signature)
                });
                let own = context(&group, key_type, *me);
                let topic = Topic { what: "sign", context: &own, set: &signers, detail: &digest };
                (*me, Session::open(&members[usize::from(*me) - 1].0, &group, &topic, false, start).unwrap())
            });
            finish(sessions.collect(), &members);
        });
        println!("{}: the deepest use of the stack is {deepest} bytes", key_type.name());
        assert!(deepest > 4096, "the measurement saw nothing");
        let allowed = if cfg!(debug_assertions) { WIPED_DEEPLY } else { WIPED_DEEPLY / 2 };
        assert!(deepest <= allowed, "{deepest} bytes used; {WIPED_DEEPLY} are wiped");
    }
}
