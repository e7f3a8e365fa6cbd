//! Records that `must` holds together, and what keeps them apart all the same.

use super::*;

#[test]
fn must_joins_records_that_no_other_rule_compares_but_not_by_a_value_that_many_people_share() {
    const SWITCHBOARD: &str = "0701112233";
    let (mut rows, _) = town(300);
    let letters = |n: usize| format!("q{}{}", char::from(b'a' + n as u8), "zq");
    for (n, row) in rows.iter_mut().skip(100).take(25).enumerate() {
        (row[0], row[4]) = (letters(n), SWITCHBOARD.to_string());
    }
    let club = (0..rows.len()).map(|at| [3, 60].contains(&at).then_some("k1"));
    let read = Records {
        own: vec![
            own_column(Dictionary::encode(club), &[]),
            own_column(records(&rows).fields.swap_remove(4).1, &[Field::Phone]),
        ],
        must: vec![0, 1],
        ..records(&rows)
    };
    let by_rules = Settings {
        must: vec![must_of(0), must_of(1)],
        ..settings()
    };
    let found = resolve(read.clone(), &by_rules, None).unwrap();
    assert_eq!(found.cluster_of[3], found.cluster_of[60]);
    let called: BTreeSet<u32> = found.cluster_of[100..125].iter().copied().collect();
    assert!(called.len() > 10, "{} persons of 25", called.len());
    let rules = &found.model.rules;
    assert_eq!(rules[rules.len() - 2..], by_rules.must);
    assert_eq!(found.pairs_of_rules.len(), rules.len());
    // of one value that hundreds share nobody wants all pairs
    let all = std::iter::repeat_n(Some("k"), rows.len());
    let crowd = Records {
        own: vec![own_column(Dictionary::encode(all), &[])],
        must: vec![0],
        ..read
    };
    let by_rules = Settings {
        must: vec![must_of(0)],
        ..settings()
    };
    match resolve(crowd, &by_rules, None) {
        Err(Refusal::LargeBlock { rule, .. }) => assert_eq!(rule, must_of(0)),
        other => panic!("{:?}", other.map(|resolved| resolved.cluster_of.len())),
    }
}

#[test]
fn must_holds_hundreds_of_records_together_but_no_two_that_rules_or_people_keep_apart() {
    const RECORDS: u32 = 601;
    const LAST: u32 = RECORDS / 2;
    let (rows, _) = town(301);
    let rows = &rows[..RECORDS as usize];
    let column = |text: &dyn Fn(u32) -> Option<&'static str>| {
        own_column(Dictionary::encode((0..RECORDS).map(text)), &[])
    };
    // one record stands in both, and so no value makes more than 500 records one
    let club = column(&|row| (row <= LAST).then_some("club"));
    let card = column(&|row| (row >= LAST).then_some("card"));
    let id = column(&|row| {
        [None, Some("x"), Some("y")][usize::from(row == 5) + 2 * usize::from(row == 450)]
    });
    let source = column(&|row| [5, 450].contains(&row).then_some("loyalty"));
    let held = Records {
        own: vec![club, card, id, source],
        must: vec![0, 1],
        ..records(rows)
    };
    let by_rules = Settings {
        must: vec![must_of(0), must_of(1)],
        ..settings()
    };
    let model = resolve(held.clone(), &by_rules, None).unwrap().model;
    let people = |records: &Records| {
        let known = as_read_with(&model, records, &by_rules.must);
        let found = resolve(records.clone(), &by_rules, Some(known)).unwrap();
        assert_eq!(forbidden(records, &found.cluster_of), []);
        let people: BTreeSet<u32> = found.cluster_of.iter().copied().collect();
        let is_one = found.cluster_of[5] == found.cluster_of[450];
        (people.len(), is_one)
    };
    assert_eq!(people(&held), (1, true));
    let cannot = Records {
        cannot: vec![2],
        ..held.clone()
    };
    assert_eq!(people(&cannot), (2, false));
    let once = Records {
        once: vec![3],
        ..held.clone()
    };
    assert_eq!(people(&once), (2, false));
    for decision in [Decision::Different, Decision::Contested] {
        let decided = Records {
            decisions: vec![(5, 450, decision)],
            ..held.clone()
        };
        assert_eq!(people(&decided), (2, false));
    }
    // what people say of the very pair is above `cannot`, unless others of the two people stand against it
    let decided = Records {
        decisions: vec![(5, 450, Decision::Same)],
        ..cannot.clone()
    };
    assert_eq!(people(&decided), (1, true));
    let decided = Records {
        decisions: vec![(4, 451, Decision::Different), (5, 450, Decision::Same)],
        ..cannot
    };
    let (count, _) = people(&decided);
    assert!(count > 1);
}
