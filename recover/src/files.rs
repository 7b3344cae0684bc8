//! What the program reads and writes, and where a key may go.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use hyperkms_core::error::{Error, Result};
use hyperkms_core::hex;
use hyperkms_core::memory::{Slot, SLOT_SIZE};
use hyperkms_core::new_file::io_error;
use hyperkms_core::root_file::{read_up_to, require_private};

/// A sealed share or a copy of one stays under it.
const MOST: u64 = 8 * 1024 * 1024;

/// The whole file; one that holds no secret in the clear.
pub fn read_open(path: &Path) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    let file = File::open(path).map_err(|cause| io_error(path, &cause))?;
    file.take(MOST + 1).read_to_end(&mut content).map_err(|cause| io_error(path, &cause))?;
    if content.len() as u64 > MOST {
        let words = format!("{} is longer than any file that is read here", path.display());
        return Err(Error::malformed("file-too-long", words));
    }
    Ok(content)
}

/// A file with a secret, of this user alone (mode 0600 or 0400), in a slot: its text and the length of that.
pub fn read_private(path: &Path) -> Result<(Slot, usize)> {
    let mut options = OpenOptions::new();
    // A pipe is refused below, and is not waited for.
    options.read(true).custom_flags(libc::O_CLOEXEC | libc::O_NONBLOCK);
    let mut file = options.open(path).map_err(|cause| io_error(path, &cause))?;
    require_private(&file, path)?;
    let mut text = Slot::take()?;
    let length = read_up_to(&mut file, &mut text[..]).map_err(|cause| io_error(path, &cause))?;
    if length == SLOT_SIZE {
        let words = format!("{} is longer than any file that is read here", path.display());
        return Err(Error::malformed("file-too-long", words));
    }
    Ok((text, length))
}

/// Standard output, once it is known to be a pipe: the only place that a key is written to.
pub struct KeyPipe(File);

impl KeyPipe {
    /// Refused for a terminal, which keeps what it showed, and for a file, which keeps it longer.
    pub fn open() -> Result<KeyPipe> {
        let broken = |cause| Error::unavailable("output-unavailable", format!("standard output: {cause}"));
        let output = std::io::stdout().as_fd().try_clone_to_owned().map(File::from).map_err(broken)?;
        if output.metadata().map_err(broken)?.file_type().is_fifo() {
            return Ok(KeyPipe(output));
        }
        let words = "a key is written to a pipe and nowhere else: \
            end the line with `| hyperkms wallet import ID --key-type T --key-file - --data DIR`";
        Err(Error::refused("output-not-a-pipe", words))
    }

    /// The first 32 bytes as 64 hex digits and a newline.
    pub fn write(&mut self, key: &Slot) -> Result<()> {
        let mut line = Slot::take()?;
        hex::encode(key.key(), &mut line[..64]);
        line[64] = b'\n';
        self.0.write_all(&line[..65]).map_err(|cause| {
            let words = format!("whoever reads the key has gone, and may have got it nonetheless: {cause}");
            Error::unavailable("output-unavailable", words)
        })
    }
}
