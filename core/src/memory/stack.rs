//! Wiping the part of the stack that a computation with a secret has used.

use std::mem::MaybeUninit;

/// Bytes wiped below the caller's frame; the deepest use that the tests measure stays under half.
///
/// As few as are safe, since to wipe them empties as much of the processor's first cache. An unoptimised
/// build uses several times the stack.
pub(super) const WIPED: usize = if cfg!(debug_assertions) { 32 * 1024 } else { 20 * 1024 };

/// Bytes wiped after a round of a protocol. A thread has at least 2 MiB; the deepest round stays under half of this.
pub const WIPED_DEEPLY: usize = 512 * 1024;

/// Runs `work` and then zeroes the stack it used, also when it panics.
///
/// `work` must return nothing secret: its result is moved out before the wipe.
#[inline(never)]
pub fn on_wiped_stack<T>(work: impl FnOnce() -> T) -> T {
    struct WipeAfter;
    impl Drop for WipeAfter {
        fn drop(&mut self) {
            wipe_below();
        }
    }
    let _wipe = WipeAfter;
    run(work)
}

/// As [`on_wiped_stack`], for protocols whose rounds use far more of it: wipes half a mebibyte.
#[inline(never)]
pub fn on_deeply_wiped_stack<T>(work: impl FnOnce() -> T) -> T {
    struct WipeAfter;
    impl Drop for WipeAfter {
        fn drop(&mut self) {
            wipe_deeply_below();
        }
    }
    let _wipe = WipeAfter;
    run(work)
}

#[inline(never)]
fn wipe_deeply_below() {
    let mut used = MaybeUninit::<[u8; WIPED_DEEPLY]>::uninit();
    // SAFETY: the array is this frame's own; it is only written, never read.
    unsafe { super::allocator::wipe(used.as_mut_ptr().cast(), WIPED_DEEPLY) };
}

#[inline(never)]
fn run<T>(work: impl FnOnce() -> T) -> T {
    #[cfg(any(test, feature = "measured"))]
    let work = move || super::depth::measured(work);
    work()
}

#[inline(never)]
fn wipe_below() {
    let mut used = MaybeUninit::<[u8; WIPED]>::uninit();
    // SAFETY: the array is this frame's own; it is only written, never read.
    unsafe { super::allocator::wipe(used.as_mut_ptr().cast(), WIPED) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{deepest_of, Idle, Slot};
    use crate::single::{public_key, sign_ed25519, sign_secp256k1, KeyType, Public};

    #[test]
    fn no_computation_with_a_secret_uses_more_stack_than_is_wiped() {
        let compute = || {
            let secret = crate::testing::slot(&[7; 32]);
            let opened = Idle::seal(&secret, b"test").unwrap().open(b"test").unwrap();
            let public = public_key(KeyType::Ed25519, &opened).unwrap();
            let public = Public::read(KeyType::Ed25519, &public).unwrap();
            sign_ed25519(&opened, &public, &[1; 4096]).unwrap();
            public_key(KeyType::Secp256k1, &opened).unwrap();
            sign_secp256k1(&opened, &[2; 32]).unwrap();
            Slot::random().unwrap();
        };
        compute(); // tables and contexts that are made once
        let deepest = deepest_of(compute);
        println!("deepest use of the stack: {deepest} bytes");
        assert!(deepest > 512, "the measurement saw nothing: {deepest} bytes");
        // The released build uses about 8 KiB; an unoptimised one several times that.
        let allowed = if cfg!(debug_assertions) { WIPED } else { WIPED / 2 };
        assert!(deepest <= allowed, "{deepest} bytes used; {WIPED} are wiped");
    }

    #[test]
    fn what_a_computation_leaves_on_the_stack_is_zero_afterwards() {
        #[inline(never)]
        fn spill() {
            let mut secret = [0x5a_u8; 8192];
            std::hint::black_box(&mut secret);
        }
        #[inline(never)]
        fn left() -> usize {
            let area = MaybeUninit::<[u8; WIPED / 2]>::uninit();
            let base = std::hint::black_box(area.as_ptr().cast::<u8>());
            // SAFETY: volatile reads of this frame's own bytes.
            (0..WIPED / 2).filter(|i| unsafe { base.add(*i).read_volatile() } == 0x5a).count()
        }
        run(spill);
        assert!(left() > 4096, "the control sees what is not wiped");
        on_wiped_stack(spill);
        let found = left();
        assert!(found < 64, "{found} bytes stayed; an address that lies there may have a few of them by chance");
    }
}
