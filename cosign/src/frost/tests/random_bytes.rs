//! Messages that no protocol made: none makes a member panic, and of none comes a key, a share or a signature.

use super::*;
use crate::testing::Noise;

const MESSAGES: u64 = 10_000;

/// Member 2 spoils what member 1 is sent in this round.
fn spoiled<T>(
    members: BTreeMap<Index, Member<T>>,
    round: usize,
    noise: &mut Noise,
    receiver: Index,
) -> Result<T, Fault> {
    let mut outcomes = run(members, |now, sender, outbox| {
        if (now, sender) == (round, 2) {
            let broadcast = outbox.broadcast.as_mut();
            broadcast
                .or(outbox.direct.get_mut(&receiver).map(|direct| &mut **direct))
                .map(|message| *message = noise.spoil(message))
                .unwrap();
        }
    });
    outcomes.remove(&receiver).unwrap()
}

#[test]
fn ten_thousand_random_messages_bring_no_panic_and_no_key() {
    let mut noise = Noise(0x6879_7065_726b_6d73);
    let (pair, three) = (generate(2, 2), generate(2, 3));
    let helpers = BTreeSet::from([1, 2]);
    for number in 0..MESSAGES {
        let round = usize::from(number % 2 == 1);
        let failed = match number % 8 {
            0 | 1 => spoiled(keygen_members(parameters(2, 2)), round, &mut noise, 1).is_err(),
            2 | 3 => spoiled(refresh_members(&pair), round, &mut noise, 1).is_err(),
            4 => !matches!(spoiled(repair_members(&three, &helpers, 3), 0, &mut noise, 1), Ok(Some(_))),
            5 => spoiled(repair_members(&three, &helpers, 3), 1, &mut noise, 3).is_err(),
            6 => signed_with_a_spoiled_commitment(&pair, &mut noise).is_err(),
            _ => aggregated_from_a_spoiled_share(&pair, &mut noise).is_err(),
        };
        assert!(failed, "message {number}");
    }
}

fn signed_with_a_spoiled_commitment(shares: &Shares, noise: &mut Noise) -> Result<GroupSignature, Fault> {
    let mut prepared = prepare_all(shares, &BTreeSet::from([1, 2]));
    let honest = prepared.commitments.clone();
    let commitment = prepared.commitments.get_mut(&2).unwrap();
    *commitment = noise.spoil(commitment);
    let mut made = BTreeMap::new();
    for (me, nonces) in prepared.nonces {
        let KeyShare { body, group_key } = &shares[&me];
        let seen = if me == 2 { &honest } else { &prepared.commitments };
        made.insert(me, sign_share(nonces, body, group_key, me, seen, b"message")?.to_vec());
    }
    aggregate(group_key(shares), &prepared.commitments, b"message", &made)
}

fn aggregated_from_a_spoiled_share(shares: &Shares, noise: &mut Noise) -> Result<GroupSignature, Fault> {
    let prepared = prepare_all(shares, &BTreeSet::from([1, 2]));
    let commitments = prepared.commitments.clone();
    let mut made = shares_of_signature(shares, prepared, b"message");
    let share = made.get_mut(&2).unwrap();
    *share = noise.spoil(share);
    aggregate(group_key(shares), &commitments, b"message", &made)
}
