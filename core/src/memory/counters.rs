//! Counters in a mapped file, shared by every process of a host: the last nonce of each signer.
//!
//! Nothing secret is here; it stands in this module because mapped memory needs `unsafe`.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};

/// Counters in the file: 8 bytes each, native byte order, so the file is 8 MiB and mostly a hole.
pub const CAPACITY: u64 = 1 << 20;
const FILE_SIZE: usize = CAPACITY as usize * 8;

/// A mapping of the counter file; survives the death of a process, not the loss of power.
pub struct Counters {
    base: *mut u8,
}

// SAFETY: the mapping is only used through atomics.
unsafe impl Send for Counters {}
unsafe impl Sync for Counters {}

impl Counters {
    /// Maps the file, made with mode 0600 and all counters 0 if it is not there.
    pub fn open(path: &Path) -> Result<Counters> {
        let failed = |e: std::io::Error| {
            Error::unavailable("nonce-file-unavailable", format!("the nonce file {} : {e}", path.display()))
        };
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(libc::O_CLOEXEC);
        let file = options.open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() < FILE_SIZE as u64 {
            file.set_len(FILE_SIZE as u64).map_err(failed)?;
        }
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh shared mapping of a file that is at least as long.
        let base =
            unsafe { libc::mmap(std::ptr::null_mut(), FILE_SIZE, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if base == libc::MAP_FAILED {
            return Err(failed(std::io::Error::last_os_error()));
        }
        Ok(Counters { base: base.cast() })
    }

    /// Draws max(now, last + 1); refused when that would be past `limit`. All in milliseconds.
    pub fn draw(&self, counter: u64, now: u64, limit: u64) -> Result<u64> {
        let last = self.at(counter)?;
        let mut seen = last.load(Ordering::Acquire);
        loop {
            let next = now.max(seen.saturating_add(1));
            if next > limit {
                return Err(Error::unavailable(
                    "nonce-ahead-of-clock",
                    format!(
                        "the next nonce {next} is past the limit {limit}: the clock went back, or too many were drawn"
                    ),
                ));
            }
            match last.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(next),
                Err(changed) => seen = changed,
            }
        }
    }

    /// Makes sure that nothing at or below `floor` is drawn again.
    pub fn raise(&self, counter: u64, floor: u64) -> Result<()> {
        self.at(counter)?.fetch_max(floor, Ordering::AcqRel);
        Ok(())
    }

    fn at(&self, counter: u64) -> Result<&AtomicU64> {
        if counter >= CAPACITY {
            return Err(Error::unavailable("nonce-file-full", format!("there are only {CAPACITY} counters")));
        }
        let offset = counter as usize * 8;
        // SAFETY: in bounds, 8-byte aligned in a page-aligned mapping, only ever used as an atomic.
        Ok(unsafe { AtomicU64::from_ptr(self.base.add(offset).cast()) })
    }
}

impl Drop for Counters {
    fn drop(&mut self) {
        // SAFETY: mapped by `open` with this length; no reference outlives self.
        unsafe { libc::munmap(self.base.cast(), FILE_SIZE) };
    }
}
