//! A lost share made again: t or more helpers give it back to its own member, and none of them learns it.
//!
//! `protocols::repair`: each helper sends the target its summand of the share under a mask of the helpers' shares of zero.
//! What the target then holds is hollow: it cannot sign before a complete refresh of all members, which must follow.
//! Whoever starts a helper answers for it that the target is the member that it is said to be.

use std::collections::{BTreeMap, BTreeSet};

use dkls23_secp256k1::protocols::repair::repair_assemble;
use dkls23_secp256k1::PublicKeyPackage;

use super::faults::{repair_fault, set_wrong};
use super::messages::{party, read_each, write, Term};
use super::randomness::renew;
use super::share::{keep, open, public_package};
use crate::protocol::{Expected, Fault, GroupKey, Inbox, Index, KeyShare, Machine, Outbox, Running, Seat, Step};

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
    renew()?;
    let share = open(body, group_key, seat.me)?;
    let parties = helpers.into_iter().map(party).collect::<Result<Vec<_>, _>>()?;
    let term = share.repair_term(&parties, party(target)?, &seat.session).map_err(repair_fault)?;
    let outbox = Outbox { direct: BTreeMap::from([(target, write(&term)?)]), ..Outbox::default() };
    Ok((outbox, Box::new(Helped)))
}

/// The one that lost its share; its outcome is the share, hollow, which fits the public share that it had.
pub fn target(seat: Seat, group_key: &GroupKey) -> Result<(Outbox, Running<Option<KeyShare>>), Fault> {
    let helpers = helpers(&seat, seat.me, group_key)?;
    let public = public_package(group_key)?;
    Ok((Outbox::default(), Box::new(Receiving { me: seat.me, helpers, public, group_key: group_key.clone() })))
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
        return Err(set_wrong("a repair is a run of the target and at least t other members of the group"));
    }
    Ok(helpers)
}

/// The helper's only message is under way.
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

struct Receiving {
    me: Index,
    helpers: BTreeSet<Index>,
    public: PublicKeyPackage,
    group_key: GroupKey,
}

impl Machine for Receiving {
    type Outcome = Option<KeyShare>;

    fn expects(&self) -> Expected {
        Expected { direct: self.helpers.clone(), ..Expected::default() }
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<Self::Outcome>, Fault> {
        let Receiving { me, helpers, public, group_key } = *self;
        let terms: Vec<Term> = read_each(helpers.into_iter(), &inbox.direct, me)?.into_values().collect();
        let share = repair_assemble(&public, party(me)?, &terms, |_| String::new()).map_err(repair_fault)?;
        keep(&share, group_key).map(Some).map(Step::Done)
    }
}
