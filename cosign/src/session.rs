//! One run of a protocol at one member: openings, sealed messages, echoes, and the protocol itself.
//!
//! What fails ends the session; its state is taken out before each step, so nothing of it is used twice. Only a fault
//! that a protocol finds in a message that was proved to be its sender's can name a member for a ban.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;

use hyperkms_core::error::{Error, Result};
use hyperkms_core::memory::on_deeply_wiped_stack;
use sha2::{Digest as _, Sha256};

use crate::envelope::{self, Header, Kind, EVERYONE};
use crate::group::Group;
use crate::identity::Identity;
use crate::opening::{Begun, Own};
use crate::protocol::{Expected, Fault, GroupSignature, Inbox, Index, KeyShare, Machine, Outbox, Running, Seat, Step};
use crate::share_context::ShareContext;

const TOPIC: &[u8] = b"hyperkms cosigner topic v1\n";
const ECHO: &[u8] = b"hyperkms cosigner echo v1\n";

/// What a session came to.
pub enum Outcome {
    Share(KeyShare),
    Signature(GroupSignature),
    /// A helper of a repair keeps what it had.
    Nothing,
}

/// What a session is about: all members must have been told the same.
pub struct Topic<'a> {
    /// keygen, refresh, repair, sign.
    pub what: &'static str,
    /// Any member's context; the index in it does not count.
    pub context: &'a ShareContext,
    pub set: &'a BTreeSet<Index>,
    /// The key that is at stake, and of it: the digest to sign, or the index to repair.
    pub detail: &'a [u8],
}

impl Topic<'_> {
    fn hash(&self) -> [u8; 32] {
        let mut out = TOPIC.to_vec();
        out.push(self.what.len() as u8);
        out.extend(self.what.as_bytes());
        self.context.write_shared(&mut out);
        out.push(self.set.len() as u8);
        out.extend(self.set);
        out.extend(self.detail);
        Sha256::digest(&out).into()
    }
}

/// Starts the protocol once the session has its id.
pub type Start = Box<dyn FnOnce(Seat) -> std::result::Result<(Outbox, Running<Outcome>), Fault> + Send>;

/// Its state; taken by value at each step.
enum State {
    Opened(Start),
    Waiting {
        machine: Running<Outcome>,
        round: u8,
        own: Option<Vec<u8>>,
    },
    /// The inbox of a round, until all have said that they hold the same broadcasts.
    Echoing {
        machine: Running<Outcome>,
        round: u8,
        inbox: Inbox,
        heard: [u8; 32],
    },
    Done(Outcome),
    Spent,
}

pub struct Session {
    group: Group,
    set: BTreeSet<Index>,
    me: Index,
    own: Own,
    begun: Option<Begun>,
    /// Whether broadcasts are compared before they are used: always but in signing.
    echoes: bool,
    last_word: bool,
    state: State,
}

impl Session {
    /// Refused unless the identity is the member's; `topic.set` are all who take part.
    pub fn open(identity: &Identity, group: &Group, topic: &Topic<'_>, echoes: bool, start: Start) -> Result<Session> {
        let (me, set) = (topic.context.index, topic.set);
        topic.context.require_group(group)?;
        group.require_member(me, &identity.public)?;
        if !set.contains(&me) || set.iter().any(|index| group.identity(*index).is_none()) {
            return Err(Error::malformed("malformed-set", "the set is not one of this group with this cosigner in it"));
        }
        let own = Own::make(identity, me, topic.hash())?;
        Ok(Session {
            group: group.clone(),
            set: set.clone(),
            me,
            own,
            begun: None,
            echoes,
            last_word: false,
            state: State::Opened(start),
        })
    }

    pub fn opening(&self) -> &[u8] {
        &self.own.bytes
    }

    pub fn id(&self) -> Option<[u8; 32]> {
        self.begun.as_ref().map(|begun| begun.session)
    }

    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done(_))
    }

    /// Whether the messages given last are what makes a signature possible.
    pub fn is_last_word(&self) -> bool {
        self.last_word
    }

    /// The openings of all others; gives the messages of the first round.
    pub fn begin(&mut self, identity: &Identity, openings: &[Vec<u8>]) -> std::result::Result<Vec<Vec<u8>>, Fault> {
        let State::Opened(start) = mem::replace(&mut self.state, State::Spent) else { return Err(out_of_turn()) };
        let begun = self.own.begin(&self.group, &self.set, openings)?;
        let seat =
            Seat { me: self.me, parameters: self.group.parameters, set: self.set.clone(), session: begun.session };
        self.begun = Some(begun);
        let (outbox, machine) = on_deeply_wiped_stack(|| start(seat))?;
        self.send(identity, outbox, machine, 1)
    }

    /// All messages of a round to this member; gives those of the next.
    pub fn advance(&mut self, identity: &Identity, messages: &[Vec<u8>]) -> std::result::Result<Vec<Vec<u8>>, Fault> {
        self.last_word = false;
        match mem::replace(&mut self.state, State::Spent) {
            State::Waiting { machine, round, own } => {
                let expected = machine.expects();
                let inbox = self.receive(round, &expected, messages)?;
                if !self.echoes || expected.broadcasts.is_empty() {
                    return self.step(identity, machine, round, inbox);
                }
                let heard = self.heard(round, own.as_deref(), &inbox);
                self.state = State::Echoing { machine, round, inbox, heard };
                Ok(vec![envelope::sign(self.header(Kind::Echo, round, EVERYONE), &heard, identity)?])
            }
            State::Echoing { machine, round, inbox, heard } => {
                self.compare(round, &heard, messages)?;
                self.step(identity, machine, round, inbox)
            }
            State::Opened(_) | State::Done(_) | State::Spent => Err(out_of_turn()),
        }
    }

    /// The outcome, once.
    pub fn take(&mut self) -> Result<Outcome> {
        match mem::replace(&mut self.state, State::Spent) {
            State::Done(outcome) => Ok(outcome),
            _ => Err(Error::refused("session-not-done", "this session has come to no outcome")),
        }
    }

    fn step(
        &mut self,
        identity: &Identity,
        machine: Running<Outcome>,
        round: u8,
        inbox: Inbox,
    ) -> std::result::Result<Vec<Vec<u8>>, Fault> {
        match on_deeply_wiped_stack(|| machine.step(inbox))? {
            Step::Done(outcome) => {
                self.state = State::Done(outcome);
                Ok(Vec::new())
            }
            Step::Send(outbox, machine) => {
                let round = round.checked_add(1).ok_or_else(out_of_turn)?;
                self.last_word = !self.echoes && outbox.broadcast.is_some();
                self.send(identity, outbox, machine, round)
            }
        }
    }

    fn send(
        &mut self,
        identity: &Identity,
        outbox: Outbox,
        machine: Running<Outcome>,
        round: u8,
    ) -> std::result::Result<Vec<Vec<u8>>, Fault> {
        let mut messages = Vec::new();
        if let Some(broadcast) = &outbox.broadcast {
            messages.push(envelope::sign(self.header(Kind::Broadcast, round, EVERYONE), broadcast, identity)?);
        }
        let keys = &self.begun()?.keys;
        for (receiver, body) in &outbox.direct {
            let (Some(from), Some(to)) = (keys.get(&self.me), keys.get(receiver)) else { return Err(out_of_turn()) };
            let header = self.header(Kind::Direct, round, *receiver);
            messages.push(envelope::seal(header, body, (&self.own.secret, from), to)?);
        }
        self.state = State::Waiting { machine, round, own: outbox.broadcast };
        Ok(messages)
    }

    /// Exactly what the protocol expects of this round, each proved to be its sender's.
    fn receive(&self, round: u8, expected: &Expected, messages: &[Vec<u8>]) -> Result<Inbox> {
        let mut inbox = Inbox::default();
        for message in messages {
            let (header, body) = self.addressed(round, message)?;
            let sender = header.sender;
            let is_new = match header.kind {
                Kind::Direct if expected.direct.contains(&sender) => {
                    let from = self.begun()?.keys.get(&sender).ok_or_else(misplaced)?;
                    inbox.direct.insert(sender, envelope::open(header, body, from, &self.own.secret)?).is_none()
                }
                Kind::Broadcast if expected.broadcasts.contains(&sender) => {
                    inbox.broadcasts.insert(sender, self.verified(header, body)?).is_none()
                }
                _ => false,
            };
            if !is_new {
                return Err(misplaced());
            }
        }
        if inbox.broadcasts.len() != expected.broadcasts.len() || inbox.direct.len() != expected.direct.len() {
            return Err(Error::tampered("messages-incomplete", "not every message of the round was handed on"));
        }
        Ok(inbox)
    }

    /// Everyone else's echo must be the same as one's own.
    fn compare(&self, round: u8, heard: &[u8; 32], messages: &[Vec<u8>]) -> Result<()> {
        let mut echoed = BTreeSet::new();
        for message in messages {
            let (header, body) = self.addressed(round, message)?;
            if header.kind != Kind::Echo || !echoed.insert(header.sender) {
                return Err(misplaced());
            }
            if self.verified(header, body)? != heard {
                let words = format!("cosigner {} was sent other broadcasts than this one", header.sender);
                return Err(Error::tampered("broadcasts-differ", words));
            }
        }
        if echoed.len() + 1 != self.set.len() {
            return Err(Error::tampered("messages-incomplete", "not every echo of the round was handed on"));
        }
        Ok(())
    }

    fn addressed<'a>(&self, round: u8, message: &'a [u8]) -> Result<(Header, &'a [u8])> {
        let (header, body) = Header::read(message)?;
        let fits = header.session == self.begun()?.session
            && header.round == round
            && header.sender != self.me
            && self.set.contains(&header.sender)
            && (header.receiver == self.me || header.receiver == EVERYONE);
        if fits {
            Ok((header, body))
        } else {
            Err(misplaced())
        }
    }

    fn verified(&self, header: Header, body: &[u8]) -> Result<Vec<u8>> {
        envelope::verified(header, body, self.group.identity(header.sender).ok_or_else(misplaced)?)
    }

    /// A hash of all broadcasts of a round, one's own among them, in the order of their senders.
    fn heard(&self, round: u8, own: Option<&[u8]>, inbox: &Inbox) -> [u8; 32] {
        let mut all: BTreeMap<Index, &[u8]> =
            inbox.broadcasts.iter().map(|(sender, body)| (*sender, &body[..])).collect();
        all.extend(own.map(|body| (self.me, body)));
        let mut hash = Sha256::new();
        hash.update(ECHO);
        hash.update([round]);
        for (sender, body) in all {
            hash.update([sender]);
            hash.update((body.len() as u64).to_be_bytes());
            hash.update(body);
        }
        hash.finalize().into()
    }

    fn header(&self, kind: Kind, round: u8, receiver: Index) -> Header {
        let session = self.begun.as_ref().map_or([0; 32], |begun| begun.session);
        Header { kind, round, sender: self.me, receiver, session }
    }

    fn begun(&self) -> Result<&Begun> {
        self.begun.as_ref().ok_or_else(misplaced)
    }
}

/// Gives a protocol's own outcome the form of a session's.
struct Mapped<T>(Running<T>, fn(T) -> Outcome);

impl<T: 'static> Machine for Mapped<T> {
    type Outcome = Outcome;

    fn expects(&self) -> Expected {
        self.0.expects()
    }

    fn step(self: Box<Self>, inbox: Inbox) -> std::result::Result<Step<Outcome>, Fault> {
        Ok(match self.0.step(inbox)? {
            Step::Send(outbox, machine) => Step::Send(outbox, Box::new(Mapped(machine, self.1))),
            Step::Done(outcome) => Step::Done((self.1)(outcome)),
        })
    }
}

/// A protocol that was started, as a session runs it.
pub fn mapped<T: 'static>(
    started: std::result::Result<(Outbox, Running<T>), Fault>,
    outcome: fn(T) -> Outcome,
) -> std::result::Result<(Outbox, Running<Outcome>), Fault> {
    started.map(|(outbox, machine)| (outbox, Box::new(Mapped(machine, outcome)) as Running<Outcome>))
}

fn out_of_turn() -> Fault {
    Fault::nobodys("session-out-of-turn", "this session does not wait for that; what fails ends it")
}

fn misplaced() -> Error {
    Error::tampered("message-misplaced", "a message is of another session, round, sender or receiver, or came twice")
}
