//! Counters in a mapped file, shared by every process of a host: nonces, limits, generations.
//!
//! Nothing secret is here; it stands in this module because mapped memory needs `unsafe`.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, Result};
use crate::memory::mapped::Mapped;

/// Counters in the file: 8 bytes each, native byte order.
pub const CAPACITY: u64 = 1 << 17;

/// A window counter: the upper 42 bits are the start in milliseconds since 1970, the lower 22 a count.
const WINDOW_BITS: u32 = 22;
const WINDOW_MASK: u64 = (1 << WINDOW_BITS) - 1;

/// What a limit answered: how much is left, and in how many units of its clock more will be.
pub struct Taken {
    pub granted: bool,
    pub left: u64,
    pub wait: u64,
}

/// A mapping of the counter file; survives the death of a process, not the loss of power.
pub struct Counters(Mapped);

impl Counters {
    /// Maps the file, made with mode 0600 and all counters 0 if it is not there.
    pub fn open(path: &Path) -> Result<Counters> {
        Mapped::open(path, CAPACITY).map(Counters)
    }

    /// Names the file among those of this machine: device and inode.
    pub fn file(&self) -> String {
        self.0.name()
    }

    /// Refuses when the file at the path is no longer the one that is mapped: another process may then
    /// draw the same numbers from a new one.
    pub fn require_in_place(&self) -> Result<()> {
        self.0.require_in_place()
    }

    /// Draws max(now, last + 1); refused when that would be past `limit`. All in milliseconds.
    pub fn draw(&self, counter: u64, now: u64, limit: u64) -> Result<u64> {
        let last = self.at(counter)?;
        let mut seen = last.load(Ordering::Acquire);
        loop {
            let next = now.max(seen.saturating_add(1));
            if next > limit {
                return Err(Error::unavailable(
                    "nonce-ahead-of-clock",
                    format!(
                        "the next nonce {next} is past the limit {limit}: the clock went back, or too many were drawn"
                    ),
                ));
            }
            match last.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(next),
                Err(changed) => seen = changed,
            }
        }
    }

    /// Makes sure that nothing at or below `floor` is drawn again.
    pub fn raise(&self, counter: u64, floor: u64) -> Result<()> {
        self.at(counter)?.fetch_max(floor, Ordering::AcqRel);
        Ok(())
    }

    /// The value as it stands.
    pub fn read(&self, counter: u64) -> Result<u64> {
        Ok(self.at(counter)?.load(Ordering::SeqCst))
    }

    /// Adds and answers the new value.
    pub fn add(&self, counter: u64, amount: u64) -> Result<u64> {
        Ok(self.at(counter)?.fetch_add(amount, Ordering::SeqCst).wrapping_add(amount))
    }

    /// Adds each span between two following stamps to a histogram of its own; they lie one after the other from `first`:
    /// a bucket for each bound, the infinite one, the sum.
    pub fn observe_spans(&self, first: u64, bounds: &[u64], stamps: &[u64]) -> Result<()> {
        let cells = bounds.len() as u64 + 2;
        for (number, pair) in stamps.windows(2).enumerate() {
            let span = pair[1].saturating_sub(pair[0]);
            let histogram = first + number as u64 * cells;
            self.add(histogram + bounds.partition_point(|bound| *bound < span) as u64, 1)?;
            self.add(histogram + cells - 1, span)?;
        }
        Ok(())
    }

    /// Takes `amount` of the `limit` of a window of `period`, which begins with the first one taken.
    /// All or nothing; times in milliseconds; `wait` is until the window ends.
    pub fn take_window(&self, counter: u64, amount: u64, now: u64, limit: u64, period: u64) -> Result<Taken> {
        let limit = limit.min(WINDOW_MASK);
        self.take(counter, |state| {
            let (start, count) = (state >> WINDOW_BITS, state & WINDOW_MASK);
            // A start that is further ahead than a window is long was written under another clock.
            let stands = now < start.saturating_add(period) && start <= now.saturating_add(period);
            let (start, count) = if stands { (start, count) } else { (now, 0) };
            let wait = start.saturating_add(period).saturating_sub(now);
            if count.saturating_add(amount) > limit {
                return (None, Taken { granted: false, left: limit.saturating_sub(count), wait });
            }
            let left = limit - count - amount;
            (Some(start << WINDOW_BITS | (count + amount)), Taken { granted: true, left, wait })
        })
    }

    /// Takes `amount` tokens of a bucket that holds `burst` and gains one every `interval` nanoseconds
    /// (the generic cell rate algorithm of ITU-T I.371). All or nothing; `wait` is until the rest is there.
    pub fn take_bucket(&self, counter: u64, amount: u64, now: u64, interval: u64, burst: u64) -> Result<Taken> {
        let depth = burst.saturating_mul(interval);
        self.take(counter, |state| {
            // A bucket is never emptier than empty: a time further ahead was written under another clock.
            let full_at = state.clamp(now, now.saturating_add(depth));
            let after = full_at.saturating_add(amount.saturating_mul(interval));
            let horizon = now.saturating_add(depth);
            if after > horizon {
                let refused = Taken { granted: false, left: (horizon - full_at) / interval, wait: after - horizon };
                return ((state > full_at).then_some(full_at), refused);
            }
            (Some(after), Taken { granted: true, left: (horizon - after) / interval, wait: after - now })
        })
    }

    fn take(&self, counter: u64, step: impl Fn(u64) -> (Option<u64>, Taken)) -> Result<Taken> {
        let place = self.at(counter)?;
        let mut seen = place.load(Ordering::Acquire);
        loop {
            let (next, taken) = step(seen);
            let Some(next) = next else { return Ok(taken) };
            match place.compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Ok(taken),
                Err(changed) => seen = changed,
            }
        }
    }

    fn at(&self, counter: u64) -> Result<&AtomicU64> {
        self.0.cell(counter)
    }
}
