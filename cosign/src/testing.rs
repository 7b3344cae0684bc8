//! All members of a run in one place, for tests: messages are handed on as they are.

use std::collections::BTreeMap;

use hyperkms_core::root_file::RootFile;
use hyperkms_core::sealed::Binding;
use hyperkms_core::single::KeyType;

use crate::group::Group;
use crate::identity::Identity;
use crate::protocol::{Fault, Inbox, Index, Outbox, Running, Step};
use crate::share_context::ShareContext;

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

/// A root key in a file of its own, new for each name and process.
pub fn root(name: &str) -> RootFile {
    let path = std::env::temp_dir().join(format!("hyperkms-cosign-{}-{name}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let root = RootFile::create(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    root
}

/// A group with fresh identities; each member has a root key of its own.
pub fn group_of(threshold: u8, members: u8, name: &str) -> (Group, Vec<(Identity, RootFile)>) {
    let made: Vec<(Identity, RootFile)> = (1..=members)
        .map(|index| {
            let root = root(&format!("{name}-{index}"));
            let (identity, _) = Identity::generate(&root).unwrap();
            (identity, root)
        })
        .collect();
    let group = Group::new(threshold, made.iter().map(|(identity, _)| identity.public).collect()).unwrap();
    (group, made)
}

/// The share of a member of version 1, epoch 0 of the wallet "w".
pub fn context(group: &Group, key_type: KeyType, index: Index) -> ShareContext {
    let network = if key_type == KeyType::Ed25519 { Binding::None } else { Binding::Testnet };
    ShareContext::new(group, "w".into(), 1, key_type, network, index, 0).unwrap()
}
