#![no_main]

#[path = "../property.rs"]
#[expect(dead_code, reason = "each target searches one of the properties")]
mod property;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| property::fixed(bytes));
