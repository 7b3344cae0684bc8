//! All members of a run in one place, for tests: messages are handed on as they are.

use std::collections::BTreeMap;

use crate::protocol::{Fault, Inbox, Index, Outbox, Running, Step};

pub struct Member<T> {
    pub outbox: Outbox,
    pub machine: Running<T>,
}

/// Runs to the end; `alter` may change what is under way: (round from 0, sender, outbox).
pub fn run<T>(
    mut members: BTreeMap<Index, Member<T>>,
    mut alter: impl FnMut(usize, Index, &mut Outbox),
) -> BTreeMap<Index, Result<T, Fault>> {
    let mut ended = BTreeMap::new();
    for round in 0.. {
        if members.is_empty() {
            break;
        }
        let mut sent = BTreeMap::new();
        let mut machines = BTreeMap::new();
        for (index, Member { mut outbox, machine }) in members {
            alter(round, index, &mut outbox);
            sent.insert(index, outbox);
            machines.insert(index, machine);
        }
        members = BTreeMap::new();
        for (index, machine) in machines {
            let expected = machine.expects();
            let mut inbox = Inbox::default();
            for (sender, outbox) in &sent {
                if expected.broadcasts.contains(sender) {
                    if let Some(broadcast) = &outbox.broadcast {
                        inbox.broadcasts.insert(*sender, broadcast.clone());
                    }
                }
                if expected.direct.contains(sender) {
                    if let Some(direct) = outbox.direct.get(&index) {
                        inbox.direct.insert(*sender, direct.clone());
                    }
                }
            }
            let complete =
                inbox.broadcasts.len() == expected.broadcasts.len() && inbox.direct.len() == expected.direct.len();
            if !complete {
                ended.insert(index, Err(Fault::nobodys("incomplete", "a peer has stopped")));
                continue;
            }
            match machine.step(inbox) {
                Ok(Step::Send(outbox, machine)) => {
                    members.insert(index, Member { outbox, machine });
                }
                Ok(Step::Done(outcome)) => {
                    ended.insert(index, Ok(outcome));
                }
                Err(fault) => {
                    ended.insert(index, Err(fault));
                }
            }
        }
    }
    ended
}
