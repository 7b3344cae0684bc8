//! Files that come into being whole: written beside their place, made durable, then linked into it.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::memory::fill_random;

const DRAFT: &str = ".draft-";

/// Makes a file of mode 0600: complete and durable on return, or not there at all.
///
/// Conflict when the path exists: nothing is overwritten.
pub fn publish(path: &Path, content: &[u8]) -> Result<()> {
    let draft = draft_path(path)?;
    let outcome = write_durably(&draft, path, content);
    // The draft is a second name of the same file, or the rest of a failed attempt. Whoever opened the
    // file meanwhile may have removed it already.
    match std::fs::remove_file(&draft) {
        Err(e) if e.kind() != ErrorKind::NotFound && outcome.is_ok() => return Err(io_error(path, &e)),
        _ => {}
    }
    outcome.and_then(|()| File::open(folder_of(path))?.sync_all()).map_err(|e| io_error(path, &e))
}

/// A process killed inside `publish` may leave a draft, which may be a second name of the file.
///
/// What cannot be listed or removed stays: a folder that this user may only read holds no draft of ours.
pub fn remove_drafts(path: &Path) {
    let mut prefix = path.file_name().unwrap_or_default().to_os_string();
    prefix.push(DRAFT);
    for entry in std::fs::read_dir(folder_of(path)).into_iter().flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

pub fn io_error(path: &Path, cause: &std::io::Error) -> Error {
    let message = format!("{}: {cause}", path.display());
    if cause.raw_os_error() == Some(libc::ELOOP) {
        let words = format!("{} is a symbolic link, which is refused: name the file itself", path.display());
        return Error::refused("key-file-permissions", words);
    }
    match cause.kind() {
        ErrorKind::AlreadyExists => Error::new(Kind::Conflict, "file-exists", message),
        ErrorKind::NotFound => Error::new(Kind::Malformed, "key-file-missing", message),
        _ => Error::unavailable("key-file-unavailable", message),
    }
}

fn write_durably(draft: &Path, path: &Path, content: &[u8]) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_CLOEXEC);
    let mut file = options.open(draft)?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::hard_link(draft, path)
}

fn draft_path(path: &Path) -> Result<PathBuf> {
    let mut suffix = [0; 8];
    fill_random(&mut suffix)?;
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!("{DRAFT}{:016x}", u64::from_be_bytes(suffix)));
    Ok(path.with_file_name(name))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
