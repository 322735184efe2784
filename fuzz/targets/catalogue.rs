#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| labfile_fuzz::catalogue(data));
