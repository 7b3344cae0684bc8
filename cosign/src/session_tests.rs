//! Sessions of all members, with a relay in between that may do what it likes.

use std::collections::BTreeMap;

use hyperkms_core::single::KeyType;

use crate::envelope::{Header, Kind, EVERYONE};
use crate::frost;
use crate::group::Group;
use crate::identity::Identity;
use crate::protocol::{Fault, Index, KeyShare};
use crate::session::{mapped, Outcome, Session, Start, Topic};
use crate::testing::{context, group_of};

type Ended = BTreeMap<Index, Result<KeyShare, Fault>>;

fn keygen(group: &Group, identity: &Identity, me: Index, detail: &[u8]) -> Session {
    let start: Start = Box::new(|seat| mapped(frost::keygen::start(seat), Outcome::Share));
    let (own, set) = (context(group, KeyType::Ed25519, me), group.parameters.everyone());
    let topic = Topic { what: "keygen", context: &own, set: &set, detail };
    Session::open(identity, group, &topic, true, start).unwrap()
}

/// All members generate; the relay may change, drop or double what it hands on: (round from 0, receiver, messages).
fn generate(name: &str, mut relay: impl FnMut(usize, Index, &mut Vec<Vec<u8>>)) -> Ended {
    let (group, members) = group_of(2, 3, name);
    let mut sessions: BTreeMap<Index, Session> = BTreeMap::new();
    for (index, (identity, _)) in (1..).zip(&members) {
        sessions.insert(index, keygen(&group, identity, index, b""));
    }
    let openings: BTreeMap<Index, Vec<u8>> =
        sessions.iter().map(|(index, session)| (*index, session.opening().to_vec())).collect();
    let mut ended = Ended::new();
    let mut sent: BTreeMap<Index, Vec<Vec<u8>>> = BTreeMap::new();
    for (round, _) in (0..20).enumerate() {
        let mut given = BTreeMap::new();
        for (index, session) in &mut sessions {
            if ended.contains_key(index) {
                continue;
            }
            let identity = &members[usize::from(*index) - 1].0;
            let answer = if round == 0 {
                let mut others: Vec<Vec<u8>> =
                    openings.iter().filter(|(other, _)| *other != index).map(|(_, bytes)| bytes.clone()).collect();
                relay(round, *index, &mut others);
                session.begin(identity, &others)
            } else {
                let mut messages: Vec<Vec<u8>> = sent
                    .iter()
                    .filter(|(sender, _)| *sender != index)
                    .flat_map(|(_, messages)| messages.iter().filter(|message| is_for(message, *index)).cloned())
                    .collect();
                relay(round, *index, &mut messages);
                session.advance(identity, &messages)
            };
            match answer {
                Err(fault) => {
                    ended.insert(*index, Err(fault));
                    assert!(session.take().is_err(), "what failed has no outcome");
                }
                Ok(_) if session.is_done() => {
                    let Ok(Outcome::Share(share)) = session.take() else { panic!("no share") };
                    assert!(session.take().is_err(), "an outcome is taken once");
                    ended.insert(*index, Ok(share));
                }
                Ok(messages) => {
                    given.insert(*index, messages);
                }
            }
        }
        sent = given;
        if ended.len() == members.len() {
            break;
        }
    }
    ended
}

fn is_for(message: &[u8], index: Index) -> bool {
    let (header, _) = Header::read(message).unwrap();
    header.receiver == index || header.receiver == EVERYONE
}

#[test]
fn all_members_come_to_one_key() {
    let ended = generate("session-all", |_, _, _| ());
    let keys: Vec<_> = ended.values().map(|share| share.as_ref().unwrap().group_key.clone()).collect();
    assert_eq!(keys.len(), 3);
    assert!(keys.iter().all(|key| *key == keys[0]));
}

#[test]
fn whatever_the_relay_changes_nobody_is_named_and_who_noticed_has_no_key() {
    for round in 0..4 {
        for place in [0, 5, 6, 7, 8, 20, 45, 60, 90] {
            let ended = generate(&format!("session-{round}-{place}"), |at, receiver, messages| {
                if at == round && receiver == 2 {
                    if let Some(byte) = messages.first_mut().and_then(|message| message.get_mut(place)) {
                        *byte ^= 1;
                    }
                }
            });
            let faults: Vec<&Fault> = ended.values().filter_map(|each| each.as_ref().err()).collect();
            assert!(ended.get(&2).is_none_or(Result::is_err), "round {round}, byte {place}");
            assert!(faults.iter().all(|fault| fault.member.is_none() && !fault.ban), "{faults:?}");
        }
    }
}

#[test]
fn a_message_that_is_dropped_doubled_or_of_another_round_ends_the_session() {
    let mut earlier: Vec<Vec<u8>> = Vec::new();
    for (name, round) in [("drop", 1), ("double", 1), ("drop", 2), ("double", 3), ("earlier", 3)] {
        let ended = generate(&format!("session-{name}-{round}"), |at, receiver, messages| {
            if receiver != 3 {
                return;
            }
            if at == 1 {
                earlier.clone_from(messages);
            }
            if at == round {
                match name {
                    "drop" => messages.truncate(messages.len() - 1),
                    "double" => messages.push(messages[0].clone()),
                    _ => messages.clone_from(&earlier),
                }
            }
        });
        let fault = ended[&3].as_ref().err().unwrap();
        assert!(["messages-incomplete", "message-misplaced"].contains(&fault.code), "{name}: {fault:?}");
    }
}

#[test]
fn a_member_that_tells_two_members_different_things_is_found_by_the_echo() {
    // Member 1 runs twice; the relay hands the broadcast of one run to member 2 and of the other to member 3, under
    // openings that are the same: only a member itself could sign both.
    let (group, members) = group_of(2, 3, "session-two-faced");
    let mut first = keygen(&group, &members[0].0, 1, b"");
    let mut second = keygen(&group, &members[1].0, 2, b"");
    let mut third = keygen(&group, &members[2].0, 3, b"");
    let (one, two, three) = (first.opening().to_vec(), second.opening().to_vec(), third.opening().to_vec());
    let of_first = first.begin(&members[0].0, &[two.clone(), three.clone()]).unwrap();
    let of_second = second.begin(&members[1].0, &[one.clone(), three.clone()]).unwrap();
    let of_third = third.begin(&members[2].0, &[one, two]).unwrap();
    let (header, body) = Header::read(&of_first[0]).unwrap();
    assert_eq!(header.kind, Kind::Broadcast);
    let mut other_run = keygen(&group, &members[0].0, 1, b"");
    let others = [
        keygen(&group, &members[1].0, 2, b"").opening().to_vec(),
        keygen(&group, &members[2].0, 3, b"").opening().to_vec(),
    ];
    let another = other_run.begin(&members[0].0, &others).unwrap();
    let (_, other_body) = Header::read(&another[0]).unwrap();
    assert_ne!(body, other_body);
    let forged = crate::envelope::sign(header, &other_body[..other_body.len() - 64], &members[0].0).unwrap();

    let echo_of_second = second.advance(&members[1].0, &[of_first[0].clone(), of_third[0].clone()]).unwrap();
    let echo_of_third = third.advance(&members[2].0, &[forged, of_second[0].clone()]).unwrap();
    let echo_of_first = first.advance(&members[0].0, &[of_second[0].clone(), of_third[0].clone()]).unwrap();
    let heard = second.advance(&members[1].0, &[echo_of_first[0].clone(), echo_of_third[0].clone()]);
    assert_eq!(heard.err().unwrap().code, "broadcasts-differ");
    let heard = third.advance(&members[2].0, &[echo_of_first[0].clone(), echo_of_second[0].clone()]);
    assert_eq!(heard.err().unwrap().code, "broadcasts-differ");
}

#[test]
fn members_that_were_told_different_things_do_not_begin() {
    let (group, members) = group_of(2, 3, "session-topics");
    let mut first = keygen(&group, &members[0].0, 1, b"this");
    let second = keygen(&group, &members[1].0, 2, b"that");
    let third = keygen(&group, &members[2].0, 3, b"this");
    let openings = [second.opening().to_vec(), third.opening().to_vec()];
    assert_eq!(first.begin(&members[0].0, &openings).err().unwrap().code, "openings-differ");
}

#[test]
fn openings_are_of_the_set_each_signed_by_its_member_and_fresh() {
    let (group, members) = group_of(2, 3, "session-openings");
    let open = |index: Index| keygen(&group, &members[usize::from(index) - 1].0, index, b"");
    let (second, third) = (open(2).opening().to_vec(), open(3).opening().to_vec());
    let begin = |openings: &[Vec<u8>]| open(1).begin(&members[0].0, openings).map(|_| ()).map_err(|fault| fault.code);
    assert_eq!(begin(&[second.clone(), third.clone()]), Ok(()));
    assert_eq!(begin(std::slice::from_ref(&second)), Err("openings-incomplete"));
    assert_eq!(begin(&[second.clone(), second.clone()]), Err("openings-incomplete"));
    assert_eq!(begin(&[second.clone(), third.clone(), open(1).opening().to_vec()]), Err("openings-incomplete"));
    let mut forged = third.clone();
    forged[10] ^= 1;
    assert_eq!(begin(&[second.clone(), forged]), Err("opening-not-authentic"));
    let mut renamed = second.clone();
    renamed[5] = 3;
    assert_eq!(begin(&[second.clone(), renamed]), Err("opening-not-authentic"));
    let mut again = open(1);
    let ids: Vec<_> = (0..2)
        .map(|_| {
            let mut session = open(1);
            session.begin(&members[0].0, &[second.clone(), third.clone()]).unwrap();
            session.id().unwrap()
        })
        .collect();
    assert_ne!(ids[0], ids[1], "one's own contribution makes each session new");
    again.begin(&members[0].0, &[second.clone(), third.clone()]).unwrap();
    assert_eq!(again.begin(&members[0].0, &[second, third]).err().unwrap().code, "session-out-of-turn");
}

#[test]
fn who_is_not_the_member_it_says_opens_nothing() {
    let (group, members) = group_of(2, 3, "session-members");
    let start: Start = Box::new(|seat| mapped(frost::keygen::start(seat), Outcome::Share));
    let (own, set) = (context(&group, KeyType::Ed25519, 1), group.parameters.everyone());
    let topic = Topic { what: "keygen", context: &own, set: &set, detail: b"" };
    let refused = Session::open(&members[1].0, &group, &topic, true, start);
    assert_eq!(refused.err().unwrap().code, "not-this-member");
}
