//! Lists what a crate makes public, from rustdoc's JSON: an item a line, in order.
//!
//!     api JSON
//!
//! Left out are implementations that every type has (`impl<T> Any for T`), and of those that the compiler decides on by itself
//! all but `Send` and `Sync`: hosts rely on these two, and the others follow from what a type holds.

use std::{error::Error, io::Write as _};

const LEFT_OUT: [&str; 6] = [
    "core::marker::Freeze",
    "core::marker::Unpin",
    "core::marker::UnsafeUnpin",
    "core::panic::unwind_safe::RefUnwindSafe",
    "core::panic::unwind_safe::UnwindSafe",
    "core::marker::StructuralPartialEq",
];

fn main() -> Result<(), Box<dyn Error>> {
    let json = std::env::args_os().nth(1).ok_or("usage: api JSON")?;
    let api = public_api::Builder::from_rustdoc_json(json).omit_blanket_impls(true).build()?;
    let mut out = std::io::stdout().lock();
    for item in api.items().map(ToString::to_string) {
        if !LEFT_OUT.iter().any(|name| is_impl_of(&item, name)) {
            writeln!(out, "{item}")?;
        }
    }
    Ok(())
}

/// Whether the line is an `impl` of the trait, or of its negation.
fn is_impl_of(item: &str, name: &str) -> bool {
    let Some((head, _)) = item.split_once(" for ") else { return false };
    head.starts_with("impl") && head.trim_end().ends_with(name)
}
