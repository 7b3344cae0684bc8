//! What every protocol between cosigners has in common: rounds, messages, and who is at fault.
//!
//! A protocol knows nothing of sessions, encryption or who a peer is: `session` sends and receives for it,
//! and hands it only what was proved to come from the member that it names.

use std::collections::{BTreeMap, BTreeSet};

use hyperkms_core::error::{Error, Kind};
use hyperkms_core::single::KeyType;
use zeroize::Zeroizing;

/// A member's place in its group, from 1.
pub type Index = u8;

/// Bytes that are wiped when they are let go of.
pub type Secret = Zeroizing<Vec<u8>>;

/// The most members that a group may have.
pub const MOST_MEMBERS: u8 = 5;

/// t of n: any t members sign, and fewer than t know nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parameters {
    threshold: u8,
    members: u8,
}

impl Parameters {
    /// Refuses what is not 2 <= t <= n <= 5 with t > n / 2: two disjoint quorums could sign two things at once.
    pub fn new(threshold: u8, members: u8) -> Result<Parameters, Error> {
        if threshold < 2 || threshold > members || members > MOST_MEMBERS || 2 * threshold <= members {
            let words = format!(
                "{threshold} of {members} is no threshold that is served: at least 2 and more than half of at most {MOST_MEMBERS}"
            );
            return Err(Error::malformed("unsupported-threshold", words));
        }
        Ok(Parameters { threshold, members })
    }

    pub fn threshold(self) -> u8 {
        self.threshold
    }

    pub fn members(self) -> u8 {
        self.members
    }

    /// 1 to n.
    pub fn everyone(self) -> BTreeSet<Index> {
        (1..=self.members).collect()
    }
}

/// One member's seat in one run of a protocol.
#[derive(Debug, Clone)]
pub struct Seat {
    pub me: Index,
    pub parameters: Parameters,
    /// All who take part, `me` included.
    pub set: BTreeSet<Index>,
    /// Fresh in every run: each of the set has contributed to it.
    pub session: [u8; 32],
}

impl Seat {
    /// The set without `me`, in rising order.
    pub fn others(&self) -> impl Iterator<Item = Index> + '_ {
        self.set.iter().copied().filter(|index| *index != self.me)
    }
}

/// What a member sends at the end of a round: one thing to all others, and one to some.
#[derive(Default)]
pub struct Outbox {
    pub broadcast: Option<Vec<u8>>,
    pub direct: BTreeMap<Index, Secret>,
}

/// What a round waits for: exactly one message from each that is named here.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Expected {
    pub broadcasts: BTreeSet<Index>,
    pub direct: BTreeSet<Index>,
}

/// What came: exactly what was expected, each from the member it is filed under. Own messages are not in it.
#[derive(Default)]
pub struct Inbox {
    pub broadcasts: BTreeMap<Index, Vec<u8>>,
    pub direct: BTreeMap<Index, Secret>,
}

/// A protocol between two rounds. It is taken by value: no state of it is ever used twice.
pub trait Machine: Send {
    type Outcome;

    fn expects(&self) -> Expected;

    fn step(self: Box<Self>, inbox: Inbox) -> Result<Step<Self::Outcome>, Fault>;
}

pub type Running<T> = Box<dyn Machine<Outcome = T>>;

pub enum Step<T> {
    Send(Outbox, Running<T>),
    Done(T),
}

/// Why a run came to nothing, and whose doing it was if that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The member whose message was wrong.
    pub member: Option<Index>,
    /// That of the error it came from; Tampered for what a protocol found.
    pub kind: Kind,
    pub code: &'static str,
    pub words: String,
    /// Nothing may ever again be run with this member by the one who found it (DKLs23: to go on would leak the key).
    pub ban: bool,
}

impl Fault {
    pub fn of(member: Index, code: &'static str, words: impl Into<String>) -> Fault {
        Fault { member: Some(member), ..Fault::nobodys(code, words) }
    }

    pub fn nobodys(code: &'static str, words: impl Into<String>) -> Fault {
        Fault { member: None, kind: Kind::Tampered, code, words: words.into(), ban: false }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Fault {
        Fault { kind: error.kind, ..Fault::nobodys(error.code, error.message) }
    }
}

/// What all members know of a group's key. The same bytes at each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupKey {
    pub key_type: KeyType,
    pub parameters: Parameters,
    /// 32 bytes for Ed25519, 33 bytes compressed for secp256k1.
    pub public_key: Vec<u8>,
    /// The public point of every member's share, 32 or 33 bytes each.
    pub public_shares: BTreeMap<Index, Vec<u8>>,
}

/// What a member holds after key generation, refresh or repair.
pub struct KeyShare {
    /// The protocol's own form; what a share is made of and what it is called is the protocol's alone.
    pub body: Secret,
    pub group_key: GroupKey,
}

/// A signature of the whole group; anyone can verify it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupSignature {
    /// Ed25519: R and S (RFC 8032). secp256k1: r and s, big-endian, s in the lower half.
    pub bytes: [u8; 64],
    /// secp256k1: 0 or 1, the parity of R's y. Ed25519: 0.
    pub recovery_id: u8,
}
