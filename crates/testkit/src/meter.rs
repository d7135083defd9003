//! How a case is measured: by the clock, by a count of instructions, or by whatever else implements [`Meter`].
//!
//! A meter must never measure what a host brings or keeps: neither making the input nor dropping the result.

/// Something that measures a case: what `setup` gives is what the host has, `routine` works on it and leaves in it
/// what the host keeps. Neither making the one nor dropping the other is measured.
pub trait Meter {
    fn case<S>(&mut self, name: &str, setup: impl FnMut() -> S, routine: impl FnMut(&mut S));

    /// A case that needs nothing and keeps its result.
    fn call<O>(&mut self, name: &str, mut routine: impl FnMut() -> O) {
        self.case(name, || None, |kept| *kept = Some(routine()));
    }

    /// A case that consumes what it is given and keeps its result.
    fn consume<I, O>(&mut self, name: &str, mut setup: impl FnMut() -> I, mut routine: impl FnMut(I) -> O) {
        self.case(name, || (Some(setup()), None), |(given, kept)| *kept = given.take().map(&mut routine));
    }
}
