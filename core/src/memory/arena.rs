//! The secret arena: one a process, made after the fork, in slots that are wiped when given back.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, OnceLock, PoisonError};

use crate::error::{Error, Result};

use super::platform::{self, Lock, LockChoice};

/// Bytes of secret memory.
const ARENA_SIZE: usize = 256 * 1024;
/// Bytes of one slot: the largest thing that is ever open is a line of a key file.
pub const SLOT_SIZE: usize = 1024;
const SLOTS: usize = ARENA_SIZE / SLOT_SIZE;
/// Slot 0 holds the process key for as long as the process lives.
const FIRST_FREE: usize = 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Protection {
    pub lock: Lock,
    pub private: bool,
    pub size: usize,
}

pub struct Arena {
    base: *mut u8,
    choice: LockChoice,
    protection: Protection,
    free: Mutex<Free>,
    given_back: Condvar,
}

struct Free {
    slots: Vec<usize>,
    /// Threads that wait for one; nobody is woken, which is a system call, while there are none.
    waiting: usize,
}

// SAFETY: the pages live as long as the process; `free` hands each slot to one owner at a time, and
// slot 0 is written before the arena is shared and only read after.
unsafe impl Send for Arena {}
unsafe impl Sync for Arena {}

static ARENA: OnceLock<Result<Arena>> = OnceLock::new();

/// True in a process forked from one that had an arena.
static FORKED: AtomicBool = AtomicBool::new(false);

/// The only thing a child does at its birth: to ask for the pid at each use costs a system call.
extern "C" fn forked() {
    FORKED.store(true, Ordering::Relaxed);
}

/// Makes the arena of this process; to ask again for the same choice is harmless.
///
/// Refused when the arena exists under another choice, or was made before a fork.
pub fn start(choice: LockChoice) -> Result<Protection> {
    let arena = existing(choice)?;
    if choice != LockChoice::Auto && arena.choice != choice {
        return Err(Error::refused("arena-exists", "the secret arena was already made in another mode"));
    }
    Ok(arena.protection)
}

/// What guards this process's arena; makes it in the `Auto` mode if there is none.
pub fn protection() -> Result<Protection> {
    Ok(existing(LockChoice::Auto)?.protection)
}

fn existing(choice: LockChoice) -> Result<&'static Arena> {
    let arena = ARENA.get_or_init(|| Arena::make(choice)).as_ref().map_err(Clone::clone)?;
    // After a fork the pages are not there (MADV_DONTFORK): touching them would end the process.
    if FORKED.load(Ordering::Relaxed) {
        return Err(Error::refused("arena-forked", "the secret arena belongs to the process this one was forked from"));
    }
    Ok(arena)
}

impl Arena {
    fn make(choice: LockChoice) -> Result<Arena> {
        let mapping = platform::map_secret(ARENA_SIZE, choice)?;
        platform::in_every_child(forked)?;
        let arena = Arena {
            base: mapping.base,
            choice,
            protection: Protection { lock: mapping.lock, private: mapping.private, size: ARENA_SIZE },
            free: Mutex::new(Free { slots: (FIRST_FREE..SLOTS).rev().collect(), waiting: 0 }),
            given_back: Condvar::new(),
        };
        // SAFETY: slot 0 is mapped and nobody else knows of it yet.
        fill_random(unsafe { std::slice::from_raw_parts_mut(arena.slot_start(0), 32) })?;
        Ok(arena)
    }

    fn slot_start(&self, index: usize) -> *mut u8 {
        debug_assert!(index < SLOTS);
        // SAFETY: index < SLOTS, so the offset lies inside the mapping.
        unsafe { self.base.add(index * SLOT_SIZE) }
    }

    /// The 32-byte key that idle secrets are sealed under; lent, never copied.
    pub(super) fn with_process_key<T>(use_key: impl FnOnce(&[u8; 32]) -> T) -> Result<T> {
        let arena = existing(LockChoice::Auto)?;
        // SAFETY: slot 0 holds 32 initialised bytes that are never written again.
        let key = unsafe { &*arena.slot_start(0).cast::<[u8; 32]>() };
        Ok(use_key(key))
    }
}

/// Fills with the operating system's randomness, in place.
pub fn fill_random(target: &mut [u8]) -> Result<()> {
    getrandom::fill(target).map_err(|e| Error::unavailable("randomness-unavailable", format!("getrandom: {e}")))
}

/// One slot of the arena, owned; [`SLOT_SIZE`] bytes, zero when taken and wiped when dropped.
pub struct Slot {
    arena: &'static Arena,
    index: usize,
}

impl Slot {
    /// Takes a free slot; waits while all are in use (each is held for microseconds).
    pub fn take() -> Result<Slot> {
        let arena = existing(LockChoice::Auto)?;
        let mut free = arena.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(index) = free.slots.pop() {
                return Ok(Slot { arena, index });
            }
            free.waiting += 1;
            free = arena.given_back.wait(free).unwrap_or_else(PoisonError::into_inner);
            free.waiting -= 1;
        }
    }

    /// A slot whose first 32 bytes are fresh randomness.
    pub fn random() -> Result<Slot> {
        let mut slot = Slot::take()?;
        fill_random(&mut slot[..32])?;
        Ok(slot)
    }

    /// The first 32 bytes: where every key of this core lies.
    pub fn key(&self) -> &[u8; 32] {
        self[..32].first_chunk().expect("a slot is longer than 32 bytes")
    }
}

impl Deref for Slot {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        // SAFETY: the slot is ours alone and always initialised (fresh pages are zero).
        unsafe { std::slice::from_raw_parts(self.arena.slot_start(self.index), SLOT_SIZE) }
    }
}

impl DerefMut for Slot {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.arena.slot_start(self.index), SLOT_SIZE) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // A child of a fork must not touch pages it did not inherit.
        if FORKED.load(Ordering::Relaxed) {
            return;
        }
        // SAFETY: the slot is ours.
        unsafe { super::allocator::wipe(self.arena.slot_start(self.index), SLOT_SIZE) };
        let mut free = self.arena.free.lock().unwrap_or_else(PoisonError::into_inner);
        free.slots.push(self.index);
        if free.waiting > 0 {
            self.arena.given_back.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_comes_back_wiped() {
        let index = {
            let mut slot = Slot::take().unwrap();
            slot.fill(0x5a);
            slot.index
        };
        let taken: Vec<_> = std::iter::repeat_with(|| Slot::take().unwrap()).take(8).collect();
        for slot in taken.iter().filter(|slot| slot.index == index) {
            assert!(slot.iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn more_threads_than_slots_all_get_one() {
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let held: Vec<_> = (0..4).map(|_| Slot::random().unwrap()).collect();
                        assert_ne!(held[0].key(), held[1].key());
                    }
                });
            }
        });
    }

    #[test]
    fn guard_pages_stand_on_both_sides() {
        protection().unwrap();
        let base = existing(LockChoice::Auto).unwrap().base as usize;
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let guarded = |start: usize, end: usize| {
            maps.lines().any(|line| {
                let mut parts = line.split_whitespace();
                let (range, flags) = (parts.next().unwrap(), parts.next().unwrap());
                let (from, to) = range.split_once('-').unwrap();
                let from = usize::from_str_radix(from, 16).unwrap();
                let to = usize::from_str_radix(to, 16).unwrap();
                from <= start && end <= to && flags.starts_with("---")
            })
        };
        let page = platform::page_size();
        assert!(guarded(base - page, base));
        assert!(guarded(base + ARENA_SIZE, base + ARENA_SIZE + page));
    }
}
