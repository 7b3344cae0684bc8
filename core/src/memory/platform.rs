//! What the operating system is asked for: one function a need, one `cfg` a system.

use std::os::fd::AsFd;

use crate::error::{Error, Result};

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockChoice {
    /// memfd_secret where the kernel has it, else mlock.
    Auto,
    MemfdSecret,
    Mlock,
}

/// What is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// Pages that no other process can read, /proc/PID/mem and the kernel's own map included.
    MemfdSecret,
    /// Pages that are never swapped.
    Mlock,
    /// The system refused to lock: pages may be swapped. Production refuses to run like this.
    Unlocked,
}

/// A mapping of `len` readable and writable bytes between two inaccessible pages; never unmapped.
pub(super) struct Mapping {
    pub base: *mut u8,
    pub lock: Lock,
    /// True where the kernel confirmed that neither dumps nor forks carry the pages.
    pub private: bool,
}

pub(super) fn page_size() -> usize {
    // SAFETY: no pointers.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(16384)
}

pub(super) fn map_secret(len: usize, choice: LockChoice) -> Result<Mapping> {
    let page = page_size();
    let outer = map(std::ptr::null_mut(), len + 2 * page, libc::PROT_NONE, anonymous(), -1)
        .map_err(|e| Error::unavailable("memory-unavailable", format!("mmap of the secret arena failed: {e}")))?;
    // SAFETY: one page into a mapping of len + 2 pages.
    let base = unsafe { outer.add(page) };
    let lock = fill(base, len, choice)?;
    let private = keep_private(base, len);
    Ok(Mapping { base, lock, private })
}

/// Whether what is written there stays in memory, so that no device can keep a write waiting; false where that is unknown.
#[cfg(target_os = "linux")]
pub fn is_in_memory(path: &std::path::Path) -> bool {
    const TMPFS: libc::c_long = 0x0102_1994;
    const RAMFS: libc::c_long = 0x8584_58f6;
    let Ok(path) = std::ffi::CString::new(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str())) else {
        return false;
    };
    let mut found = std::mem::MaybeUninit::<libc::statfs>::uninit();
    // SAFETY: a path that ends with 0, and a structure that the call fills when it answers 0.
    if unsafe { libc::statfs(path.as_ptr(), found.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: filled, as just seen.
    let kind = unsafe { found.assume_init() }.f_type as libc::c_long;
    kind == TMPFS || kind == RAMFS
}

#[cfg(not(target_os = "linux"))]
pub fn is_in_memory(_path: &std::path::Path) -> bool {
    false
}

/// RLIMIT_CORE 0 and, on Linux, PR_SET_DUMPABLE 0: no core file, no ptrace by the same user.
pub fn harden_process() -> Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure lives through the call.
    if unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) } != 0 {
        return Err(unprotected("RLIMIT_CORE could not be set to 0"));
    }
    #[cfg(target_os = "linux")]
    // SAFETY: no pointers.
    if unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) } != 0 {
        return Err(unprotected("PR_SET_DUMPABLE could not be set to 0"));
    }
    Ok(())
}

/// Has all threads allocate from one heap, where glibc would give each its own and hold what is free in every one of them.
///
/// For a start, before there are threads. Elsewhere it does nothing.
pub fn use_one_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: no pointers. What it answers says that the number is known, and it is.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
    }
}

/// Calls `child` in every process that is forked from this one, before anything else runs there.
///
/// A raw `clone` passes it by; the pages are not there then either, and touching them ends that process.
pub(super) fn in_every_child(child: extern "C" fn()) -> Result<()> {
    // SAFETY: the function lives as long as the process and only stores a flag.
    match unsafe { libc::pthread_atfork(None, None, Some(child)) } {
        0 => Ok(()),
        code => {
            let cause = std::io::Error::from_raw_os_error(code);
            Err(Error::unavailable("memory-unavailable", format!("pthread_atfork failed: {cause}")))
        }
    }
}

pub fn effective_user() -> u32 {
    // SAFETY: no pointers.
    unsafe { libc::geteuid() }
}

/// Standard input as a file of its own, without the buffer that `std::io::stdin` keeps.
pub fn standard_input() -> Result<std::fs::File> {
    let failed = |e| Error::unavailable("key-file-unavailable", format!("standard input: {e}"));
    std::io::stdin().as_fd().try_clone_to_owned().map(std::fs::File::from).map_err(failed)
}

fn unprotected(what: &str) -> Error {
    let cause = std::io::Error::last_os_error();
    Error::unavailable("memory-unprotected", format!("{what}: {cause}"))
}

fn anonymous() -> libc::c_int {
    libc::MAP_PRIVATE | libc::MAP_ANON
}

fn map(
    at: *mut u8,
    len: usize,
    protection: libc::c_int,
    flags: libc::c_int,
    fd: libc::c_int,
) -> std::io::Result<*mut u8> {
    // SAFETY: either a fresh mapping or, with MAP_FIXED, one inside a mapping of our own.
    let base = unsafe { libc::mmap(at.cast(), len, protection, flags, fd, 0) };
    if base == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error());
    }
    Ok(base.cast())
}

fn fill(base: *mut u8, len: usize, choice: LockChoice) -> Result<Lock> {
    if choice != LockChoice::Mlock {
        match map_memfd_secret(base, len) {
            Ok(()) => return Ok(Lock::MemfdSecret),
            Err(cause) if choice == LockChoice::MemfdSecret => {
                return Err(Error::unavailable("memory-unprotected", format!("memfd_secret: {cause}")));
            }
            Err(_) => {}
        }
    }
    let flags = anonymous() | libc::MAP_FIXED;
    map(base, len, libc::PROT_READ | libc::PROT_WRITE, flags, -1)
        .map_err(|e| Error::unavailable("memory-unavailable", format!("mmap of the secret arena failed: {e}")))?;
    // SAFETY: the pages were mapped just now.
    if unsafe { libc::mlock(base.cast(), len) } == 0 {
        Ok(Lock::Mlock)
    } else {
        Ok(Lock::Unlocked)
    }
}

#[cfg(target_os = "linux")]
fn map_memfd_secret(base: *mut u8, len: usize) -> std::io::Result<()> {
    let size = libc::off_t::try_from(len).map_err(std::io::Error::other)?;
    // SAFETY: no pointers; the descriptor is closed on every path below.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_secret, libc::O_CLOEXEC) };
    let fd = libc::c_int::try_from(fd).map_err(std::io::Error::other)?;
    if fd < 0 {
        return Err(std::io::Error::last_os_error());
    }
    // SAFETY: fd is ours.
    let sized = unsafe { libc::ftruncate(fd, size) };
    let outcome = if sized == 0 {
        let flags = libc::MAP_SHARED | libc::MAP_FIXED;
        map(base, len, libc::PROT_READ | libc::PROT_WRITE, flags, fd).map(|_| ())
    } else {
        Err(std::io::Error::last_os_error())
    };
    // SAFETY: fd is ours and not used again.
    unsafe { libc::close(fd) };
    outcome
}

#[cfg(not(target_os = "linux"))]
fn map_memfd_secret(_base: *mut u8, _len: usize) -> std::io::Result<()> {
    Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
}

#[cfg(target_os = "linux")]
fn keep_private(base: *mut u8, len: usize) -> bool {
    // SAFETY: advice on pages of our own.
    unsafe {
        libc::madvise(base.cast(), len, libc::MADV_DONTDUMP) == 0
            && libc::madvise(base.cast(), len, libc::MADV_DONTFORK) == 0
    }
}

// macOS has neither advice; RLIMIT_CORE 0 and `in_every_child` stand in.
#[cfg(not(target_os = "linux"))]
fn keep_private(_base: *mut u8, _len: usize) -> bool {
    false
}
