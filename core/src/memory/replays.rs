//! Which signed requests were accepted already: a table in a mapped file, shared by every process of a host.
//!
//! A request has its place by its own timestamp: in one of 16 buckets, each for 8.192 s, in which entries are
//! only ever added. An entry's word has in it the round of 131 s to which it belongs, so nothing has to be cleared: words of
//! an earlier round count as free. Within a round a slot is never given back, so whoever adds an entry by
//! compare-and-swap at the first free slot on its way has met every equal one. There is no lock that a killed process
//! could leave behind, and a full bucket refuses rather than forgets.
//!
//! Nothing secret is here; it stands in this module because mapped memory needs `unsafe`.

use std::fs::OpenOptions;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};
use crate::new_file::{publish, remove_drafts};
use crate::request::Claim;

use super::fill_random;
use super::mapped::Mapped;

const MAGIC: &[u8; 16] = b"hyperkms replays";
/// Before the slots: magic, boot, creation and floor as 8 bytes big-endian each, the key of the hash.
const HEADER: usize = 4096;
const BUCKETS: usize = 16;
const SLOTS: usize = 1 << 17;
const FILE_SIZE: usize = HEADER + BUCKETS * SLOTS * 8;
/// Slots that are looked at before a bucket counts as full: one is so busy only when nearly all of it is taken.
const WAYS: usize = 64;
/// A bucket is for 2^13 ms, a round of all buckets 2^17 ms: more than twice the widest window on both sides.
const BUCKET_BITS: u32 = 13;
const ROUND_BITS: u32 = 17;
/// A word is 21 bits of the round and 43 of the hash.
const TAG_BITS: u32 = 43;
const ROUNDS: u64 = 1 << (64 - TAG_BITS);

/// A mapping of the file; survives the death of a process, not the loss of power.
pub struct Replays {
    mapped: Mapped,
    key: [u8; 16],
    /// Milliseconds since 1970: nothing of this time or before is accepted.
    pub floor: u64,
}

impl Replays {
    /// Maps the file if it was made in this boot of the machine; None if there is none or it is not.
    pub fn open(path: &Path, boot: &[u8; 16]) -> Result<Option<Replays>> {
        let failed = |e: std::io::Error| unavailable(path, &e.to_string());
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_CLOEXEC | libc::O_NOFOLLOW);
        let file = match options.open(path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        remove_drafts(path);
        let size = file.metadata().map_err(failed)?.len();
        let mut header = [0; 64];
        if size != FILE_SIZE as u64 || file.read_exact_at(&mut header, 0).is_err() {
            return Ok(None);
        }
        if &header[..16] != MAGIC || &header[16..32] != boot {
            return Ok(None);
        }
        let floor = u64::from_be_bytes(*header[40..48].first_chunk().expect("8 bytes"));
        let key = *header[48..64].first_chunk().expect("16 bytes");
        let mapped = Mapped::of(path, file, FILE_SIZE as u64 / 8, unavailable)?;
        Ok(Some(Replays { mapped, key, floor }))
    }

    /// Makes a new file, in the place of whatever is there. The caller sees to it that nobody else does meanwhile.
    ///
    /// It is written out in full: a store into a hole of a mapped file ends the process when the disk is full.
    pub fn create(path: &Path, boot: &[u8; 16], now: u64, floor: u64) -> Result<()> {
        let mut content = vec![0; FILE_SIZE];
        content[..16].copy_from_slice(MAGIC);
        content[16..32].copy_from_slice(boot);
        content[32..40].copy_from_slice(&now.to_be_bytes());
        content[40..48].copy_from_slice(&floor.to_be_bytes());
        fill_random(&mut content[48..64])?;
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(unavailable(path, &e.to_string())),
            _ => publish(path, &content).map_err(|refused| unavailable(path, &refused.message)),
        }
    }

    /// Whether this request is accepted now, and so never again. Unavailable where its bucket is full, and where the
    /// file at the path is no longer the one that is mapped: another process may then accept it by a new one.
    ///
    /// The caller asks afterwards whether the request is still in time: its bucket may be another round's by then.
    pub fn take(&self, claim: &Claim) -> Result<bool> {
        let fresh = self.add(claim)?;
        self.require_in_place()?;
        Ok(fresh)
    }

    /// Unavailable when the file at the path is no longer the one that is mapped.
    pub fn require_in_place(&self) -> Result<()> {
        self.mapped.require_in_place()
    }

    fn add(&self, claim: &Claim) -> Result<bool> {
        let hash = Sha256::new()
            .chain_update(self.key)
            .chain_update(claim.key)
            .chain_update(claim.time.to_be_bytes())
            .chain_update(&claim.id)
            .finalize();
        let number = |at: usize| u64::from_be_bytes(*hash[at..at + 8].first_chunk().expect("8 bytes"));
        let round = (claim.time >> ROUND_BITS) % ROUNDS;
        let tag = number(0) >> (64 - TAG_BITS);
        let word = round << TAG_BITS | tag.max(1);
        let bucket = (claim.time >> BUCKET_BITS) as usize % BUCKETS;
        let start = number(8) as usize % SLOTS;
        for way in 0..WAYS {
            let slot = self.at(bucket, (start + way) % SLOTS)?;
            let mut seen = slot.load(Ordering::SeqCst);
            while is_free(seen, round) {
                match slot.compare_exchange(seen, word, Ordering::SeqCst, Ordering::SeqCst) {
                    Ok(_) => return Ok(true),
                    Err(changed) => seen = changed,
                }
            }
            if seen == word {
                return Ok(false);
            }
        }
        let words = "more signed requests are in the window than are remembered; try again in a few seconds";
        Err(Error::unavailable("replay-memory-full", words))
    }

    fn at(&self, bucket: usize, slot: usize) -> Result<&AtomicU64> {
        debug_assert!(bucket < BUCKETS && slot < SLOTS);
        self.mapped.cell((HEADER / 8 + bucket * SLOTS + slot) as u64)
    }
}

/// Whether a slot may be taken in this round: it was never used, or in an earlier one. A later one's, after a clock
/// that went back, stays.
fn is_free(word: u64, round: u64) -> bool {
    let behind = round.wrapping_sub(word >> TAG_BITS) % ROUNDS;
    word == 0 || (1..ROUNDS / 2).contains(&behind)
}

fn unavailable(path: &Path, why: &str) -> Error {
    let words = format!("the memory of signed requests, {}: {why}", path.display());
    Error::unavailable("replay-memory-unavailable", words)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::PathBuf;

    use super::*;

    const BOOT: [u8; 16] = [9; 16];
    const NOW: u64 = 1_780_000_000_000;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("hyperkms-replays-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Folder(path)
        }

        fn made(&self) -> Replays {
            Replays::create(&self.0.join("replays"), &BOOT, NOW, 7).unwrap();
            self.open().unwrap()
        }

        fn open(&self) -> Option<Replays> {
            Replays::open(&self.0.join("replays"), &BOOT).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn claim(time: u64, id: &str) -> Claim {
        Claim { key: [1; 8], service: [2; 16], time, id: id.into() }
    }

    #[test]
    fn a_request_is_accepted_once_and_one_that_differs_in_anything_is_another() {
        let folder = Folder::new("once");
        let (one, two) = (folder.made(), folder.open().unwrap());
        assert!(one.take(&claim(NOW, "a")).unwrap());
        for replays in [&one, &two] {
            assert!(!replays.take(&claim(NOW, "a")).unwrap());
        }
        assert!(two.take(&claim(NOW, "b")).unwrap());
        assert!(two.take(&claim(NOW + 1, "a")).unwrap());
        assert!(two.take(&Claim { key: [2; 8], ..claim(NOW, "a") }).unwrap());
        assert_eq!(two.floor, 7);
    }

    #[test]
    fn of_many_threads_that_bring_the_same_requests_one_is_accepted_each() {
        let folder = Folder::new("threads");
        let replays: Vec<_> = [folder.made(), folder.open().unwrap()].into_iter().collect();
        let count = |which: usize| {
            let taken = |id: &u64| replays[which % 2].take(&claim(NOW + id % 3, &format!("{id}"))).unwrap();
            (0..20_000).filter(taken).count()
        };
        let accepted: usize = std::thread::scope(|threads| {
            let count = &count;
            let all: Vec<_> = (0..8).map(|which| threads.spawn(move || count(which))).collect();
            all.into_iter().map(|each| each.join().unwrap()).sum()
        });
        assert_eq!(accepted, 20_000);
    }

    #[test]
    fn a_full_bucket_refuses_and_forgets_nothing_until_its_round_is_over() {
        let folder = Folder::new("full");
        let replays = folder.made();
        let start = NOW >> BUCKET_BITS << BUCKET_BITS;
        let (mut accepted, mut refused) = (HashSet::new(), 0);
        for id in 0..SLOTS {
            match replays.take(&claim(start, &format!("{id}"))) {
                Ok(fresh) => assert!(fresh && accepted.insert(id)),
                Err(full) => {
                    assert_eq!(full.code, "replay-memory-full");
                    refused += 1;
                }
            }
        }
        assert!(refused > 0 && accepted.len() > SLOTS * 9 / 10, "{refused} refused");
        for id in &accepted {
            assert!(!replays.take(&claim(start, &format!("{id}"))).unwrap());
        }
        assert!(replays.take(&claim(start + (1 << BUCKET_BITS), "0")).unwrap(), "the next bucket has room");
        let next_round = start + (1 << ROUND_BITS);
        for id in 0..1000 {
            assert!(replays.take(&claim(next_round, &format!("{id}"))).unwrap());
        }
    }

    #[test]
    fn what_was_accepted_ahead_of_a_clock_that_went_back_is_still_known_when_its_time_comes() {
        let folder = Folder::new("back");
        let replays = folder.made();
        let ahead = NOW + (1 << ROUND_BITS);
        assert!(replays.take(&claim(ahead, "x")).unwrap());
        for id in 0..5000 {
            assert!(replays.take(&claim(NOW, &format!("{id}"))).unwrap());
        }
        assert!(!replays.take(&claim(ahead, "x")).unwrap());
    }

    #[test]
    fn a_file_of_another_boot_or_another_form_is_not_opened() {
        let folder = Folder::new("boot");
        assert!(folder.open().is_none());
        let replays = folder.made();
        let path = folder.0.join("replays");
        assert!(Replays::open(&path, &[8; 16]).unwrap().is_none());
        std::fs::remove_file(&path).unwrap();
        assert_eq!(replays.take(&claim(NOW, "a")).unwrap_err().code, "replay-memory-unavailable");
        std::fs::write(&path, b"hyperkms replays").unwrap();
        assert!(folder.open().is_none());
        drop(folder.made());
        assert_eq!(replays.take(&claim(NOW, "b")).unwrap_err().code, "replay-memory-unavailable");
    }
}
