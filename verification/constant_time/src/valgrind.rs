//! Client requests to valgrind: here is all unsafe code of the check, and none is in the library.
//!
//! A request is a sequence of instructions that does nothing on a processor and that valgrind knows: four rotations
//! that add up to 128 bits, and an exchange of a register with itself. `valgrind.h` defines it; for x86-64 Linux it
//! is five instructions. Outside valgrind every request answers its default.
#![allow(unsafe_code, reason = "a client request is inline assembly, and marking goes by the byte")]

use std::{arch::asm, mem::size_of_val};

use countersign::BindingCode;

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
