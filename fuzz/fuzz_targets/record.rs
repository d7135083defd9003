//! libFuzzer around the property of the same name.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| countersign_properties::record::check(data));
