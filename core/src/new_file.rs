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
    match std::fs::hard_link(draft, path) {
        // Another made the file first, and whoever opened that has removed this draft as one that was left.
        Err(e) if e.kind() == ErrorKind::NotFound && path.exists() => Err(ErrorKind::AlreadyExists.into()),
        linked => linked,
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_who_make_a_file_at_once_one_does_and_the_others_find_it() {
        let folder = std::env::temp_dir().join(format!("hyperkms-new-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for round in 0..100 {
            let path = folder.join(format!("{round}"));
            let made = std::thread::scope(|threads| {
                let make = || {
                    let outcome = publish(&path, &[7; 64]);
                    remove_drafts(&path);
                    match outcome {
                        Ok(()) => 1,
                        Err(refused) if refused.kind == Kind::Conflict => 0,
                        Err(other) => panic!("{}", other.message),
                    }
                };
                let all: Vec<_> = (0..8).map(|_| threads.spawn(make)).collect();
                all.into_iter().map(|each| each.join().unwrap()).sum::<usize>()
            });
            assert_eq!(made, 1);
            assert_eq!(std::fs::read(&path).unwrap(), [7; 64]);
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
