//! Tests of what no public function shows.

mod factors;
mod vectors;
