//! Why the core refused. Messages name wallets, key versions and rules, never key bytes.

/// What the caller should do about it; each becomes the exception of that name in `hyperkms.errors`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The input is not of the documented form.
    Malformed,
    /// Stored bytes are not what was stored, or belong elsewhere: stop and look.
    Tampered,
    /// Something already stands where a new thing was to be made.
    Conflict,
    /// A rule forbids it; the same call will be refused again.
    Refused,
    /// The machine does not give what is needed now.
    Unavailable,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    pub kind: Kind,
    pub code: &'static str,
    pub message: String,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Error { kind, code, message: message.into() }
    }

    pub fn malformed(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Malformed, code, message)
    }

    pub fn tampered(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Tampered, code, message)
    }

    pub fn refused(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Refused, code, message)
    }

    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, code, message)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Error {}
