//! Where secrets live, and, but for three calls in `ed25519`, the only place in the core with `unsafe` code.
//!
//! A secret that is in use lies in a slot of the arena: locked memory with guard pages, out of core
//! dumps, not inherited by a fork, wiped when the slot is given back. A secret that is idle is
//! ordinary memory, sealed with AES-256-GCM under a random process key that never leaves the arena.
//! Code that computes with a secret runs under [`on_wiped_stack`], because the compiler and the
//! libraries spill key material to the stack where no destructor reaches it.

mod ahead;
mod allocator;
mod arena;
mod counters;
#[cfg(any(test, feature = "measured"))]
mod depth;
mod idle;
mod mapped;
mod meters;
mod platform;
mod replays;
mod stack;

pub use ahead::allocate_ahead;
pub use arena::{fill_random, protection, start, Arena, Protection, Slot, SLOT_SIZE};
pub use counters::Counters;
#[cfg(any(test, feature = "measured"))]
pub use depth::deepest_of;
pub use idle::{Idle, IdleBytes};
pub use meters::{require_sound, Demand, Meters, Span};
pub use platform::{effective_user, harden_process, is_in_memory, standard_input, use_one_heap, Lock, LockChoice};
pub use replays::Replays;
pub use stack::{on_deeply_wiped_stack, on_wiped_stack, WIPED_DEEPLY};
