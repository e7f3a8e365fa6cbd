//! Registers that know full names beside registers that know their parts.

use super::*;

/// Given name, family name, full name.
type Named = [&'static str; 3];

fn named(rows: &[Named]) -> Records {
    let column = |at: usize| {
        let texts = rows.iter().map(|row| Some(row[at]));
        Dictionary::encode(texts.map(|text| text.filter(|text| !text.is_empty())))
    };
    let fields = [Field::GivenName, Field::FamilyName, Field::FullName];
    Records {
        rows: rows.len() as u32,
        fields: fields.into_iter().zip((0..).map(column)).collect(),
        ..Records::default()
    }
}

/// The levels of given and family name of two records, in words; empty where one says nothing.
fn levels(one: Named, other: Named) -> [String; 2] {
    let population = Population::new(named(&[one, other]), None, 1);
    let pattern = pattern_of(&population, 0, 1, &mut Likeness::of_all(&population));
    let word = |kind: Kind, at| {
        let level = kind.levels().get(level_of(pattern, at).wrapping_sub(1));
        level.map_or(String::new(), |level| level.name.to_string())
    };
    [word(Kind::GivenName, 0), word(Kind::FamilyName, 1)]
}

#[test]
fn a_full_name_is_compared_with_the_parts_that_another_record_has() {
    for (full, given, family) in [
        ("Gunnar Ek", "Gunnar", "Ek"),
        ("Ek, Gunnar", "Gunnar", "Ek"),
        ("Ann Kristin Ek", "Ann-Kristin", "Ek"),
        ("Gunnar Ek-Berg", "Gunnar", "Ek Berg"),
        ("Carl Gustaf von Linné", "Carl Gustaf", "von Linné"),
        ("Eva VAN DER Berg", "Eva", "van der Berg"),
        // no family name begins with a full name's first word
        ("Di Ek", "Di", "Ek"),
    ] {
        let parts = [given, family, ""];
        for other in [["", "", full], ["-", " ", full]] {
            assert_eq!(levels(parts, other), ["equal", "equal"], "{full}");
            assert_eq!(levels(other, parts), ["equal", "equal"], "{full}");
        }
    }
    // one word is a family name, whoever it may be of
    assert_eq!(levels(["", "", "Ek"], ["Gunnar", "Ek", ""]), ["", "equal"]);
}

#[test]
fn parts_win_over_a_full_name_which_gives_the_part_alone_that_is_missing() {
    let gunnar = ["Gunnar", "Ek", ""];
    assert_eq!(
        levels(["Gunnar", "Ek", "Hedda Falk"], gunnar),
        ["equal", "equal"]
    );
    assert_eq!(levels(["Gunnar", "", "G. Ek"], gunnar), ["equal", "equal"]);
    assert_eq!(
        levels(["", "Ek", "Gunnar Falk"], gunnar),
        ["equal", "equal"]
    );
    // a full name that is no more than the part
    assert_eq!(levels(["Gunnar", "", "Gunnar"], gunnar), ["equal", ""]);
}

#[test]
fn rules_and_their_counts_beforehand_know_the_names_that_full_names_give() {
    const ROWS: [Named; 9] = [
        ["Gunnar", "Ek", ""],
        ["", "", "Gunnar Ek"],
        ["", "", "Ek, Gunnar"],
        ["Hedda", "Falk", "Gunnar Ek"],
        ["Hedda", "", "Hedda Falk"],
        ["", "Falk", "Hedda F"],
        ["Hedda", "", "Hedda"],
        ["", "", "Falk"],
        ["", "", ""],
    ];
    for fields in [vec![0, 1, 2], vec![2], vec![0, 2], vec![2, 1]] {
        let of = |rows: &[Named]| {
            let all = named(rows);
            let wanted = fields.iter().map(|at| all.fields[*at].clone());
            Records {
                fields: wanted.collect(),
                ..all
            }
        };
        let records = of(&ROWS);
        let shapes = records.shapes();
        let (features, _) = Population::features_of(records.clone(), None, 1);
        assert_eq!(Population::new(records, None, 1).shapes(), shapes);
        let mut glance = Glance::new(&of(&[]), &fields, None, 9);
        let text = |rows: &&[Named], column: usize, row: usize| {
            Some(rows[row][column]).filter(|text| !text.is_empty())
        };
        glance.push(&[&ROWS[..]], 3, |rows| rows.len(), text, 1);
        let seen = glance.into_features(1);
        let (narrow, broad) = defaults(&features);
        assert_eq!(defaults(&seen), (narrow.clone(), broad.clone()));
        for feature in [Feature::Names, Feature::Family, Feature::Given] {
            let rule = Rule {
                features: vec![feature],
                refine: None,
            };
            let pairs = |features: &Features| Blocks::new(&rule, features, 9, 1).count.pairs;
            assert_eq!(pairs(&seen), pairs(&features), "{fields:?} {rule:?}");
            let expected = match (fields.as_slice(), feature) {
                ([0, 1, 2], Feature::Names) => 3 + 3,
                ([0, 1, 2], Feature::Family) => 3 + 6,
                _ => continue,
            };
            assert_eq!(pairs(&features), expected, "{feature:?}");
        }
    }
}
