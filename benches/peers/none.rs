//! This package is its bench.
