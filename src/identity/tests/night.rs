//! Night after night some records come, change and go: what is gone on from is what all of them give.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::*;
use crate::identity::increment::{Before, KnownPair, resolve_again};

/// How records are read: the fields that are compared, and what rules are asked of them besides.
struct Way {
    fields: &'static [usize],
    settings: Settings,
    rules_of: fn(&[Row], &mut Records),
}

impl Way {
    fn without_rules(fields: &'static [usize]) -> Self {
        Self {
            fields,
            settings: settings(),
            rules_of: |_, _| {},
        }
    }
}

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
    fn records(&self, way: &Way, gone: &[&Row]) -> Records {
        let rows = self.rows.values().chain(gone.iter().copied());
        let rows: Vec<Row> = rows.cloned().collect();
        let mut read = records(&rows);
        let fields = way.fields.iter();
        read.fields = fields.map(|at| read.fields[*at].clone()).collect();
        read.rows = self.rows.len() as u32;
        read.decisions = self.decided();
        (way.rules_of)(&rows, &mut read);
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
            cluster_of: vec![None; next.rows.len()],
            pairs_of_rules: found.pairs_of_rules.clone(),
            ..Before::default()
        };
        let mut gone = Vec::new();
        for (row, was) in (0..).zip(self.rows.values()) {
            match kept(row) {
                Some(now) => {
                    before.is_kept[now as usize] = true;
                    before.cluster_of[now as usize] = Some(found.cluster_of[row as usize]);
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
fn through(nights: &[Night], way: &Way, known: impl Fn(&Records) -> Known) -> (u64, u64) {
    let settings = &way.settings;
    let first = nights[0].records(way, &[]);
    let mut found = resolve(first.clone(), settings, Some(known(&first))).unwrap();
    let (mut compared, mut made) = (0, 0);
    for two in nights.windows(2) {
        let (before, gone) = two[0].before(&found, &two[1]);
        let records = two[1].records(way, &gone);
        let again = resolve_again(&records, before, settings, &known(&records)).unwrap();
        let again = again.expect("what the night before found fits together");
        let records = two[1].records(way, &[]);
        let all = resolve(records.clone(), settings, Some(known(&records))).unwrap();
        assert_eq!(again.pairs_of_rules, all.pairs_of_rules);
        assert_eq!(again.crowds, all.crowds);
        assert_eq!(again.pairs, all.pairs);
        assert_eq!(again.contradicted, all.contradicted);
        assert_eq!(again.cluster_of, all.cluster_of);
        assert_eq!(forbidden(&records, &all.cluster_of), []);
        compared += again.increment.map_or(0, |increment| increment.compared);
        made += all.pairs_of_rules.iter().sum::<u64>();
        // the next night goes on from the increment
        found = again;
    }
    (compared, made)
}

/// Seven nights of a town, and one in which nothing comes.
fn nights() -> Vec<Night> {
    nights_from(360)
}

/// The same, with so many records in the first.
fn nights_from(first: u64) -> Vec<Night> {
    let people = first / 2 + 80;
    let (rows, _) = town(people);
    let key = |row: u64| format!("{:05}", hash(row) % 90_000);
    let mut night = Night::default();
    for row in 0..first {
        night.rows.insert(key(row), rows[row as usize].clone());
    }
    let mut nights = vec![night];
    for number in 1..8_u64 {
        let mut night = nights[nights.len() - 1].clone();
        for row in first - 20 + 20 * number..first + 20 * number {
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
            let from = rows[draw(34, 100 * number + of, 2 * people) as usize].clone();
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
    nights
}

#[test]
fn seven_nights_of_increments_find_what_all_records_give() {
    let way = Way::without_rules(&[0, 1, 2, 3, 4, 5]);
    let nights = nights();
    let trained = nights[0].records(&way, &[]);
    let model = resolve(trained, &settings(), None).unwrap().model;
    let (compared, made) = through(&nights, &way, |records| as_read(&model, records));
    assert!(compared * 4 < made, "{compared} of {made} pairs");
}

/// Columns of rules: a phone and the letters of a family name to block on, a number that makes one person, one of which
/// nobody has two, and a source that knows each person once.
fn own_columns(rows: &[Row], read: &mut Records) {
    let of = |purpose: u64, text: &str, limit: u64| {
        let number = text
            .bytes()
            .fold(purpose, |all, byte| hash(all ^ u64::from(byte)));
        number % limit
    };
    let own = |fields: &[Field], text: &dyn Fn(&Row) -> Option<String>| {
        let texts: Vec<Option<String>> = rows.iter().map(text).collect();
        OwnColumn {
            column: Dictionary::encode(texts.iter().map(Option::as_deref)),
            is_whole: fields == [Field::Phone],
            fields: fields.to_vec(),
            asked: Vec::new(),
        }
    };
    read.own = vec![
        own(&[Field::Phone], &|row| Some(row[4].clone())),
        own(&[Field::FamilyName, Field::BirthDate], &|row| {
            Some(format!("{}{}", &row[1][..2], row[2].get(..4)?))
        }),
        own(&[], &|row| (of(1, &row[4], 3) == 0).then(|| row[4].clone())),
        own(&[], &|row| {
            (of(2, &row[5], 4) == 0).then(|| of(3, &row[0], 2).to_string())
        }),
        own(&[], &|row| {
            (of(4, &row[2], 8) == 0).then(|| "loyalty".to_string())
        }),
    ];
    (read.must, read.cannot, read.once) = (vec![2], vec![3], vec![4]);
}

#[test]
fn increments_find_what_all_records_give_under_rules_of_ones_own_too() {
    let own = |places: &[usize]| Rule {
        features: places.iter().copied().map(Feature::Own).collect(),
        refine: None,
    };
    let way = Way {
        settings: Settings {
            rules: vec![own(&[0]), own(&[1])],
            must: vec![own(&[2])],
            ..settings()
        },
        rules_of: own_columns,
        ..Way::without_rules(&[0, 1, 2, 3, 4, 5])
    };
    let nights = nights();
    let trained = nights[0].records(&way, &[]);
    let first = resolve(trained, &way.settings, None).unwrap();
    let is_told = |verdict| first.pairs.iter().any(|pair| pair.verdict == verdict);
    // `must` makes people, and `cannot` or the source parts some whom all else joins
    assert!(first.pairs.iter().any(|pair| pair.weight.is_none()));
    assert!(is_told(Verdict::Same) && is_told(Verdict::Parted));
    let known = |records: &Records| {
        let rows = first.model.rows(&first.pairs_of_rules, |_| String::new());
        let (own, must) = (&way.settings.rules, &way.settings.must);
        Model::from_rows(rows, &records.shapes(), own, must).unwrap()
    };
    let (compared, made) = through(&nights, &way, known);
    assert!(compared * 4 < made, "{compared} of {made} pairs");
}

/// Two columns of `must` in which most records have the one value there is, so that more hang together than are taken apart; and
/// those that part people as in [`own_columns`].
fn crowding_columns(rows: &[Row], read: &mut Records) {
    own_columns(rows, read);
    let value = |row: &Row, column: usize, text: &'static str| {
        let number = row[column]
            .bytes()
            .fold(7, |all, byte| hash(all ^ u64::from(byte)));
        (number % 3 < 2).then_some(text)
    };
    for (place, column) in [(0, 4), (1, 1)] {
        let texts = rows.iter().map(|row| value(row, column, "all"));
        read.own[place] = own_column(Dictionary::encode(texts), &[]);
    }
    read.must = vec![0, 1];
}

#[test]
fn increments_find_what_all_records_give_where_must_holds_hundreds_and_rules_part_them() {
    let own = |place: usize| Rule {
        features: vec![Feature::Own(place)],
        refine: None,
    };
    let way = Way {
        settings: Settings {
            must: vec![own(0), own(1)],
            ..settings()
        },
        rules_of: crowding_columns,
        ..Way::without_rules(&[0, 1, 2, 3, 4, 5])
    };
    let nights = nights_from(620);
    let trained = nights[0].records(&way, &[]);
    let first = resolve(trained, &way.settings, None).unwrap();
    let certain = first.pairs.iter().filter(|pair| pair.weight.is_none());
    let held: BTreeSet<u32> = certain.clone().flat_map(|p| [p.one, p.other]).collect();
    assert!(held.len() > 500, "{}", held.len());
    assert!(certain.clone().any(|pair| pair.verdict == Verdict::Parted));
    through(&nights[..3], &way, |records| {
        as_read_with(&first.model, records, &way.settings.must)
    });
}

/// Columns of a rule that is refined: the first letter of a family name, and the year of birth and a given name, which some
/// records lack.
fn refining_columns(rows: &[Row], read: &mut Records) {
    let own = |text: &dyn Fn(&Row) -> Option<String>| {
        let texts: Vec<Option<String>> = rows.iter().map(text).collect();
        OwnColumn {
            column: Dictionary::encode(texts.iter().map(Option::as_deref)),
            is_whole: false,
            fields: Vec::new(),
            asked: Vec::new(),
        }
    };
    read.own = vec![
        own(&|row| Some(row[1][..1].to_string())),
        own(&|row| Some(row[2].get(..4)?.to_string()).filter(|_| !row[4].ends_with('7'))),
        own(&|row| Some(row[0][..1].to_string()).filter(|_| !row[4].ends_with('3'))),
        own(&|row| Some(row[3].clone())),
    ];
}

#[test]
fn increments_find_what_all_records_give_where_blocks_come_to_be_split_and_whole_again() {
    const OVER: usize = 26;
    let refined = Rule {
        features: vec![Feature::Own(0)],
        refine: Some(Refine {
            over: OVER,
            keys: vec![Feature::Own(2), Feature::Own(1)],
        }),
    };
    let mail = Rule {
        features: vec![Feature::Own(3)],
        refine: None,
    };
    let way = Way {
        settings: Settings {
            rules: vec![refined.clone(), mail],
            ..settings()
        },
        rules_of: refining_columns,
        ..Way::without_rules(&[0, 1, 2, 3, 4, 5])
    };
    let mut nights = nights();
    // and all the way back
    nights.truncate(7);
    nights.extend(nights.clone().into_iter().rev().skip(1));
    // which blocks are too large, by letter and by both keys, changes both ways
    let too_large = |night: &Night, key: fn(&Row) -> Option<String>| {
        let mut sizes: BTreeMap<String, usize> = BTreeMap::new();
        for key in night.rows.values().filter_map(key) {
            *sizes.entry(key).or_default() += 1;
        }
        sizes.retain(|_, size| *size > OVER);
        sizes.into_keys().collect::<BTreeSet<String>>()
    };
    let letter: fn(&Row) -> Option<String> = |row| Some(row[1][..1].to_string());
    let steps = nights.windows(2).map(|two| {
        let (before, now) = (too_large(&two[0], letter), too_large(&two[1], letter));
        (
            now.difference(&before).count(),
            before.difference(&now).count(),
        )
    });
    let (grown, shrunk) = steps.fold((0, 0), |all, step| (all.0 + step.0, all.1 + step.1));
    assert!(grown > 0 && shrunk > 0, "{grown} grown, {shrunk} shrunk");

    let trained = nights[0].records(&way, &[]);
    let first = resolve(trained, &way.settings, None).unwrap();
    let known = |records: &Records| {
        let rows = first.model.rows(&first.pairs_of_rules, |_| String::new());
        Model::from_rows(rows, &records.shapes(), &way.settings.rules, &[]).unwrap()
    };
    through(&nights, &way, known);

    // a record makes a pair with all of a small block, and with those alone of a large one that have its keys too
    let read = nights[0].records(&way, &[]);
    let population = Population::new(read, None, 2);
    let blocks = Blocks::new(&refined, &population.features, population.rows, 2);
    let mut made = BTreeSet::new();
    for part in blocks.parts() {
        part.pairs(|one, other| assert!(made.insert((one, other))));
    }
    let rows: Vec<&Row> = nights[0].rows.values().collect();
    let initial: fn(&Row) -> Option<String> =
        |row| Some(row[0][..1].to_string()).filter(|_| !row[4].ends_with('3'));
    let year: fn(&Row) -> Option<String> =
        |row| Some(row[2].get(..4)?.to_string()).filter(|_| !row[4].ends_with('7'));
    let is_one = |a: &Row, b: &Row, keys: &[fn(&Row) -> Option<String>]| {
        keys.iter().all(|key| key(a).is_some() && key(a) == key(b))
    };
    let size = |of: &Row, keys: &[fn(&Row) -> Option<String>]| {
        rows.iter().filter(|row| is_one(of, row, keys)).count()
    };
    let mut expected = BTreeSet::new();
    for (at, one) in rows.iter().enumerate() {
        let keys = [letter, initial, year];
        let depth = (1..3).find(|depth| size(one, &keys[..*depth]) <= OVER);
        for (other_at, other) in rows.iter().enumerate().skip(at + 1) {
            if is_one(one, other, &keys[..depth.unwrap_or(3)]) {
                expected.insert((at as u32, other_at as u32));
            }
        }
    }
    assert_eq!(made, expected);
    assert_eq!(blocks.count.pairs, made.len() as u64);
    let split = blocks.count.refined;
    assert!(split.blocks > 0 && split.pairs < split.pairs_before && split.without_key > 0);
}

#[test]
fn what_does_not_fit_together_of_the_night_before_is_not_gone_on_from() {
    let way = Way::without_rules(&[0, 1, 2, 3, 4, 5]);
    let nights = nights();
    let first = nights[0].records(&way, &[]);
    let found = resolve(first.clone(), &way.settings, None).unwrap();
    let known = as_read(&found.model, &first);
    let again = |spoil: fn(&mut Before)| {
        let (mut before, gone) = nights[0].before(&found, &nights[1]);
        spoil(&mut before);
        let records = nights[1].records(&way, &gone);
        resolve_again(&records, before, &way.settings, &known).unwrap()
    };
    assert!(again(|_| {}).is_some());
    assert!(again(|before| before.pairs_of_rules.clear()).is_none());
    assert!(again(|before| before.cluster_of.fill(None)).is_none());
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
    let way = Way::without_rules(&[3, 4]);
    through(&nights, &way, |records| untrained(records, u));
}
