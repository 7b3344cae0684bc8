//! The words of a command: `--name VALUE` or `--name=VALUE`, and nothing else.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use hyperkms_core::error::{Error, Result};

/// The code of what was not understood; the exit status is 2.
pub const NOT_UNDERSTOOD: &str = "not-understood";

/// What was given, each option with its values in their order.
pub struct Arguments(BTreeMap<String, Vec<OsString>>);

impl Arguments {
    /// Malformed for a word that is no option of the command, and for an option without a value.
    pub fn read(words: impl IntoIterator<Item = OsString>, known: &[&str]) -> Result<Arguments> {
        let mut given: BTreeMap<String, Vec<OsString>> = BTreeMap::new();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            // A word that is none of ours is not repeated: it could be a key, typed in the wrong place.
            let text = word.to_str().ok_or_else(no_option)?;
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, Some(OsString::from(value))),
                None => (text, words.next()),
            };
            let name = name.strip_prefix("--").filter(|name| known.contains(name)).ok_or_else(no_option)?;
            let value = value.ok_or_else(|| not_understood(format!("--{name} needs a value")))?;
            given.entry(name.to_owned()).or_default().push(value);
        }
        Ok(Arguments(given))
    }

    /// All values of an option.
    pub fn all(&mut self, name: &str) -> Vec<OsString> {
        self.0.remove(name).unwrap_or_default()
    }

    /// The value of an option that may be given once.
    pub fn optional(&mut self, name: &str) -> Result<Option<OsString>> {
        let mut values = self.all(name);
        if values.len() > 1 {
            return Err(not_understood(format!("--{name} is given more than once")));
        }
        Ok(values.pop())
    }

    /// The value of an option that must be given, once.
    pub fn one(&mut self, name: &str) -> Result<OsString> {
        self.optional(name)?.ok_or_else(|| not_understood(format!("--{name} is missing")))
    }

    pub fn path(&mut self, name: &str) -> Result<PathBuf> {
        self.one(name).map(PathBuf::from)
    }

    pub fn paths(&mut self, name: &str) -> Vec<PathBuf> {
        self.all(name).into_iter().map(PathBuf::from).collect()
    }

    pub fn text(&mut self, name: &str) -> Result<String> {
        text(self.one(name)?, name)
    }

    pub fn optional_text(&mut self, name: &str) -> Result<Option<String>> {
        self.optional(name)?.map(|value| text(value, name)).transpose()
    }
}

fn text(value: OsString, name: &str) -> Result<String> {
    value.into_string().map_err(|_| not_understood(format!("the value of --{name} is not text")))
}

fn no_option() -> Error {
    not_understood("a word is none of this command's options; `hyperkms-recover --help` shows them")
}

pub fn not_understood(words: impl Into<String>) -> Error {
    Error::malformed(NOT_UNDERSTOOD, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &[&str]) -> Result<Arguments> {
        Arguments::read(words.iter().map(OsString::from), &["in", "dir"])
    }

    #[test]
    fn options_are_read_in_both_forms_and_may_repeat_where_that_is_meant() {
        let mut read = read(&["--in", "a", "--dir=d=e", "--in=--b"]).unwrap();
        assert_eq!(read.paths("in"), [PathBuf::from("a"), PathBuf::from("--b")]);
        assert_eq!(read.text("dir").unwrap(), "d=e");
        assert_eq!(read.optional_text("dir").unwrap(), None);
    }

    #[test]
    fn what_is_no_option_is_refused_and_not_repeated() {
        for words in [&["--secret", "5ec2e7"][..], &["5ec2e7"], &["--in"], &["-in", "a"], &["--", "a"], &["in=a"]] {
            let refused = read(words).err().unwrap();
            assert_eq!(refused.code, NOT_UNDERSTOOD);
            assert!(!refused.message.contains("5ec2e7"));
        }
        let mut twice = read(&["--dir", "a", "--dir", "b"]).unwrap();
        assert_eq!(twice.one("dir").unwrap_err().code, NOT_UNDERSTOOD);
        assert_eq!(read(&[]).unwrap().one("dir").unwrap_err().code, NOT_UNDERSTOOD);
    }
}
