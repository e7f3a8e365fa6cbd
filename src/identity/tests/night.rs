//! Night after night some records come, change and go: what is gone on from is what all of them give.

use std::collections::{BTreeMap, HashMap};

use super::*;
use crate::identity::increment::{Before, KnownPair, resolve_again};

/// Records by key, and what people decided of pairs of keys.
#[derive(Clone, Default)]
struct Night {
    rows: BTreeMap<String, Row>,
    decisions: BTreeMap<(String, String), Decision>,
}

impl Night {
    fn place(&self, key: &str) -> Option<u32> {
        let place = self.rows.keys().position(|known| known == key)?;
        Some(place as u32)
    }

    /// As they are read, with other records behind them.
    fn records(&self, fields: &[usize], gone: &[&Row]) -> Records {
        let rows = self.rows.values().chain(gone.iter().copied());
        let rows: Vec<Row> = rows.cloned().collect();
        let mut read = records(&rows);
        read.fields = fields.iter().map(|at| read.fields[*at].clone()).collect();
        read.rows = self.rows.len() as u32;
        read.decisions = self.decided();
        read
    }

    fn decided(&self) -> Vec<(u32, u32, Decision)> {
        let decisions = self.decisions.iter();
        let decisions = decisions.filter_map(|((one, other), decision)| {
            let (one, other) = (self.place(one)?, self.place(other)?);
            Some((one.min(other), one.max(other), *decision))
        });
        let mut decisions: Vec<(u32, u32, Decision)> = decisions.collect();
        decisions.sort_unstable();
        decisions
    }

    /// What is left of this night for the next, and the rows that are not.
    fn before<'a>(&'a self, found: &Resolved, next: &Night) -> (Before, Vec<&'a Row>) {
        let keys: Vec<&String> = self.rows.keys().collect();
        let places: HashMap<&String, u32> = next.rows.keys().zip(0..).collect();
        let kept = |row: u32| {
            let key = keys[row as usize];
            let is_as_it_was = next.rows.get(key) == self.rows.get(key);
            is_as_it_was.then(|| places[key])
        };
        let mut before = Before {
            is_kept: vec![false; next.rows.len()],
            cluster_of: vec![u32::MAX; next.rows.len()],
            pairs_of_rules: found.pairs_of_rules.clone(),
            ..Before::default()
        };
        let mut gone = Vec::new();
        for (row, was) in (0..).zip(self.rows.values()) {
            match kept(row) {
                Some(now) => {
                    before.is_kept[now as usize] = true;
                    before.cluster_of[now as usize] = found.cluster_of[row as usize];
                }
                None => gone.push(was),
            }
        }
        for pair in &found.pairs {
            match (kept(pair.one), kept(pair.other)) {
                (Some(one), Some(other)) => before.pairs.push(KnownPair {
                    one,
                    other,
                    weight: pair.weight,
                    verdict: pair.verdict,
                    agreement: pair.agreement.clone(),
                }),
                (one, other) => before.bereft.extend(one.or(other)),
            }
        }
        let as_before = Night {
            rows: next.rows.clone(),
            decisions: self.decisions.clone(),
        };
        let (was, is) = (as_before.decided(), next.decided());
        let changed = was.iter().filter(|d| !is.contains(d));
        let changed = changed.chain(is.iter().filter(|d| !was.contains(d)));
        before.redecided = changed.map(|(one, other, _)| (*one, *other)).collect();
        (before, gone)
    }
}

/// Goes through nights by increments, and each of them in full; how many pairs increments compared, and all made.
fn through(nights: &[Night], fields: &[usize], known: impl Fn(&Records) -> Known) -> (u64, u64) {
    let first = nights[0].records(fields, &[]);
    let mut found = resolve(first.clone(), &settings(), Some(known(&first))).unwrap();
    let (mut compared, mut made) = (0, 0);
    for two in nights.windows(2) {
        let (before, gone) = two[0].before(&found, &two[1]);
        let records = two[1].records(fields, &gone);
        let again = resolve_again(&records, before, &settings(), known(&records)).unwrap();
        let records = two[1].records(fields, &[]);
        let all = resolve(records.clone(), &settings(), Some(known(&records))).unwrap();
        assert_eq!(again.pairs_of_rules, all.pairs_of_rules);
        assert_eq!(again.pairs, all.pairs);
        assert_eq!(again.contradicted, all.contradicted);
        assert_eq!(again.cluster_of, all.cluster_of);
        compared += again.increment.map_or(0, |increment| increment.compared);
        made += all.pairs_of_rules.iter().sum::<u64>();
        // the next night goes on from the increment
        found = again;
    }
    (compared, made)
}

#[test]
fn seven_nights_of_increments_find_what_all_records_give() {
    const PEOPLE: u64 = 260;
    let (rows, _) = town(PEOPLE);
    let key = |row: u64| format!("{:05}", hash(row) % 90_000);
    let mut night = Night::default();
    for row in 0..360 {
        night.rows.insert(key(row), rows[row as usize].clone());
    }
    let trained = night.records(&[0, 1, 2, 3, 4, 5], &[]);
    let model = resolve(trained, &settings(), None).unwrap().model;
    let mut nights = vec![night];
    for number in 1..8_u64 {
        let mut night = nights[nights.len() - 1].clone();
        for row in 340 + 20 * number..360 + 20 * number {
            night.rows.insert(key(row), rows[row as usize].clone());
        }
        let drawn = |purpose: u64, of: u64| {
            let place = draw(purpose, 100 * number + of, night.rows.len() as u64);
            night.rows.keys().nth(place as usize).cloned().unwrap()
        };
        let changed: Vec<String> = (0..8).map(|of| drawn(31, of)).collect();
        let left: Vec<String> = (0..5).map(|of| drawn(32, of)).collect();
        let (one, other) = (drawn(33, 0), drawn(33, 1));
        for (key, of) in changed.iter().zip(0..) {
            // somebody else's name, date, mail, phone or home
            let from = rows[draw(34, 100 * number + of, 2 * PEOPLE) as usize].clone();
            let place = draw(35, 100 * number + of, 6) as usize;
            night.rows.get_mut(key).unwrap()[place].clone_from(&from[place]);
        }
        for key in &left {
            night.rows.remove(key);
        }
        let word = [Decision::Same, Decision::Different, Decision::Open][number as usize % 3];
        // of two strangers, and of two records that are one person most likely; one decision is taken back
        night.decisions.insert((one, other), word);
        night
            .decisions
            .insert((key(2 * number), key(2 * number + 1)), Decision::Different);
        if number % 2 == 0 {
            night.decisions.pop_first();
        }
        nights.push(night);
    }
    // a night of nothing
    nights.push(nights[nights.len() - 1].clone());
    let (compared, made) = through(&nights, &[0, 1, 2, 3, 4, 5], |records| {
        as_read(&model, records)
    });
    assert!(compared * 4 < made, "{compared} of {made} pairs");
}

#[test]
fn a_block_that_outgrows_what_is_compared_and_shrinks_again_is_looked_at_as_a_whole() {
    let of = |records: usize| {
        let rows = (0..records).map(|at| {
            let phone = format!("070{:07}", at / 2);
            let email = "office@work.example".to_string();
            let row = [
                String::new(),
                String::new(),
                String::new(),
                email,
                phone,
                String::new(),
            ];
            (format!("{at:04}"), row)
        });
        Night {
            rows: rows.collect(),
            decisions: BTreeMap::new(),
        }
    };
    // one e-mail makes a pair doubtful, and with the phone one person
    let u = |place: usize, last: usize| if place == last { 0.9995 } else { 0.0005 };
    let nights = [of(498), of(504), of(499)];
    through(&nights, &[3, 4], |records| untrained(records, u));
}
