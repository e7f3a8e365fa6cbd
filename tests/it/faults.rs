//! Random histories of real tables in a store that fails in every way a store can: builds, rollbacks and kills, each of which
//! must leave one whole release, whatever was answered. `KILDE_HISTORIES=200` runs as many, `KILDE_HISTORIES=7..9` those seeds.

use std::process::Stdio;
use std::time::Duration;

use crate::emulator::{Emulator, Kind};
use crate::foreign;
use crate::kills::{deliver, expected, shop, signal, state};
use crate::sandbox::Sandbox;
use crate::time_limit;

/// Steps of a history.
const STEPS: u32 = 6;

/// Histories that went wrong once, run before the others where any are asked for. 26: a sign of life that landed after its
/// builder's death, and after the silence that should have made it known.
const ONCE_BROKEN: [u64; 1] = [26];

/// SplitMix64: small, seeded, the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % end
    }

    /// One to three faults, each for a few requests.
    fn faults(&mut self) -> String {
        let kinds = ["fail", "drop", "torn", "lose", "late", "lie"];
        let faults = (0..=self.below(3)).map(|_| {
            let kind = kinds[self.below(kinds.len() as u64) as usize];
            format!("{kind}={}", 1 + self.below(6))
        });
        faults.collect::<Vec<_>>().join("&")
    }
}

const NONE: &str = "fail=0&drop=0&torn=0&lose=0&late=0&lie=0";

struct History {
    shop: Sandbox,
    store: &'static Emulator,
    random: Random,
    /// Nights whose exports lie there.
    delivered: u32,
    /// Nights of the newest release.
    published: u32,
    /// Seconds by which the store's clock is ahead.
    ahead: u64,
    told: String,
}

impl History {
    fn run(seed: u64, store: &'static Emulator) -> String {
        store.behave(NONE);
        let mut history = Self {
            shop: shop().moved_to(store),
            store,
            random: Random(seed),
            delivered: 0,
            published: 0,
            ahead: seed * 86_400,
            told: format!("history {seed}:"),
        };
        for _ in 0..STEPS {
            history.step();
        }
        history.finish();
        history.told
    }

    fn step(&mut self) {
        if self.delivered == self.published || self.random.below(3) > 0 {
            deliver(&self.shop, self.delivered);
            self.delivered += 1;
        }
        let newest = self.newest();
        let faults = self.random.faults();
        self.told.push_str(&format!(" {faults}"));
        self.store.behave(&faults);
        match self.random.below(10) {
            0..4 => self.build(),
            4..8 => self.kill(),
            _ if newest > 1 => self.roll_back(newest - 1),
            _ => self.build(),
        }
        self.store.behave(NONE);
        if faults.contains("late") {
            // a sign of life that lands after its builder's death is one, as far as anybody can know: it comes before the silence
            std::thread::sleep(Duration::from_millis(700));
        }
        self.silence();
        self.look();
    }

    /// Longer than a builder may be silent.
    fn silence(&mut self) {
        self.ahead += 60;
        self.store.behave(&format!("ahead={}", self.ahead));
    }

    fn kilde(&self, arguments: &[&str]) -> (i32, String) {
        let mut command = self.shop.command(arguments);
        let output = time_limit::output(command.env("KILDE_STORAGE_PATIENCE", "2")).unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code().unwrap_or(-1), said)
    }

    /// It is done, or says that storage failed it: nothing else is wrong. A new lake is refused where the store lies at once.
    fn build(&mut self) {
        let (code, said) = self.kilde(&["build"]);
        self.told.push_str(&format!(" build {code};"));
        let is_refused = self.published == 0 && code == 2 && said.contains("K0704");
        assert!(matches!(code, 0 | 3) || is_refused, "{}\n{said}", self.told);
    }

    fn kill(&mut self) {
        let mut command = self.shop.command(&["build"]);
        let build = command
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let wait = Duration::from_millis(self.random.below(1500));
        self.told.push_str(&format!(" killed after {wait:?};"));
        std::thread::sleep(wait);
        signal(&build, "-9");
        time_limit::wait(build);
    }

    /// And on again: what was taken back is read again by the next build.
    fn roll_back(&mut self, to: u64) {
        let (code, said) = self.kilde(&["rollback", &to.to_string()]);
        self.told.push_str(&format!(" rollback {code};"));
        assert!(matches!(code, 0 | 3), "{}\n{said}", self.told);
        self.store.behave(NONE);
        self.silence();
        self.shop.kilde(&["resume"]).ended(0);
        self.shop.kilde(&["build"]).ended(0);
        assert_eq!(state(&self.shop), expected(self.delivered), "{}", self.told);
    }

    /// Number of the newest release; 0: none.
    fn newest(&self) -> u64 {
        if self.published == 0 {
            return 0;
        }
        let said = self.shop.kilde(&["releases", "--limit", "1"]).ended(0);
        let mut words = said.stdout.split_whitespace();
        words.find_map(|word| word.parse().ok()).unwrap()
    }

    /// A reader sees the last release or the one that was being made.
    fn look(&mut self) {
        let (code, _) = self.kilde(&["query", "select 1 from bronze.orders limit 1"]);
        if code != 0 && self.published == 0 {
            return;
        }
        let seen = state(&self.shop);
        let nights = [self.published, self.delivered];
        let nights = nights
            .into_iter()
            .find(|nights| *nights > 0 && seen == expected(*nights));
        self.published = nights.unwrap_or_else(|| panic!("{} {seen:?}", self.told));
    }

    /// The next build ends well and has everything once, and so do readers who know nothing of kilde.
    fn finish(&mut self) {
        let (code, said) = self.kilde(&["build"]);
        assert_eq!(code, 0, "{}\n{said}", self.told);
        assert_eq!(state(&self.shop), expected(self.delivered), "{}", self.told);
        let files = self
            .shop
            .query("select count(*), count(distinct path) from ops.files");
        let exports = (2 * self.delivered).to_string();
        assert_eq!(files, [[exports.clone(), exports]], "{}", self.told);
        if let Some(python) = foreign::python() {
            let release = self.shop.newest_release_path();
            let lake = self.shop.path("lake");
            let read = foreign::script(
                python,
                "read_lake.py",
                &[lake.to_str().unwrap(), release.to_str().unwrap()],
            );
            let read: serde_json::Value = serde_json::from_str(&read).unwrap();
            for reader in ["delta-rs", "duckdb", "polars"] {
                let rows = &read["bronze.orders"][reader]["rows"];
                assert_eq!(rows, expected(self.delivered).0, "{reader}: {}", self.told);
            }
        }
    }
}

#[test]
fn whatever_a_store_does_every_history_ends_with_each_export_once() {
    let Some(store) = Emulator::start(Kind::S3).map(|store| &*Box::leak(Box::new(store))) else {
        return;
    };
    let wanted = std::env::var("KILDE_HISTORIES").unwrap_or("1".to_string());
    let (first, last) = wanted.split_once("..").unwrap_or(("1", &wanted));
    let (first, last): (u64, u64) = (first.parse().unwrap(), last.parse().unwrap());
    let once_broken = ONCE_BROKEN.into_iter().filter(|_| last > 1);
    for seed in once_broken.chain(first..=last) {
        let told = History::run(seed, store);
        foreign::told(&told);
    }
}
