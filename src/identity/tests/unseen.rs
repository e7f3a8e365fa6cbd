//! Levels that a training has not seen: what values are missing later may not be missing now.

use super::*;

const STREET: usize = 5;
const POSTCODES: u64 = 6;

/// The town of so many people, each home in one of six postcodes.
fn town_with_postcodes(people: u64) -> Vec<(Row, String)> {
    let (rows, truth) = town(people);
    let postcode = |person: &u64| format!("4110{}", draw(30, person / 2, POSTCODES));
    let postcodes = truth.iter().map(postcode).collect::<Vec<String>>();
    rows.into_iter().zip(postcodes).collect()
}

fn with_postcodes(rows: &[(Row, String)]) -> Records {
    let cells: Vec<Row> = rows.iter().map(|(row, _)| row.clone()).collect();
    let postcodes = rows.iter().map(|(_, postcode)| Some(postcode.as_str()));
    let postcodes = Dictionary::encode(postcodes.map(|text| text.filter(|t| !t.is_empty())));
    let mut records = records(&cells);
    records.fields.push((Field::Postcode, postcodes));
    records
}

/// What the levels of the address weigh against chance, the strongest first.
fn address_weights(rows: &[(Row, String)]) -> Vec<f64> {
    let population = Population::new(with_postcodes(rows), None, 2);
    let model = train(&population, &settings()).unwrap().0;
    let mut comparisons = model.comparisons.iter();
    let address = comparisons.find(|c| c.shape.kind == Kind::Address).unwrap();
    let sum = |of: fn(&Level) -> f64| address.levels.iter().map(of).sum::<f64>();
    assert!((sum(|l| l.u) - 1.0).abs() < 1e-6 && (sum(|l| l.m) - 1.0).abs() < 1e-6);
    let weights = address
        .levels
        .iter()
        .map(|level| (level.m / level.u).log2());
    weights.collect()
}

#[test]
fn a_postcode_without_a_street_weighs_what_the_postcode_does_though_no_record_lacked_its_street() {
    let rows = town_with_postcodes(1500);
    let at_best = (POSTCODES as f64).log2();
    let unseen = address_weights(&rows)[3];
    assert!((0.0..=at_best + 0.05).contains(&unseen), "{unseen}");
    // where hardly a record lacks it, and where a quarter do
    for (one_in, within) in [(500, 0.6), (4, 0.6)] {
        let mut rows = rows.clone();
        for (at, (row, _)) in rows.iter_mut().enumerate() {
            if draw(31, at as u64, one_in) == 0 {
                row[STREET].clear();
            }
        }
        let seen = address_weights(&rows)[3];
        assert!((seen - unseen).abs() < within, "{one_in}: {seen} {unseen}");
    }
}

#[test]
fn a_street_without_a_postcode_weighs_no_more_than_the_whole_address() {
    let mut rows = town_with_postcodes(1500);
    for (home, records) in rows.chunks_mut(4).enumerate() {
        // no street lies in two postcodes, and six homes have one number of one
        let number = draw(32, home as u64, 20);
        for (row, postcode) in records {
            row[STREET] = format!(
                "{}vegen {number}",
                SYLLABLES[postcode.as_bytes()[4] as usize % 12]
            );
        }
    }
    let weights = address_weights(&rows);
    assert!(
        (0.0..=weights[0] + 0.05).contains(&weights[2]),
        "{weights:?}"
    );
}
