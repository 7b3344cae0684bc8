//! What the steps cost, one after another in one process:
//! `cargo test --release -p hyperkms-cosign dkls::tests::measure -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use super::*;
use crate::dkls::share::body_length;
use crate::protocol::{Inbox, Step};

const TIMES: usize = 21;

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn timed<T>(times: usize, mut work: impl FnMut() -> T) -> Duration {
    let once = |_| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    median((0..times).map(once).collect())
}

#[test]
#[ignore = "prints medians, and decides nothing"]
fn measure() {
    let shares = generate(2, 3);
    let pair = BTreeSet::from([1, 2]);
    let keygen = timed(TIMES, || generate(2, 3));
    let refresh = timed(TIMES, || refreshed(&shares));
    let repair = timed(TIMES, || undisturbed(repair_members(&shares, &pair, 3)));
    let sign = timed(10 * TIMES, || undisturbed(signers(&shares, &pair, SESSION, DIGEST)));
    let share = &shares[&1];
    let open = timed(10 * TIMES, || crate::dkls::open(&share.body, &share.group_key, 1).unwrap());
    println!("keygen of 2-of-3, a member: {:?}", keygen / 3);
    println!("refresh of 2-of-3, a member: {:?}", refresh / 3);
    println!("repair in 2-of-3, two helpers and the target: {repair:?}");
    println!("signing by two, a member: {:?} (of which opening the share: {open:?})", sign / 2);
    for members in 2..=5 {
        println!(
            "body with {members} members: {} bytes, hollow {}",
            body_length(members, false),
            body_length(members, true)
        );
    }
    print_sizes("keygen", keygen_members(parameters(2, 3), SESSION));
    print_sizes("refresh", refresh_members(&shares, SESSION));
    print_sizes("repair", repair_members(&shares, &pair, 3));
    print_sizes("signing", signers(&shares, &pair, SESSION, DIGEST));
}

fn print_sizes<T>(what: &str, members: Members<T>) {
    run(members, |round, sender, outbox| {
        if sender == 1 {
            let to_all = outbox.broadcast.as_ref().map_or(0, Vec::len);
            let to_each: Vec<_> = outbox.direct.values().map(|message| message.len()).collect();
            println!("{what}, round {round}: to all {to_all} bytes, to each {to_each:?}");
        }
    });
}

/// Signing by two, round by round at one of them.
#[test]
#[ignore = "prints medians, and decides nothing"]
fn measure_rounds_of_signing() {
    let shares = generate(2, 3);
    let pair = BTreeSet::from([1, 2]);
    let mut spent: Vec<Vec<Duration>> = vec![Vec::new(); 3];
    for _ in 0..10 * TIMES {
        let mut members = signers(&shares, &pair, SESSION, DIGEST);
        for round in &mut spent {
            members = one_round(members, round);
        }
    }
    for (round, times) in spent.into_iter().enumerate() {
        println!("signing, what follows round {round}, a member: {:?}", median(times));
    }
}

/// Messages are handed on; what the first member spends on it is noted.
pub fn one_round(members: Members<GroupSignature>, spent: &mut Vec<Duration>) -> Members<GroupSignature> {
    let mut inboxes: BTreeMap<Index, Inbox> = members.keys().map(|index| (*index, Inbox::default())).collect();
    for (sender, member) in &members {
        for (receiver, inbox) in &mut inboxes {
            if let Some(message) = member.outbox.direct.get(receiver) {
                inbox.direct.insert(*sender, message.clone());
            }
            if let Some(message) = member.outbox.broadcast.as_ref().filter(|_| receiver != sender) {
                inbox.broadcasts.insert(*sender, message.clone());
            }
        }
    }
    let step = |(index, member): (Index, Member<GroupSignature>)| {
        let start = Instant::now();
        let step = member.machine.step(inboxes.remove(&index).unwrap()).unwrap();
        if index == 1 {
            spent.push(start.elapsed());
        }
        match step {
            Step::Send(outbox, machine) => Some((index, Member { outbox, machine })),
            Step::Done(_) => None,
        }
    };
    members.into_iter().filter_map(step).collect()
}
