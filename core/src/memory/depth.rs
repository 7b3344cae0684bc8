//! For tests: how deep into the stack what runs under `on_wiped_stack` and its kin goes.

use std::cell::Cell;
use std::mem::MaybeUninit;

const PAINT: u8 = 0xa7;
/// A test's thread has 2 MiB.
const PAINTED: usize = 1024 * 1024;
/// The frames of `paint` and `unpainted` differ by less than this.
const SLACK: usize = 2048;

thread_local! {
    /// The deepest use seen on this thread, once it was asked for.
    static DEEPEST: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Runs `work` and gives the deepest use of the stack, in bytes, of all that it ran on a wiped stack.
pub fn deepest_of(work: impl FnOnce()) -> usize {
    DEEPEST.set(Some(0));
    work();
    DEEPEST.take().unwrap_or_default()
}

#[inline(never)]
pub(super) fn measured<T>(work: impl FnOnce() -> T) -> T {
    let Some(deepest) = DEEPEST.get() else { return work() };
    paint();
    let result = work();
    DEEPEST.set(Some(deepest.max(unpainted())));
    result
}

#[inline(never)]
fn paint() {
    let mut area = MaybeUninit::<[u8; PAINTED]>::uninit();
    // SAFETY: the array is this frame's own.
    unsafe { std::ptr::write_bytes(area.as_mut_ptr(), PAINT, 1) };
    std::hint::black_box(area.as_mut_ptr());
}

/// How far below this frame the deepest byte lies that was written since `paint`.
///
/// It has no large frame of its own: the probes of one would write into what it measures.
#[inline(never)]
fn unpainted() -> usize {
    let mark = 0_u8;
    let here: *const u8 = std::hint::black_box(&mark);
    let mut depth = PAINTED - SLACK;
    // SAFETY: volatile reads of stack bytes that `paint` wrote in the same place.
    while depth > 0 && unsafe { here.sub(depth).read_volatile() } == PAINT {
        depth -= 1;
    }
    depth
}
