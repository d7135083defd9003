//! Client requests to valgrind, and the allocator that finds memory for them: here is all unsafe code of the check, and
//! none is in the library.
//!
//! A request is a sequence of instructions that does nothing on a processor and that valgrind knows: four rotations
//! that add up to 128 bits, and an exchange of a register with itself. `valgrind.h` defines it; for x86-64 Linux it
//! is five instructions. Outside valgrind every request answers its default.
#![allow(unsafe_code, reason = "a client request is inline assembly, and marking goes by the byte")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    arch::asm,
    mem::size_of_val,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
};

use countersign::{BindingCode, code::OtpCode};

#[cfg(not(all(target_arch = "x86_64", target_os = "linux")))]
compile_error!("the client request is written for x86-64 Linux");

const RUNNING_ON_VALGRIND: usize = 0x1001;
const COUNT_ERRORS: usize = 0x1201;
const MAKE_MEM_UNDEFINED: usize = 0x4d43_0001;
const MAKE_MEM_DEFINED: usize = 0x4d43_0002;
const GET_VBITS: usize = 0x4d43_0008;
const SET_VBITS: usize = 0x4d43_0009;

fn request(request: usize, arguments: [usize; 3]) -> usize {
    let [first, second, third] = arguments;
    let block = [request, first, second, third, 0, 0];
    let mut answer = 0_usize;
    // SAFETY: the rotations leave rdi as it was, and the exchange does nothing. Under valgrind the request reads the
    // block, which lives until after it, and changes the shadow of memory that the callers own.
    unsafe {
        asm!(
            "rol rdi, 3", "rol rdi, 13", "rol rdi, 61", "rol rdi, 51", "xchg rbx, rbx",
            in("rax") block.as_ptr(),
            inout("rdx") answer,
            options(nostack),
        );
    }
    answer
}

/// Whether the program runs under valgrind.
#[must_use]
pub fn running() -> bool {
    request(RUNNING_ON_VALGRIND, [0; 3]) != 0
}

/// How many errors memcheck has found so far, repeated ones included.
#[must_use]
pub fn errors() -> usize {
    request(COUNT_ERRORS, [0; 3])
}

/// Marks the bytes of a value as secret: from here on every branch and every address that depends on them is an error.
pub fn conceal<T: ?Sized>(value: &mut T) {
    request(MAKE_MEM_UNDEFINED, [std::ptr::from_mut(value).expose_provenance(), size_of_val(value), 0]);
}

/// Marks the bytes of a value as public.
pub fn uncover<T: ?Sized>(value: &mut T) {
    request(MAKE_MEM_DEFINED, [std::ptr::from_mut(value).expose_provenance(), size_of_val(value), 0]);
}

/// Marks the low seven bits of each byte as secret, and the highest as public: that it is ASCII is known of every code.
pub fn conceal_ascii<T: ?Sized>(value: &mut T) {
    let bits = vec![0x7f_u8; size_of_val(value)];
    let start = std::ptr::from_mut(value).expose_provenance();
    request(SET_VBITS, [start, bits.as_ptr().expose_provenance(), bits.len()]);
}

/// Whether any bit of the bytes depends on a secret.
#[must_use]
pub fn is_concealed(bytes: &[u8]) -> bool {
    let mut bits = vec![0_u8; bytes.len()];
    request(
        GET_VBITS,
        [bytes.as_ptr().expose_provenance(), bits.as_mut_ptr().expose_provenance(), bytes.len()],
    );
    // The shadow's copy is itself public.
    bits.iter().any(|bits| *bits != 0)
}

/// The bytes that a binding code is made of, to mark them one by one.
#[must_use]
pub fn bytes_of(code: &mut BindingCode) -> &mut [u8] {
    let length = size_of_val(code);
    // SAFETY: a binding code is an array of bytes and a byte: there is no padding, and no byte that is not allowed.
    unsafe { std::slice::from_raw_parts_mut(std::ptr::from_mut(code).cast(), length) }
}

/// The bytes that a one-time password is made of, to mark them one by one.
#[must_use]
pub fn bytes_of_otp(code: &mut OtpCode) -> &mut [u8] {
    let length = size_of_val(code);
    // SAFETY: a one-time password is an array of bytes and two bytes: there is no padding, and no byte that is
    // not allowed.
    unsafe { std::slice::from_raw_parts_mut(std::ptr::from_mut(code).cast(), length) }
}

/// Where the program's memory is, while [`with_public_parts`] watches: its start and its length.
static BLOCKS: [(AtomicUsize, AtomicUsize); 64] = [const { (AtomicUsize::new(0), AtomicUsize::new(0)) }; 64];
static WATCHES: AtomicBool = AtomicBool::new(false);

/// The system's allocator, which notes the blocks that are taken while [`with_public_parts`] watches.
struct Noting;

#[global_allocator]
static ALLOCATOR: Noting = Noting;

// SAFETY: every request goes to the system's allocator as it is.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the contract.
        let block = unsafe { System.alloc(layout) };
        if WATCHES.load(Relaxed)
            && let Some((start, length)) = BLOCKS.iter().find(|(start, _)| start.load(Relaxed) == 0)
        {
            start.store(block.expose_provenance(), Relaxed);
            length.store(layout.size(), Relaxed);
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if WATCHES.load(Relaxed) {
            let gone = BLOCKS.iter().find(|(start, _)| start.load(Relaxed) == block.expose_provenance());
            gone.inspect(|(start, _)| start.store(0, Relaxed));
        }
        // SAFETY: the caller keeps the contract.
        unsafe { System.dealloc(block, layout) }
    }
}

/// Makes a value of secrets, and marks the given public parts as such wherever they are in it, behind pointers, too.
pub fn with_public_parts<T, const N: usize>(parts: &[[u8; N]], make: impl FnOnce() -> T) -> Box<T> {
    WATCHES.store(true, Relaxed);
    let value = Box::new(make());
    WATCHES.store(false, Relaxed);
    for (start, length) in &BLOCKS {
        let (start, length) = (start.swap(0, Relaxed), length.load(Relaxed));
        if start != 0 {
            uncover_parts(start, length, parts);
        }
    }
    value
}

/// Marks each of the parts as public in a block of memory that is there.
fn uncover_parts<const N: usize>(start: usize, length: usize, parts: &[[u8; N]]) {
    let mut bits = vec![0_u8; length];
    request(GET_VBITS, [start, bits.as_mut_ptr().expose_provenance(), length]);
    // To look for the parts is to branch on everything: for as long, nothing is secret.
    request(MAKE_MEM_DEFINED, [start, length, 0]);
    // SAFETY: the block was allocated and not given back, and is defined now.
    let bytes = unsafe { std::slice::from_raw_parts(std::ptr::with_exposed_provenance::<u8>(start), length) };
    for place in 0..(length + 1).saturating_sub(N) {
        if parts.iter().any(|part| bytes[place..place + N] == *part) {
            bits[place..place + N].fill(0);
        }
    }
    request(SET_VBITS, [start, bits.as_ptr().expose_provenance(), length]);
}
