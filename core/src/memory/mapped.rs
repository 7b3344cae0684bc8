//! A file of 8-byte cells that all processes of a host map and change atomically.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use crate::error::{Error, Kind, Result};
use crate::new_file::{publish, remove_drafts};

/// The refusal of a mapped file for a reason: each kind of file has its own code and words.
pub type Refusal = fn(&Path, &str) -> Error;

/// A mapping; its content survives the death of a process, not the loss of power.
pub struct Mapped {
    base: *mut u8,
    cells: u64,
    path: PathBuf,
    /// Device and inode of the file that is mapped.
    identity: (u64, u64),
    file: File,
    refusal: Refusal,
}

// SAFETY: the mapping is only used through atomics.
unsafe impl Send for Mapped {}
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps the counter file of so many cells, made with mode 0600 and all cells 0 if it is not there.
    pub fn open(path: &Path, cells: u64) -> Result<Mapped> {
        make(path, cells)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(libc::O_CLOEXEC);
        let file = options.open(path).map_err(|e| counter_file_unavailable(path, &e.to_string()))?;
        remove_drafts(path);
        Mapped::of(path, file, cells, counter_file_unavailable)
    }

    /// Maps a file that was opened at the path to be read and written; refused unless it has exactly so many cells.
    pub fn of(path: &Path, file: File, cells: u64, refusal: Refusal) -> Result<Mapped> {
        let failed = |e: std::io::Error| refusal(path, &e.to_string());
        let size = cells as usize * 8;
        let data = file.metadata().map_err(failed)?;
        if data.len() != size as u64 {
            return Err(refusal(path, "it has not the size it was made with"));
        }
        let base = map(&file, size).map_err(failed)?;
        Ok(Mapped { base, cells, path: path.into(), identity: (data.dev(), data.ino()), file, refusal })
    }

    /// Names the file among those of this machine: device and inode.
    pub fn name(&self) -> String {
        format!("{}:{}", self.identity.0, self.identity.1)
    }

    /// The open file, for a lock on it.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Refuses when the file at the path is no longer the one that is mapped: another process may then
    /// write into a new one.
    pub fn require_in_place(&self) -> Result<()> {
        let found = std::fs::metadata(&self.path).map_err(|e| self.unavailable(&e.to_string()))?;
        if (found.dev(), found.ino()) != self.identity {
            return Err(self.unavailable("it was replaced while it was in use; restart the service"));
        }
        Ok(())
    }

    /// One cell.
    pub fn cell(&self, number: u64) -> Result<&AtomicU64> {
        if number >= self.cells {
            return Err(Error::unavailable("counter-file-full", format!("there are only {} counters", self.cells)));
        }
        let offset = number as usize * 8;
        // SAFETY: in bounds, 8-byte aligned in a page-aligned mapping, only ever used as an atomic.
        Ok(unsafe { AtomicU64::from_ptr(self.base.add(offset).cast()) })
    }

    /// The refusal of this file for a reason.
    pub fn unavailable(&self, why: &str) -> Error {
        (self.refusal)(&self.path, why)
    }
}

/// Makes the counter file if it is not there, with mode 0600 and all cells 0.
///
/// It is written out in full: a store into a hole of a mapped file ends the process when the disk is full.
fn make(path: &Path, cells: u64) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    match publish(path, &vec![0; cells as usize * 8]) {
        Err(refused) if refused.kind != Kind::Conflict => Err(counter_file_unavailable(path, &refused.message)),
        _ => Ok(()),
    }
}

fn map(file: &File, size: usize) -> std::io::Result<*mut u8> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a fresh shared mapping of a file that is exactly as long.
    let base = unsafe { libc::mmap(std::ptr::null_mut(), size, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if base == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error());
    }
    Ok(base.cast())
}

fn counter_file_unavailable(path: &Path, why: &str) -> Error {
    Error::unavailable("counter-file-unavailable", format!("the counter file {}: {why}", path.display()))
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: mapped by `of` with this length; no reference outlives self.
        unsafe { libc::munmap(self.base.cast(), self.cells as usize * 8) };
    }
}
