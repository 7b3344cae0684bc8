//! The operating system's random bytes in the form that the library asks for.

use frost_ed25519::rand_core::{impls, CryptoRng, Error, RngCore};
use hyperkms_core::memory::fill_random;

use crate::protocol::{Fault, Secret};

/// Twice what a run can use: six scalars of 64 bytes each with t = 5, and one more when a scalar is zero.
const DRAWN: usize = 1024;

/// Random bytes for one run, each handed out once and wiped with the rest. They are drawn ahead, because the library
/// cannot be told that there are none.
pub struct Drawn {
    bytes: Secret,
    used: usize,
}

impl Drawn {
    pub fn new() -> Result<Drawn, Fault> {
        let mut bytes = Secret::new(vec![0; DRAWN]);
        fill_random(&mut bytes)?;
        Ok(Drawn { bytes, used: 0 })
    }
}

impl RngCore for Drawn {
    fn fill_bytes(&mut self, target: &mut [u8]) {
        let end = self.used + target.len();
        // A bug in the library alone could ask for more, and to stop is better than to hand out a byte twice.
        target.copy_from_slice(self.bytes.get(self.used..end).expect("a run uses less than was drawn"));
        self.used = end;
    }

    fn try_fill_bytes(&mut self, target: &mut [u8]) -> Result<(), Error> {
        self.fill_bytes(target);
        Ok(())
    }

    fn next_u32(&mut self) -> u32 {
        impls::next_u32_via_fill(self)
    }

    fn next_u64(&mut self) -> u64 {
        impls::next_u64_via_fill(self)
    }
}

impl CryptoRng for Drawn {}
