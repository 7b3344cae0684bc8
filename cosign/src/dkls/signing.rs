//! Signing (protocol 3.6 of DKLs23): three rounds of exactly t members.
//!
//! Round 0, to each: a commitment to the sender's nonce point and its side of a multiplication.
//! Round 1, to each: the other side, the nonce point, and values that check both.
//! Round 2, to all: two scalars, of which the signature is made. They leave only after the checks of both rounds, and the
//! caller may hold them back until its record is durable: without them nobody has the signature.

use std::collections::{BTreeMap, BTreeSet};

use dkls23_secp256k1::protocols::signing::{KeepPhase1to2, KeepPhase2to3, SignData, UniqueKeep1to2, UniqueKeep2to3};
use dkls23_secp256k1::protocols::PartyIndex;
use dkls23_secp256k1::Party;
use hyperkms_core::error::Error;
use hyperkms_core::single::verify_secp256k1;
use k256::Secp256k1;

use super::faults::{failed, fault, mismatch, set_wrong};
use super::messages::{party, read_each, write, Multiplied, Summand};
use super::randomness::renew;
use super::setup::from_each;
use super::share::{is_hollow, open};
use crate::protocol::{Expected, Fault, GroupKey, GroupSignature, Inbox, Index, Machine, Outbox, Running, Seat, Step};

/// A signature of the digest by `seat.set`; refused if one of them was ever found to have failed a check that bans.
pub fn start(
    seat: Seat,
    body: &[u8],
    group_key: &GroupKey,
    digest: [u8; 32],
    banned: &BTreeSet<Index>,
) -> Result<(Outbox, Running<GroupSignature>), Fault> {
    require_signers(&seat, group_key, banned)?;
    if is_hollow(body)? {
        return Err(mismatch("the share was repaired, and signs only after a refresh of all members"));
    }
    renew()?;
    let share = Box::new(open(body, group_key, seat.me)?);
    let counterparties = seat.others().map(party).collect::<Result<_, _>>()?;
    let data = SignData { sign_id: seat.session.to_vec(), counterparties, message_hash: digest };
    let (unique, kept, messages) = share.sign_phase1(&data).map_err(|abort| fault(abort, seat.me))?;
    let direct = messages.iter().map(|message| Ok((message.parties.receiver.as_u8(), write(message)?)));
    let outbox = Outbox { direct: direct.collect::<Result<_, Fault>>()?, ..Outbox::default() };
    let run = Run { seat, share, data, public_key: group_key.public_key.clone() };
    Ok((outbox, Box::new(Committed { run, unique, kept })))
}

fn require_signers(seat: &Seat, group_key: &GroupKey, banned: &BTreeSet<Index>) -> Result<(), Fault> {
    if let Some(member) = seat.set.intersection(banned).next() {
        let words = format!("cosigner {member} is banned: with it no signature is ever made again");
        return Err(Error::refused("cosigner-banned", words).into());
    }
    let everyone = group_key.parameters.everyone();
    if seat.parameters != group_key.parameters
        || seat.set.len() != usize::from(group_key.parameters.threshold())
        || !seat.set.contains(&seat.me)
        || !seat.set.is_subset(&everyone)
    {
        return Err(set_wrong("exactly as many members of the group sign as the threshold says"));
    }
    Ok(())
}

/// What stays the same from round to round.
struct Run {
    seat: Seat,
    share: Box<Party>,
    data: SignData,
    public_key: Vec<u8>,
}

struct Committed {
    run: Run,
    unique: UniqueKeep1to2<Secp256k1>,
    kept: BTreeMap<PartyIndex, KeepPhase1to2<Secp256k1>>,
}

impl Machine for Committed {
    type Outcome = GroupSignature;

    fn expects(&self) -> Expected {
        from_each(&self.run.seat)
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<GroupSignature>, Fault> {
        let Committed { run, unique, kept } = *self;
        renew()?;
        let me = run.seat.me;
        let received: Vec<_> = read_each(run.seat.others(), &inbox.direct, me)?.into_values().collect();
        let (unique, kept, messages) =
            run.share.sign_phase2(&run.data, unique, kept, &received).map_err(|abort| fault(abort, me))?;
        let direct = messages.iter().map(|message| Ok((message.parties.receiver.as_u8(), write(message)?)));
        let outbox = Outbox { direct: direct.collect::<Result<_, Fault>>()?, ..Outbox::default() };
        Ok(Step::Send(outbox, Box::new(Multiplying { run, unique, kept })))
    }
}

struct Multiplying {
    run: Run,
    unique: UniqueKeep2to3<Secp256k1>,
    kept: BTreeMap<PartyIndex, KeepPhase2to3<Secp256k1>>,
}

impl Machine for Multiplying {
    type Outcome = GroupSignature;

    fn expects(&self) -> Expected {
        from_each(&self.run.seat)
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<GroupSignature>, Fault> {
        let Multiplying { run, unique, kept } = *self;
        let me = run.seat.me;
        let received: Vec<Multiplied> = read_each(run.seat.others(), &inbox.direct, me)?.into_values().collect();
        let (r, own) = run.share.sign_phase3(&run.data, unique, kept, &received).map_err(|abort| fault(abort, me))?;
        let outbox = Outbox { broadcast: Some(write(&own)?.to_vec()), ..Outbox::default() };
        Ok(Step::Send(outbox, Box::new(Summing { run, r, own })))
    }
}

struct Summing {
    run: Run,
    /// In hex, as the library has it.
    r: String,
    own: Summand,
}

impl Machine for Summing {
    type Outcome = GroupSignature;

    fn expects(&self) -> Expected {
        Expected { broadcasts: self.run.seat.others().collect(), ..Expected::default() }
    }

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<GroupSignature>, Fault> {
        let Summing { run, r, own } = *self;
        let me = run.seat.me;
        let mut summands: Vec<Summand> = read_each(run.seat.others(), &inbox.broadcasts, me)?.into_values().collect();
        summands.push(own);
        // Low s: the other of the two would be another signature of the same digest.
        let (s, recovery_id) =
            run.share.sign_phase4(&run.data, &r, &summands, true).map_err(|abort| fault(abort, me))?;
        let signature = GroupSignature { bytes: join(&r, &s)?, recovery_id };
        verify(&signature, &run).map(|()| Step::Done(signature))
    }
}

fn join(r: &str, s: &str) -> Result<[u8; 64], Fault> {
    let digits = [r, s].concat();
    let byte = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| failed("r and s are not of 32 bytes each"))
}

/// The signature must lead back to the group's key, by another library than the one that made it.
fn verify(signature: &GroupSignature, run: &Run) -> Result<(), Fault> {
    if signature.recovery_id > 1 {
        // r past the group order, once in 2^127 signatures: nothing that reads v as 27 or 28 can tell it.
        return Err(failed("r is past the group order; sign again"));
    }
    let bytes = [&signature.bytes[..], &[27 + signature.recovery_id]].concat();
    Ok(verify_secp256k1(&run.public_key, &run.data.message_hash, &bytes)?)
}
