//! Meters of what was spent lately.

use std::path::PathBuf;

use pyo3::prelude::*;

use crate::error::Result;
use crate::memory::{self, require_sound, Span};

/// Meter, period, end (none: rolling), amount, limit; times are milliseconds.
type Demand = (u64, u64, Option<u64>, u64, u64);

/// From which moment on it counts; or the place of the demand that found too little, what is used, how long to wait.
#[derive(IntoPyObject)]
enum Reserved {
    From(u64),
    Lack((usize, u64, Option<u64>)),
}

#[pyclass(frozen, module = "hyperkms._core")]
pub struct Meters(memory::Meters);

#[pymethods]
impl Meters {
    #[staticmethod]
    fn open(path: PathBuf) -> Result<Self> {
        memory::Meters::open(&path).map(Meters)
    }

    #[getter]
    fn file(&self) -> String {
        self.0.file()
    }

    fn require_in_place(&self) -> Result<()> {
        self.0.require_in_place()
    }

    #[pyo3(signature = (demands, *, now))]
    fn reserve(&self, demands: Vec<Demand>, now: u64) -> Result<Reserved> {
        let reserved = self.0.reserve(&read(&demands)?, now)?;
        Ok(reserved.map_or_else(|lack| Reserved::Lack((lack.demand, lack.used, lack.wait)), Reserved::From))
    }

    #[pyo3(signature = (demands, *, now))]
    fn lacks(&self, demands: Vec<Demand>, now: u64) -> Result<Option<(usize, u64, Option<u64>)>> {
        let lack = self.0.lacks(&read(&demands)?, now)?;
        Ok(lack.map(|lack| (lack.demand, lack.used, lack.wait)))
    }

    #[pyo3(signature = (demands, *, now))]
    fn count(&self, demands: Vec<Demand>, now: u64) -> Result<u64> {
        self.0.count(&read(&demands)?, now)
    }

    #[pyo3(signature = (demands, *, then))]
    fn give_back(&self, demands: Vec<Demand>, then: u64) -> Result<()> {
        self.0.give_back(&read(&demands)?, then)
    }

    #[pyo3(signature = (demand, *, now))]
    fn used(&self, demand: Demand, now: u64) -> Result<u64> {
        self.0.used(&one(demand)?, now)
    }

    fn clear(&self) -> Result<()> {
        self.0.clear()
    }
}

fn read(demands: &[Demand]) -> Result<Vec<memory::Demand>> {
    demands.iter().copied().map(one).collect()
}

fn one((meter, period, end, amount, limit): Demand) -> Result<memory::Demand> {
    let span = end.map_or(Span::Rolling, Span::Until);
    let demand = memory::Demand { meter, period, span, amount, limit };
    require_sound(&demand)?;
    Ok(demand)
}
