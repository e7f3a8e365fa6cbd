//! The properties that `fuzz/` searches for counter-examples, held on its seeds and on a few thousand mutations of them:
//! the same ones each time, so that a failure is no accident. What a longer search found lies among the seeds.

#[path = "../../fuzz/property.rs"]
pub(crate) mod property;

use std::path::Path;

/// Mutations of each seed.
const MUTATIONS: usize = 150;

/// Texts that break readers more often than chance does.
const TOKENS: [&str; 24] = [
    "\"",
    "\"\"",
    "\n",
    "\r\n",
    ";",
    ",",
    "{",
    "}",
    "[",
    "]",
    ":",
    "\\u",
    "\\",
    "\0",
    "\u{feff}",
    "é",
    "-0",
    "1e400",
    "null",
    "<row r=\"1\"/>",
    "</row>",
    "<c r=\"XFD3\"/>",
    "&#0;",
    " - ",
];

/// A multiplicative generator: the same numbers on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit.max(1)
    }
}

fn mutated(seed: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() + 1);
        let end = at + numbers.below((bytes.len() - at).min(40) + 1);
        match numbers.below(5) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let piece = bytes[at..end].to_vec();
                let to = numbers.below(bytes.len() + 1);
                bytes.splice(to..to, piece);
            }
            2 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            3 => bytes.truncate(at),
            _ => {
                let token = TOKENS[numbers.below(TOKENS.len())];
                bytes.splice(at..at, token.bytes());
            }
        }
    }
    bytes
}

/// Every seed of a target, and mutations of each.
fn hold(target: &str, property: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/corpus")
        .join(target);
    let mut seeds: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    seeds.sort();
    assert!(!seeds.is_empty());
    let mut numbers = Numbers(1);
    // a longer search on demand, where there is no fuzzer
    let mutations = std::env::var("KILDE_TEST_MUTATIONS").map_or(MUTATIONS, |n| n.parse().unwrap());
    for seed in seeds {
        let seed = std::fs::read(seed).unwrap();
        property(&seed);
        for _ in 0..mutations {
            let bytes = mutated(&seed, &mut numbers);
            let held = std::panic::catch_unwind(|| property(&bytes));
            assert!(
                held.is_ok(),
                "{target} on {:?}",
                String::from_utf8_lossy(&bytes)
            );
        }
    }
}

#[test]
fn delimited_text_is_accounted_for() {
    hold("csv", property::csv);
}

#[test]
fn fixed_width_is_accounted_for() {
    hold("fixed", property::fixed);
}

#[test]
fn avro_is_accounted_for() {
    hold("avro", property::avro);
}

#[test]
fn archives_are_accounted_for() {
    hold("zip", property::zip);
}

#[test]
fn json_lines_are_accounted_for() {
    hold("ndjson", property::ndjson);
}

#[test]
fn json_documents_are_accounted_for() {
    hold("json", property::json);
}

#[test]
fn sheets_are_accounted_for() {
    hold("xlsx", property::xlsx);
}

#[test]
fn pipelines_are_right_or_told_why_not() {
    hold("yaml", property::yaml);
}

#[test]
fn records_of_releases_are_read_as_they_were_written() {
    hold("release", property::release);
}
