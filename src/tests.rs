//! Tests of what no public function shows.

mod vectors;
