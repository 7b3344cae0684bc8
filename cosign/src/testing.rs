//! All members of a run in one place, for tests: messages are handed on as they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hyperkms_core::root_file::RootFile;
use hyperkms_core::sealed::Binding;
use hyperkms_core::single::KeyType;

use crate::data_key::with_fresh;
use crate::group::Group;
use crate::identity::{self, Identity};
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

/// A new identity, and its sealed form under this root key.
pub fn generated(root: &RootFile) -> (Identity, Vec<u8>) {
    with_fresh(root, &identity::wrap_label(), Identity::generate).unwrap()
}

/// A group with fresh identities; each member has a root key of its own.
pub fn group_of(threshold: u8, members: u8, name: &str) -> (Group, Vec<(Identity, RootFile)>) {
    let made: Vec<(Identity, RootFile)> = (1..=members)
        .map(|index| {
            let root = root(&format!("{name}-{index}"));
            let (identity, _) = generated(&root);
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

/// xorshift64*: the same messages in each run of the test.
pub struct Noise(pub u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() >> 33).unwrap() % bound
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next().to_le_bytes()[7]).collect()
    }

    /// Random bytes of any length or of the right one, or the honest message with some bits, bytes or its end changed.
    pub fn spoil(&mut self, honest: &[u8]) -> Vec<u8> {
        let mut message = honest.to_vec();
        match self.below(6) {
            0 => {
                let length = self.below(512);
                message = self.bytes(length);
            }
            1 => message = self.bytes(honest.len()),
            2 => (0..=self.below(8)).for_each(|_| {
                let bit = self.below(honest.len() * 8);
                message[bit / 8] ^= 1 << (bit % 8);
            }),
            3 => message.truncate(self.below(honest.len())),
            way => {
                let (start, length) = (self.below(honest.len()), self.below(64));
                let bytes = self.bytes(length);
                let end = if way == 4 { start } else { honest.len().min(start + length) };
                message.splice(start..end, bytes);
            }
        }
        if message == honest {
            message[0] ^= 1;
        }
        message
    }
}

/// All subsets of 1 to n of this size.
pub fn subsets(members: u8, size: u8) -> Vec<BTreeSet<Index>> {
    let set = |bits: u8| (1..=members).filter(|index| bits >> index & 1 == 1).collect::<BTreeSet<_>>();
    (0..=u8::MAX)
        .step_by(2)
        .map(set)
        .collect::<BTreeSet<_>>()
        .into_iter()
        .filter(|set| set.len() == usize::from(size))
        .collect()
}

pub fn undisturbed<T>(members: BTreeMap<Index, Member<T>>) -> BTreeMap<Index, T> {
    run(members, |_, _, _| ()).into_iter().map(|(index, outcome)| (index, outcome.unwrap())).collect()
}

/// A file of published test vectors; none where the folder is absent.
pub fn vectors(name: &str) -> Option<serde_json::Value> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors");
    if !folder.is_dir() {
        let required = std::env::var_os("HYPERKMS_REQUIRE_VECTORS").is_some();
        assert!(!required, "the vectors are required and {} is absent", folder.display());
        eprintln!("skipped: the published vectors are not at {}", folder.display());
        return None;
    }
    let text = std::fs::read_to_string(folder.join(name)).unwrap();
    Some(serde_json::from_str(&text).unwrap())
}
