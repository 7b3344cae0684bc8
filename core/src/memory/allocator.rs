//! The extension's heap: every block is wiped before it is given back.

use std::alloc::{GlobalAlloc, Layout, System};

struct Wiping;

#[global_allocator]
static HEAP: Wiping = Wiping;

// SAFETY: every call is passed on to the system allocator with the layout it came with.
unsafe impl GlobalAlloc for Wiping {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        System.alloc(layout)
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        System.alloc_zeroed(layout)
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        wipe(block, layout.size());
        System.dealloc(block, layout);
    }

    // The system's realloc may move the block and leave the old copy as it was.
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let new_layout = Layout::from_size_align_unchecked(new_size, layout.align());
        let moved = System.alloc(new_layout);
        if !moved.is_null() {
            std::ptr::copy_nonoverlapping(block, moved, layout.size().min(new_size));
            self.dealloc(block, layout);
        }
        moved
    }
}

/// Zeroes `len` bytes in a way the optimiser must keep.
pub(super) unsafe fn wipe(block: *mut u8, len: usize) {
    std::ptr::write_bytes(block, 0, len);
    std::hint::black_box(block);
}
