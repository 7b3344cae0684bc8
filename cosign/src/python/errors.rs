//! Errors and faults as the exceptions of `hyperkms.errors`.

use hyperkms_core::error::{Error, Kind};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::protocol::Fault;

mod raised {
    pyo3::import_exception!(hyperkms.errors, Malformed);
    pyo3::import_exception!(hyperkms.errors, Tampered);
    pyo3::import_exception!(hyperkms.errors, Conflict);
    pyo3::import_exception!(hyperkms.errors, Refused);
    pyo3::import_exception!(hyperkms.errors, Unavailable);
}

pub(crate) type Result<T> = std::result::Result<T, Raised>;

pub(crate) enum Raised {
    Error(Error),
    Fault(Fault),
}

impl From<Error> for Raised {
    fn from(error: Error) -> Raised {
        Raised::Error(error)
    }
}

impl From<Fault> for Raised {
    fn from(fault: Fault) -> Raised {
        Raised::Fault(fault)
    }
}

impl From<Raised> for PyErr {
    fn from(raised: Raised) -> PyErr {
        match raised {
            Raised::Error(Error { kind, code, message }) => of_kind(kind, code, message),
            Raised::Fault(fault) => Python::attach(|py| of_fault(py, fault).unwrap_or_else(|error| error)),
        }
    }
}

fn of_fault(py: Python<'_>, fault: Fault) -> PyResult<PyErr> {
    let Some(member) = fault.member else { return Ok(of_kind(fault.kind, fault.code, fault.words)) };
    let details = PyDict::new(py);
    details.set_item("cosigner", member)?;
    details.set_item("ban", u8::from(fault.ban))?;
    let words = format!("cosigner {member}: {}", fault.words);
    Ok(raised::Tampered::new_err((fault.code, words, details.unbind())))
}

fn of_kind(kind: Kind, code: &'static str, words: String) -> PyErr {
    let words = (code, words);
    match kind {
        Kind::Malformed => raised::Malformed::new_err(words),
        Kind::Tampered => raised::Tampered::new_err(words),
        Kind::Conflict => raised::Conflict::new_err(words),
        Kind::Refused => raised::Refused::new_err(words),
        Kind::Unavailable => raised::Unavailable::new_err(words),
    }
}
