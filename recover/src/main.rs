//! `hyperkms-recover`: the only program that puts a key together, and one that no service links or starts.
//!
//! It reads files, writes files, and talks to nobody. docs/recovery.md says who runs which command where.

#![forbid(unsafe_code)]

mod arguments;
mod combine;
#[cfg(test)]
mod combine_tests;
mod commands;
mod copies;
#[cfg(test)]
mod copies_tests;
mod field;
mod files;
mod first_system;
#[cfg(test)]
mod first_system_tests;
mod identity;
#[cfg(test)]
mod testing;
mod whole;

use std::ffi::OsString;
use std::process::ExitCode;

use hyperkms_core::error::Result;
use hyperkms_core::memory::{harden_process, start, Lock, LockChoice};

const HELP: &str = "\
hyperkms-recover: keys put together again, on a machine without a network (docs/recovery.md)

A key of the first system, from as many of its shares as it was split to need:
  first-system --dir DIR --in FILE --in FILE [...] --public-key HEX    offline: from `hyperkms wallet first-system-shares`
  first-system --share FILE --share FILE [...] --public-key HEX        from files with the shares themselves

A key that is held in shares, from copies of t of them:
  begin --wallet ID --out DIR                              offline: makes a recipient, to be read out
  hand-over --share FILE --root-key FILE --to RECIPIENT --out FILE    at each cosigner
  combine --dir DIR --in FILE --in FILE [...]              offline; --identity FILE instead of --dir DIR for copies
          [--public-key HEX] [--sign-file FILE]            that were made at birth; --sign-file for Ed25519

Copies that are made at birth:
  recipient new --out FILE                                 offline: makes a recipient for all wallets
  check --in FILE --identity FILE                          the drill: whether a copy opens and is whole
  open --in FILE --identity FILE [--public-key HEX]        offline: a whole key, from its copy

A key goes to a pipe and nowhere else:
  ... | hyperkms wallet import ID --key-type T --key-file - --data DIR";

fn main() -> ExitCode {
    let mut words: Vec<OsString> = std::env::args_os().skip(1).collect();
    match run(&mut words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(refused) => {
            eprintln!("hyperkms-recover: {} [{}]", refused.message, refused.code);
            ExitCode::from(if refused.code == arguments::NOT_UNDERSTOOD { 2 } else { 1 })
        }
    }
}

fn run(words: &mut Vec<OsString>) -> Result<()> {
    let named = words.first().and_then(|word| word.to_str()).unwrap_or_default().to_owned();
    let mut of_command = words.split_off(words.len().min(1)).into_iter();
    if matches!(named.as_str(), "--help" | "--version") {
        println!("{}", if named == "--help" { HELP } else { concat!("hyperkms-recover ", env!("CARGO_PKG_VERSION")) });
        return Ok(());
    }
    protect()?;
    match named.as_str() {
        "first-system" => commands::first_system(of_command),
        "begin" => commands::begin(of_command),
        "hand-over" => commands::hand_over(of_command),
        "combine" => commands::combine(of_command),
        "check" => commands::check(of_command),
        "open" => commands::open(of_command),
        "recipient" if of_command.next().is_some_and(|word| word == "new") => commands::recipient_new(of_command),
        _ => Err(arguments::not_understood("no such command; `hyperkms-recover --help` shows them")),
    }
}

/// No core file, no debugger of the same user, and locked memory for secrets where the system gives it.
fn protect() -> Result<()> {
    harden_process()?;
    if start(LockChoice::Auto)?.lock == Lock::Unlocked {
        eprintln!("hyperkms-recover: this system does not lock memory, so a secret may be written to its swap space");
    }
    Ok(())
}
