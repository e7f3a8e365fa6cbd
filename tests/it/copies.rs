//! Exports of equal content through all that is decided about them: the table holds what the ledger says, each row under the
//! export that the ledger has it of.

use std::collections::{BTreeMap, BTreeSet};

use crate::sandbox::Sandbox;

/// Orders by number, of which no two contents share one.
type Content = Vec<u64>;

struct Shop {
    sandbox: Sandbox,
    random: u64,
    /// What lies in `exports/`.
    there: BTreeMap<String, Content>,
    /// What lay there once, by name: to be put back where a build needs it.
    ever: BTreeMap<String, Content>,
    excluded: BTreeSet<String>,
    next_order: u64,
    /// For whoever reads a failure.
    story: Vec<String>,
}

impl Shop {
    fn open(load: &str, seed: u64) -> Self {
        let pipeline = format!(
            "sources:\n  - table: bronze.orders\n    files: \"o_{{delivered_on:%Y%m%d}}*.csv\"\n    read: csv\n    load: {load}\n"
        );
        Self {
            sandbox: Sandbox::with(&[
                ("kilde.yaml", "project: shop\nraw: exports/\nlake: lake/\n"),
                ("pipelines/shop.yaml", &pipeline),
                (
                    "schemas/bronze/orders.yaml",
                    "key: [order_id]\ncolumns:\n  - {name: order_id, data_type: bigint}\n",
                ),
            ]),
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            there: BTreeMap::new(),
            ever: BTreeMap::new(),
            excluded: BTreeSet::new(),
            next_order: 0,
            story: Vec::new(),
        }
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % limit
    }

    fn any(&mut self) -> Option<String> {
        let at = self.below(self.there.len().max(1) as u64) as usize;
        self.there.keys().nth(at).cloned()
    }

    fn deliver(&mut self, name: &str, content: Content) {
        let mut text = "order_id\n".to_string();
        for order in &content {
            text.push_str(&format!("{order}\n"));
        }
        self.sandbox.write(&format!("exports/{name}"), text);
        self.ever.insert(name.to_string(), content.clone());
        self.there.insert(name.to_string(), content);
    }

    fn new_content(&mut self) -> Content {
        let from = self.next_order;
        self.next_order += 1 + self.below(3);
        (from..self.next_order).collect()
    }

    fn new_name(&mut self) -> String {
        format!("o_202601{:02}_{}.csv", self.below(28) + 1, self.story.len())
    }

    fn say(&mut self, arguments: &[&str]) -> i32 {
        let said = self.sandbox.kilde(arguments);
        let line = format!(
            "{} -> {} {}",
            arguments.join(" "),
            said.code,
            said.stderr.trim()
        );
        self.story.push(line);
        assert!([0, 2].contains(&said.code), "{:#?}", self.story);
        said.code
    }

    fn decide(&mut self, verb: &str, name: &str) -> bool {
        self.say(&["exports", verb, name, "--by", "a", "--why", "a test"]) == 0
    }

    /// Something happens, and a night's build follows.
    fn step(&mut self) {
        let mut flag = None;
        let name = self.any();
        match (self.below(12), name) {
            (0 | 1, _) | (_, None) => {
                let (name, content) = (self.new_name(), self.new_content());
                self.story.push(format!("new {name} {content:?}"));
                self.deliver(&name, content);
            }
            (2..=4, Some(of)) => {
                let (name, content) = (self.new_name(), self.there[&of].clone());
                self.story.push(format!("copy {name} of {of} {content:?}"));
                self.deliver(&name, content);
            }
            (5, Some(name)) => {
                let content = self.new_content();
                self.story.push(format!("change {name} to {content:?}"));
                self.deliver(&name, content);
            }
            (6, Some(name)) => {
                if self.decide("retract", &name) || self.decide("skip", &name) {
                    self.excluded.insert(name);
                }
            }
            (7, _) => {
                if let Some(name) = self.excluded.first().cloned()
                    && self.say(&["exports", "retract", &name, "--undo", "--by", "a"]) == 0
                {
                    self.excluded.remove(&name);
                }
            }
            (8, Some(name)) => {
                let which = match self.below(2) {
                    0 => "bronze.orders",
                    _ => name.as_str(),
                };
                self.say(&["exports", "reload", which, "--by", "a"]);
            }
            (9, _) => flag = Some("--full-refresh"),
            (10, Some(name)) => {
                self.story.push(format!("remove {name}"));
                std::fs::remove_file(self.sandbox.path(&format!("exports/{name}"))).unwrap();
                self.there.remove(&name);
            }
            (_, Some(_)) => {
                let newest = self.sandbox.newest_release()["number"].as_u64().unwrap();
                let to = 1 + self.below(newest);
                self.say(&["rollback", &to.to_string()]);
                self.say(&["resume"]);
            }
        }
        let mut build = vec!["build"];
        build.extend(flag);
        if self.say(&build) != 0 {
            // it says which exports it needs: all of them come back
            for (name, content) in self.ever.clone() {
                if !self.there.contains_key(&name) {
                    self.deliver(&name, content);
                }
            }
            let code = self.say(&["build"]);
            assert_eq!(code, 0, "{:#?}", self.story);
        }
        self.check();
    }

    fn check(&self) {
        let rows = self.sandbox.query(
            "select 'row', _kilde_source_file, order_id from bronze.orders \
             union all select status, path, inserted from ops.files",
        );
        let (mut held, mut loaded) = (BTreeMap::new(), BTreeMap::new());
        let mut orders = Vec::new();
        for row in &rows {
            let (path, number) = (row[1].clone(), row[2].parse::<u64>().unwrap());
            match row[0].as_str() {
                "row" => {
                    *held.entry(path).or_insert(0) += 1;
                    orders.push(number);
                }
                "loaded" if number > 0 => {
                    loaded.insert(path, number);
                }
                _ => {}
            }
        }
        assert_eq!(held, loaded, "{:#?}", self.story);
        let found: BTreeSet<u64> = orders.iter().copied().collect();
        assert_eq!(found.len(), orders.len(), "doubled: {:#?}", self.story);
        let contents = |names: &mut dyn Iterator<Item = &String>| -> BTreeSet<u64> {
            names.flat_map(|name| self.ever[name].clone()).collect()
        };
        assert_eq!(found, contents(&mut loaded.keys()), "{:#?}", self.story);
        let counting = &mut self
            .there
            .keys()
            .filter(|name| !self.excluded.contains(*name));
        let missing = &contents(counting) - &found;
        assert!(missing.is_empty(), "lost {missing:?}: {:#?}", self.story);
    }
}

#[test]
fn the_table_and_the_ledger_agree_whatever_is_decided_about_copies() {
    let histories: u64 = match std::env::var("KILDE_HISTORIES") {
        Ok(wanted) => wanted.parse().unwrap(),
        Err(_) => 1,
    };
    for seed in 1..=histories {
        let mut shop = Shop::open("append", seed);
        let steps = if histories == 1 { 10 } else { 30 };
        for _ in 0..steps {
            shop.step();
        }
    }
}

#[test]
fn a_copy_that_counts_in_the_place_of_another_has_the_rows_too() {
    // a copy that sorts earlier: read anew, it is the first of the two
    let mut shop = Shop::open("append", 1);
    shop.deliver("o_20260105.csv", vec![1, 2]);
    shop.say(&["build"]);
    shop.deliver("o_20260102.csv", vec![1, 2]);
    for build in [&["build"][..], &["build", "--full-refresh"]] {
        assert_eq!(shop.say(build), 0);
        shop.check();
    }
    shop.say(&["exports", "reload", "bronze.orders", "--by", "a"]);
    assert_eq!(shop.say(&["build"]), 0);
    shop.check();
    // and one that comes later, once the first is retracted
    assert!(shop.decide("retract", "o_20260102.csv"));
    shop.excluded.insert("o_20260102.csv".to_string());
    assert_eq!(shop.say(&["build"]), 0);
    shop.check();
    shop.deliver("o_20260105.csv", vec![3]);
    assert_eq!(shop.say(&["build"]), 0);
    shop.check();
}

#[test]
fn a_record_that_two_exports_say_names_the_one_that_is_left() {
    for load in ["changes", "replace"] {
        let mut shop = Shop::open(load, 1);
        shop.deliver("o_20260102.csv", vec![1, 2]);
        shop.say(&["build"]);
        shop.deliver("o_20260105.csv", vec![1, 2]);
        shop.say(&["build"]);
        assert!(shop.decide("retract", "o_20260102.csv"));
        assert_eq!(shop.say(&["build"]), 0);
        let of = "select distinct _kilde_source_file from bronze.orders";
        assert_eq!(shop.sandbox.query(of), [["o_20260105.csv"]], "{load}");
        shop.deliver("o_20260107.csv", vec![1, 2, 3]);
        assert_eq!(shop.say(&["build"]), 0);
        assert_eq!(
            shop.sandbox.query("select count(*) from bronze.orders"),
            [["3"]]
        );
    }
}
