//! A lost share made again: t or more helpers give it back to its own member, and none of them learns it.
//!
//! `frost_ed25519::keys::repairable`: the repairable threshold scheme of Laing and Stinson (eprint 2017/1155).
//! Round 0, between helpers: a random part of the helper's own summand of the share (a scalar).
//! Round 1, from each helper to the target: the sum of the parts that it was given and its own (a scalar).
//! Helpers are believed to add rightly: a wrong sum is found by the target, but not whose it was.

use std::collections::{BTreeMap, BTreeSet};

use frost_ed25519::keys::repairable::{self, Delta, Sigma};
use frost_ed25519::keys::PublicKeyPackage;
use frost_ed25519::{Ed25519Sha512, Identifier};

use super::encoding::{identifier, member, read_each, SCALAR};
use super::faults::{failed, fault, set_wrong, share_wrong};
use super::randomness::Drawn;
use super::share::{keep, open, public_package};
use crate::protocol::{
    Expected, Fault, GroupKey, Inbox, Index, KeyShare, Machine, Outbox, Running, Seat, Secret, Step,
};

/// One of those who give; its outcome is none. `seat.set` is the helpers and the target.
pub fn helper(
    seat: Seat,
    target: Index,
    body: &[u8],
    group_key: &GroupKey,
) -> Result<(Outbox, Running<Option<KeyShare>>), Fault> {
    let helpers = helpers(&seat, target, group_key)?;
    if !helpers.contains(&seat.me) {
        return Err(set_wrong("a helper is in the set and is not the target"));
    }
    let key = open(body, group_key, seat.me)?;
    let identifiers: Vec<_> = helpers.iter().copied().map(identifier).collect::<Result<_, _>>()?;
    let mut parts =
        repairable::repair_share_part1::<Ed25519Sha512, _>(&identifiers, &key, &mut Drawn::new()?, identifier(target)?)
            .map_err(fault)?;
    let own = parts.remove(&identifier(seat.me)?).ok_or_else(|| failed("no part is our own"))?;
    let others: BTreeSet<_> = helpers.into_iter().filter(|helper| *helper != seat.me).collect();
    let outbox = Outbox { direct: write_parts(&parts)?, ..Outbox::default() };
    Ok((outbox, Box::new(Helping { others, target, own })))
}

/// The one that lost its share; its outcome is the share, which fits the public share that it had.
pub fn target(seat: Seat, group_key: &GroupKey) -> Result<(Outbox, Running<Option<KeyShare>>), Fault> {
    let helpers = helpers(&seat, seat.me, group_key)?;
    let public = public_package(group_key)?;
    let waiting = Waiting { me: seat.me, helpers, public, group_key: group_key.clone() };
    Ok((Outbox::default(), Box::new(waiting)))
}

fn helpers(seat: &Seat, target: Index, group_key: &GroupKey) -> Result<BTreeSet<Index>, Fault> {
    let everyone = group_key.parameters.everyone();
    let helpers: BTreeSet<_> = seat.set.iter().copied().filter(|index| *index != target).collect();
    let enough = helpers.len() >= group_key.parameters.threshold().into();
    if seat.parameters != group_key.parameters
        || !seat.set.contains(&target)
        || !seat.set.is_subset(&everyone)
        || !enough
    {
        let words = "a repair is a run of the target and at least t other members of the group";
        return Err(set_wrong(words));
    }
    Ok(helpers)
}

fn write_parts(parts: &BTreeMap<Identifier, Delta>) -> Result<BTreeMap<Index, Secret>, Fault> {
    let written = |(receiver, part): (_, &Delta)| {
        let receiver = member(receiver).ok_or_else(|| failed("a part was made for nobody"))?;
        Ok((receiver, Secret::new(part.serialize())))
    };
    parts.iter().map(written).collect()
}

struct Helping {
    others: BTreeSet<Index>,
    target: Index,
    own: Delta,
}

impl Machine for Helping {
    type Outcome = Option<KeyShare>;

    fn expects(&self) -> Expected {
        Expected { direct: self.others.clone(), ..Expected::default() }
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<Self::Outcome>, Fault> {
        let others = self.others.iter().copied();
        let mut parts: Vec<_> = read_each(others, &inbox.direct, SCALAR, Delta::deserialize)?.into_values().collect();
        parts.push(self.own);
        let sum = Secret::new(repairable::repair_share_part2(&parts).serialize());
        let outbox = Outbox { direct: BTreeMap::from([(self.target, sum)]), ..Outbox::default() };
        Ok(Step::Send(outbox, Box::new(Helped)))
    }
}

/// The helper's last message is under way.
struct Helped;

impl Machine for Helped {
    type Outcome = Option<KeyShare>;

    fn expects(&self) -> Expected {
        Expected::default()
    }

    fn step(self: Box<Self>, _: Inbox) -> Result<Step<Self::Outcome>, Fault> {
        Ok(Step::Done(None))
    }
}

/// The target in round 0, which is between the helpers.
struct Waiting {
    me: Index,
    helpers: BTreeSet<Index>,
    public: PublicKeyPackage,
    group_key: GroupKey,
}

impl Machine for Waiting {
    type Outcome = Option<KeyShare>;

    fn expects(&self) -> Expected {
        Expected::default()
    }

    fn step(self: Box<Self>, _: Inbox) -> Result<Step<Self::Outcome>, Fault> {
        Ok(Step::Send(Outbox::default(), Box::new(Receiving(*self))))
    }
}

struct Receiving(Waiting);

impl Machine for Receiving {
    type Outcome = Option<KeyShare>;

    fn expects(&self) -> Expected {
        Expected { direct: self.0.helpers.clone(), ..Expected::default() }
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<Self::Outcome>, Fault> {
        let Waiting { me, helpers, public, group_key } = self.0;
        let sums = read_each(helpers.into_iter(), &inbox.direct, SCALAR, Sigma::deserialize)?;
        let sums: Vec<_> = sums.into_values().collect();
        let key = repairable::repair_share_part3(&sums, identifier(me)?, &public).map_err(fault)?;
        if public.verifying_shares().get(key.identifier()) != Some(key.verifying_share()) {
            return Err(share_wrong(None, "what the helpers gave does not add up to the lost share"));
        }
        let share = keep(&key, &public, group_key.parameters)?;
        Ok(Step::Done(Some(share)))
    }
}
