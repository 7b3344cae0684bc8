//! Blocks of a disk that are allocated before there is anything to write into them.

use std::os::fd::RawFd;

/// Allocates the first `size` bytes of an open file and leaves its length as it is: what is appended later takes no
/// new block. Blocks that are there already stay.
#[cfg(target_os = "linux")]
pub fn allocate_ahead(file: RawFd, size: i64) -> std::io::Result<()> {
    // SAFETY: no pointers; a descriptor that is none is answered with an error.
    match unsafe { libc::fallocate(file, libc::FALLOC_FL_KEEP_SIZE, 0, size) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
pub fn allocate_ahead(_file: RawFd, _size: i64) -> std::io::Result<()> {
    Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
}
