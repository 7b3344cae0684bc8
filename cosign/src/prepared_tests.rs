//! Prepared commitments among members, with what a coordinator could do to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Barrier;
use std::thread;

use hyperkms_core::root_file::RootFile;
use hyperkms_core::single::KeyType;
use hyperkms_core::verify::verify_ed25519;

use crate::form::Form;
use crate::frost;
use crate::group::Group;
use crate::identity::Identity;
use crate::prepared::{aggregate, prepare, session_of, sign_share, Own, Waiting};
use crate::protocol::{Index, KeyShare, Seat};
use crate::share_context::ShareContext;
use crate::testing::{context, group_of, run, Member};

struct Members {
    group: Group,
    identities: Vec<(Identity, RootFile)>,
    shares: BTreeMap<Index, KeyShare>,
    contexts: BTreeMap<Index, ShareContext>,
    waiting: BTreeMap<Index, Waiting>,
}

impl Members {
    fn new(name: &str) -> Members {
        let (group, identities) = group_of(2, 3, name);
        let set = group.parameters.everyone();
        let started = set.iter().map(|me| {
            let seat = Seat { me: *me, parameters: group.parameters, set: set.clone(), session: [7; 32] };
            let (outbox, machine) = frost::keygen::start(seat).unwrap();
            (*me, Member { outbox, machine })
        });
        let shares = run(started.collect(), |_, _, _| ()).into_iter().map(|(index, made)| (index, made.unwrap()));
        let shares = shares.collect();
        let contexts = set.iter().map(|me| (*me, context(&group, KeyType::Ed25519, *me))).collect();
        let waiting = set.iter().map(|me| (*me, Waiting::default())).collect();
        Members { group, identities, shares, contexts, waiting }
    }

    fn own(&self, me: Index) -> Own<'_> {
        let share = &self.shares[&me];
        let identity = &self.identities[usize::from(me) - 1].0;
        let (context, group_key) = (&self.contexts[&me], &share.group_key);
        Own { identity, group: &self.group, context, group_key, body: &share.body }
    }

    fn prepare(&self, signers: &BTreeSet<Index>) -> Vec<Vec<u8>> {
        signers.iter().map(|me| prepare(self.own(*me), &self.waiting[me], signers).unwrap().1).collect()
    }

    fn share(
        &self,
        me: Index,
        signers: &BTreeSet<Index>,
        given: &[Vec<u8>],
        form: &Form,
    ) -> Result<Vec<u8>, &'static str> {
        sign_share(self.own(me), &self.waiting[&me], signers, given, form).map_err(|fault| fault.code)
    }

    fn aggregate(
        &self,
        signers: &BTreeSet<Index>,
        given: &[Vec<u8>],
        form: &Form,
        shares: &[Vec<u8>],
    ) -> Result<[u8; 64], (&'static str, Option<Index>)> {
        let key = &self.shares[&1].group_key;
        aggregate(&self.group, &self.contexts[&1], key, signers, given, form, shares)
            .map(|signature| signature.bytes)
            .map_err(|fault| (fault.code, fault.member))
    }
}

fn form(words: &str) -> Form {
    Form::ed25519(words.as_bytes()).unwrap()
}

fn set(members: [Index; 2]) -> BTreeSet<Index> {
    members.into()
}

#[test]
fn any_two_sign_in_one_round_trip() {
    let members = Members::new("prepared-any");
    for signers in [set([1, 2]), set([1, 3]), set([2, 3])] {
        let given = members.prepare(&signers);
        let shares: Vec<_> =
            signers.iter().map(|me| members.share(*me, &signers, &given, &form("words")).unwrap()).collect();
        let signature = members.aggregate(&signers, &given, &form("words"), &shares).unwrap();
        verify_ed25519(&members.shares[&1].group_key.public_key, b"words", &signature).unwrap();
        let turned: Vec<_> = given.iter().rev().cloned().collect();
        assert_eq!(session_of(&given).unwrap(), session_of(&turned).unwrap());
    }
}

#[test]
fn a_commitment_is_used_once_whatever_it_came_to() {
    let members = Members::new("prepared-once");
    let signers = set([1, 2]);
    let given = members.prepare(&signers);
    members.share(1, &signers, &given, &form("one")).unwrap();
    assert_eq!(members.share(1, &signers, &given, &form("one")), Err("commitment-used"));
    assert_eq!(members.share(1, &signers, &given, &form("two")), Err("commitment-used"));

    let given = members.prepare(&signers);
    let mut changed = given.clone();
    changed[1][40] ^= 1;
    assert_eq!(members.share(1, &signers, &changed, &form("one")), Err("message-not-authentic"));
    assert_eq!(members.share(1, &signers, &given, &form("one")), Err("commitment-used"));

    let eip191 = Form::eip191(b"words");
    let given = members.prepare(&signers);
    assert_eq!(members.share(1, &signers, &given, &eip191), Err("wrong-key-type"));
    assert_eq!(members.share(1, &signers, &given, &form("one")), Err("commitment-used"));
}

#[test]
fn of_many_that_race_for_one_commitment_one_gets_a_share() {
    let members = Members::new("prepared-race");
    let signers = set([1, 2]);
    let rounds = std::env::var("HYPERKMS_TEST_NONCE_RACES").ok().and_then(|text| text.parse().ok()).unwrap_or(500);
    for round in 0..rounds {
        let given = members.prepare(&signers);
        let (start, won) = (Barrier::new(2), AtomicUsize::new(0));
        thread::scope(|scope| {
            for racer in 0..2 {
                let (members, signers, given, start, won) = (&members, &signers, &given, &start, &won);
                scope.spawn(move || {
                    let words = form(&format!("{round} {racer}"));
                    start.wait();
                    if members.share(1, signers, given, &words).is_ok() {
                        won.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(won.into_inner(), 1, "round {round}");
        members.waiting[&2].forget();
    }
}

#[test]
fn sixteen_are_kept_for_the_same_signers_and_no_more() {
    let members = Members::new("prepared-most");
    let signers = set([1, 2]);
    let all: Vec<_> = (0..17).map(|_| members.prepare(&signers)).collect();
    assert_eq!(members.share(1, &signers, &all[0], &form("first")), Err("commitment-used"));
    for given in &all[1..] {
        members.share(1, &signers, given, &form("words")).unwrap();
    }
}

#[test]
fn commitments_are_for_their_own_signers_share_and_epoch() {
    let mut members = Members::new("prepared-misplaced");
    let (one_two, one_three) = (set([1, 2]), set([1, 3]));
    let given = members.prepare(&one_two);
    let other = members.prepare(&one_three);
    let mixed = vec![given[0].clone(), other[1].clone()];
    assert_eq!(members.share(1, &one_two, &mixed, &form("words")), Err("commitment-misplaced"));
    let given = members.prepare(&one_two);
    assert_eq!(members.share(1, &one_two, &given[..1], &form("words")), Err("commitments-incomplete"));
    let given = members.prepare(&one_two);
    let epoch = members.contexts[&1].next().unwrap();
    members.contexts.insert(1, epoch);
    assert_eq!(members.share(1, &one_two, &given, &form("words")), Err("commitment-misplaced"));
}

#[test]
fn a_share_is_of_its_session_and_message_and_a_wrong_one_names_its_maker() {
    let members = Members::new("prepared-shares");
    let signers = set([1, 2]);
    let words = form("words");
    let given = members.prepare(&signers);
    let first = members.share(1, &signers, &given, &words).unwrap();
    let second = members.share(2, &signers, &given, &words).unwrap();
    for place in 0..second.len() {
        let mut changed = second.clone();
        changed[place] ^= 1;
        let refused = members.aggregate(&signers, &given, &words, &[first.clone(), changed]).unwrap_err();
        assert_eq!(refused.1, None, "what the coordinator changed names nobody: byte {place}");
    }
    let refused = members.aggregate(&signers, &given, &form("other"), &[first.clone(), second.clone()]);
    assert_eq!(refused.unwrap_err().0, "share-of-another-session");
    let refused = members.aggregate(&signers, &given, &words, std::slice::from_ref(&first));
    assert_eq!(refused.unwrap_err().0, "shares-incomplete");

    // Member 2 itself signs a share that is wrong: it computed with other nonces.
    let again = members.prepare(&signers);
    let other = members.share(2, &signers, &again, &words).unwrap();
    let mut lie = second[..second.len() - 64].to_vec();
    let at = lie.len() - 32;
    lie[at..].copy_from_slice(&other[at..at + 32]);
    let label = b"hyperkms cosigner signature share v1\n";
    let signature = members.identities[1].0.sign(label, &[&lie]).unwrap();
    lie.extend(signature);
    let refused = members.aggregate(&signers, &given, &words, &[first, lie]).unwrap_err();
    assert_eq!(refused.1, Some(2), "{refused:?}");
}
