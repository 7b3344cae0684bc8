//! What the steps cost, one after another in one process:
//! `cargo test --release -p hyperkms-cosign measure -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use super::*;

const TIMES: usize = 201;

#[derive(Default)]
struct Spent(BTreeMap<&'static str, Vec<Duration>>);

impl Spent {
    fn on<T>(&mut self, step: &'static str, work: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = work();
        self.0.entry(step).or_default().push(start.elapsed());
        result
    }
}

#[test]
#[ignore = "prints medians, and decides nothing"]
fn measure() {
    let mut spent = Spent::default();
    for _ in 0..TIMES {
        let shares = spent.on("keygen of 2-of-3, all three members", || generate(2, 3));
        spent.on("refresh of 2-of-3, all three members", || undisturbed(refresh_members(&shares)));
        spent.on("repair of 2-of-3, two helpers and target", || {
            undisturbed(repair_members(&shares, &BTreeSet::from([1, 2]), 3))
        });
        let KeyShare { body, group_key } = &shares[&1];
        spent.on("prepare", || prepare(body, group_key, 1).unwrap());
        let mut prepared = prepare_all(&shares, &BTreeSet::from([1, 2]));
        let commitments = prepared.commitments.clone();
        let nonces = prepared.nonces.remove(&1).unwrap();
        let first =
            spent.on("sign_share", || sign_share(nonces, body, group_key, 1, &commitments, b"message")).unwrap();
        let mut made = shares_of_signature(&shares, prepared, b"message");
        made.insert(1, first.to_vec());
        spent.on("aggregate", || aggregate(group_key, &commitments, b"message", &made)).unwrap();
    }
    for (step, mut times) in spent.0 {
        times.sort_unstable();
        println!("{step}: median {:?}", times[TIMES / 2]);
    }
}
