//! Meters of what was spent lately, in a mapped file that all processes of a host share.
//!
//! A meter is 63 buckets of time, each with the amount that was reserved in it. All of a request is reserved
//! or nothing, under one lock, so that no limit is ever passed, however many processes ask at once. A process
//! that dies halfway leaves too much counted, never too little. Nothing secret is here.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::memory::mapped::Mapped;

/// Meters in the file; number 0 is never used.
pub const CAPACITY: u64 = 1 << 13;
const CELLS: u64 = 128;
/// A period is cut into so many buckets.
const PARTS: u64 = 60;
/// Those of a period, the one that goes on, and the two after it.
const BUCKETS: u64 = 63;
/// A clock that was set back a little leaves buckets of the near future.
const AHEAD: u64 = 2;
/// The cell after the buckets: the latest moment at which the meter was asked.
const LATEST: u64 = 2 * BUCKETS;
/// Milliseconds. Who read the clock and then had to wait is asked for at the latest moment; a clock that says
/// still less was set back.
const LATE: u64 = 60_000;
const PATIENCE: Duration = Duration::from_millis(250);

/// For how long an amount counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Span {
    /// From now on for the meter's period, and at most a sixtieth of it longer.
    Rolling,
    /// Until this time in milliseconds, and at most a sixtieth of the period longer; not further ahead than the period.
    Until(u64),
}

/// An amount that a meter is asked for. Times are milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    pub meter: u64,
    pub period: u64,
    pub span: Span,
    pub amount: u64,
    pub limit: u64,
}

/// Why nothing was reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lack {
    /// The place of the demand that found too little.
    pub demand: usize,
    /// What its meter counts now.
    pub used: u64,
    /// Milliseconds until it would be granted, if nothing else is; none: never.
    pub wait: Option<u64>,
}

/// A mapping of the meters; survives the death of a process, not the loss of power.
pub struct Meters {
    mapped: Mapped,
    turn: Mutex<()>,
}

impl Meters {
    /// Maps the file, made with mode 0600 and nothing spent if it is not there.
    pub fn open(path: &Path) -> Result<Meters> {
        Ok(Meters { mapped: Mapped::open(path, CAPACITY * CELLS)?, turn: Mutex::new(()) })
    }

    /// Names the file among those of this machine: device and inode.
    pub fn file(&self) -> String {
        self.mapped.name()
    }

    /// Refuses when the file at the path is no longer the one that is mapped.
    pub fn require_in_place(&self) -> Result<()> {
        self.mapped.require_in_place()
    }

    /// Reserves every demand, and answers from which moment on they count; or none and says why.
    pub fn reserve(&self, demands: &[Demand], now: u64) -> Result<std::result::Result<u64, Lack>> {
        let _held = self.lock()?;
        let now = self.moment(demands, now)?;
        for (place, demand) in demands.iter().enumerate() {
            let used = self.settle(demand.meter, demand.period, demand.span, now)?;
            if used.checked_add(demand.amount).is_none_or(|sum| sum > demand.limit) {
                let wait = self.wait(demand, used, now)?;
                self.take_back(&demands[..place], now)?;
                return Ok(Err(Lack { demand: place, used, wait }));
            }
            self.add(demand, now)?;
        }
        Ok(Ok(now))
    }

    /// What `reserve` would say to each demand by itself; nothing is taken.
    pub fn lacks(&self, demands: &[Demand], now: u64) -> Result<Option<Lack>> {
        let _held = self.lock()?;
        for (place, demand) in demands.iter().enumerate() {
            let used = self.settle(demand.meter, demand.period, demand.span, now)?;
            if used.checked_add(demand.amount).is_none_or(|sum| sum > demand.limit) {
                return Ok(Some(Lack { demand: place, used, wait: self.wait(demand, used, now)? }));
            }
        }
        Ok(None)
    }

    /// Counts every demand, whatever its limit: what was reserved before a loss of power, or is only watched.
    pub fn count(&self, demands: &[Demand], now: u64) -> Result<u64> {
        let _held = self.lock()?;
        let now = self.moment(demands, now)?;
        for demand in demands {
            self.settle(demand.meter, demand.period, demand.span, now)?;
            self.add(demand, now)?;
        }
        Ok(now)
    }

    /// Gives back what counts from `then` on for a request that came to nothing.
    pub fn give_back(&self, demands: &[Demand], then: u64) -> Result<()> {
        let _held = self.lock()?;
        self.take_back(demands, then)
    }

    /// What a meter counts now.
    pub fn used(&self, demand: &Demand, now: u64) -> Result<u64> {
        let _held = self.lock()?;
        let now = self.moment(std::slice::from_ref(demand), now)?;
        self.settle(demand.meter, demand.period, demand.span, now)
    }

    /// Nothing is spent any more by any meter.
    pub fn clear(&self) -> Result<()> {
        let _held = self.lock()?;
        for cell in 0..CAPACITY * CELLS {
            self.mapped.cell(cell)?.store(0, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Time does not go back for a meter, whoever comes late: else what was spent meanwhile would count as older.
    fn moment(&self, demands: &[Demand], now: u64) -> Result<u64> {
        let mut moment = now;
        for demand in demands {
            let latest = self.mapped.cell(demand.meter * CELLS + LATEST)?.load(Ordering::Relaxed);
            if latest > moment && latest - now <= LATE {
                moment = latest;
            }
        }
        for demand in demands {
            self.mapped.cell(demand.meter * CELLS + LATEST)?.store(moment, Ordering::Relaxed);
        }
        Ok(moment)
    }

    /// Sums the buckets that count. What was written under a clock further ahead counts in the last one.
    fn settle(&self, meter: u64, period: u64, span: Span, now: u64) -> Result<u64> {
        let width = width_of(period);
        let current = now / width;
        let (first, last) = match span {
            Span::Rolling => (current.saturating_sub(PARTS), current + AHEAD),
            Span::Until(_) => (current + 1, current + PARTS + AHEAD),
        };
        let (mut sum, mut stray) = (0u64, 0u64);
        for bucket in 0..BUCKETS {
            let (tag, amount) = self.read(meter, bucket)?;
            if amount == 0 || tag < first {
                continue;
            }
            sum = sum.saturating_add(amount);
            if tag > last {
                stray = stray.saturating_add(amount);
            }
        }
        if stray > 0 {
            self.bring_home(meter, first, last)?;
        }
        Ok(sum)
    }

    /// Moves what lies after `last` into that bucket; a crash in between counts it twice.
    fn bring_home(&self, meter: u64, first: u64, last: u64) -> Result<()> {
        for bucket in 0..BUCKETS {
            let (tag, amount) = self.read(meter, bucket)?;
            if amount > 0 && tag > last {
                if self.put(meter, first, last, amount).is_ok() {
                    self.write(meter, bucket, 0, 0)?;
                } else {
                    self.write(meter, bucket, last, amount)?; // every other place is taken
                }
            }
        }
        Ok(())
    }

    fn add(&self, demand: &Demand, now: u64) -> Result<()> {
        let (first, tag) = place_of(demand, now);
        self.put(demand.meter, first, tag, demand.amount)
    }

    /// Adds to the bucket of a tag, or to one whose time is over.
    fn put(&self, meter: u64, first: u64, tag: u64, amount: u64) -> Result<()> {
        let mut free = None;
        for bucket in 0..BUCKETS {
            let (found, before) = self.read(meter, bucket)?;
            if found == tag && before > 0 {
                return self.write(meter, bucket, tag, before.saturating_add(amount));
            }
            if free.is_none() && (before == 0 || found < first) {
                free = Some(bucket);
            }
        }
        match free {
            Some(bucket) => self.write(meter, bucket, tag, amount),
            None => Err(self.mapped.unavailable("a meter has no bucket left")),
        }
    }

    fn take_back(&self, demands: &[Demand], then: u64) -> Result<()> {
        for demand in demands {
            let (_, tag) = place_of(demand, then);
            for bucket in 0..BUCKETS {
                let (found, before) = self.read(demand.meter, bucket)?;
                if found == tag && before > 0 {
                    self.write(demand.meter, bucket, tag, before.saturating_sub(demand.amount))?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// How long until enough of what a meter counts has left it.
    fn wait(&self, demand: &Demand, used: u64, now: u64) -> Result<Option<u64>> {
        if demand.amount > demand.limit {
            return Ok(None);
        }
        let width = width_of(demand.period);
        let current = now / width;
        let (first, lasts) = match demand.span {
            Span::Rolling => (current.saturating_sub(PARTS), PARTS + 1),
            Span::Until(_) => (current + 1, 0),
        };
        let mut live = Vec::with_capacity(BUCKETS as usize);
        for bucket in 0..BUCKETS {
            let (tag, amount) = self.read(demand.meter, bucket)?;
            if amount > 0 && tag >= first {
                live.push((tag, amount));
            }
        }
        live.sort_unstable();
        let mut excess = used.saturating_add(demand.amount) - demand.limit;
        for (tag, amount) in live {
            excess = excess.saturating_sub(amount);
            if excess == 0 {
                return Ok(Some(((tag + lasts) * width).saturating_sub(now)));
            }
        }
        Ok(Some(demand.period))
    }

    fn read(&self, meter: u64, bucket: u64) -> Result<(u64, u64)> {
        let cell = meter * CELLS + 2 * bucket;
        Ok((self.mapped.cell(cell)?.load(Ordering::Relaxed), self.mapped.cell(cell + 1)?.load(Ordering::Relaxed)))
    }

    /// Tag first: a crash in between counts the amount before once more under the new tag, never less.
    fn write(&self, meter: u64, bucket: u64, tag: u64, amount: u64) -> Result<()> {
        let cell = meter * CELLS + 2 * bucket;
        self.mapped.cell(cell)?.store(tag, Ordering::SeqCst);
        self.mapped.cell(cell + 1)?.store(amount, Ordering::SeqCst);
        Ok(())
    }

    /// The kernel gives the lock back when its process dies.
    fn lock(&self) -> Result<Held<'_>> {
        let turn = self.turn.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let descriptor = self.mapped.file().as_raw_fd();
        let begun = Instant::now();
        loop {
            // SAFETY: a descriptor that `self` keeps open.
            if unsafe { libc::flock(descriptor, libc::LOCK_EX | libc::LOCK_NB) } == 0 {
                return Ok(Held { descriptor, _turn: turn });
            }
            let error = std::io::Error::last_os_error();
            match error.raw_os_error() {
                Some(libc::EWOULDBLOCK | libc::EINTR) if begun.elapsed() < PATIENCE => std::thread::yield_now(),
                Some(libc::EWOULDBLOCK | libc::EINTR) => {
                    return Err(self.mapped.unavailable("another process holds its lock; is one stopped?"));
                }
                _ => return Err(self.mapped.unavailable(&error.to_string())),
            }
        }
    }
}

struct Held<'a> {
    descriptor: i32,
    _turn: MutexGuard<'a, ()>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        // SAFETY: the descriptor of the meters, which outlive this.
        unsafe { libc::flock(self.descriptor, libc::LOCK_UN) };
    }
}

/// Milliseconds of a bucket, rounded up: what is counted, is counted long enough.
fn width_of(period: u64) -> u64 {
    period.div_ceil(PARTS).max(1)
}

/// The first tag that counts, and the one of the demand's bucket.
fn place_of(demand: &Demand, now: u64) -> (u64, u64) {
    let width = width_of(demand.period);
    let current = now / width;
    match demand.span {
        Span::Rolling => (current.saturating_sub(PARTS), current),
        Span::Until(end) => (current + 1, end.div_ceil(width).clamp(current + 1, current + 1 + PARTS)),
    }
}

/// Refuses a meter that cannot be, and a period without buckets.
pub fn require_sound(demand: &Demand) -> Result<()> {
    if demand.meter == 0 || demand.meter >= CAPACITY {
        return Err(Error::unavailable("meters-full", format!("there is room for {} meters only", CAPACITY - 1)));
    }
    if demand.period < PARTS {
        return Err(Error::malformed("malformed-period", format!("a period has at least {PARTS} milliseconds")));
    }
    Ok(())
}
