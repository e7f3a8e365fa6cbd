use proptest::prelude::*;

use super::*;

fn keys(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// Where nobody knows when ids were issued.
fn assign(keys: &[String], clusters: &[u32], registry: Registry, threads: usize) -> Assigned {
    super::assign(keys, clusters, registry, &|_| HashMap::new(), threads)
}

/// The registry that an outcome leaves behind.
fn after(keys: &[String], assigned: &Assigned) -> Registry {
    Registry::new(keys.iter().zip(assigned.ids()), assigned.redirects.clone())
}

fn ids(assigned: &Assigned) -> Vec<&str> {
    assigned.ids().collect()
}

/// The living id that an id leads to, if any.
fn leads<'a>(assigned: &'a Assigned, id: &str) -> Option<&'a str> {
    assigned.redirects[id].to()
}

/// What ids came and went, in words.
fn told(assigned: &Assigned) -> Vec<String> {
    let name = |id: u32| assigned.name(id);
    let events = assigned.events.iter().filter_map(|event| match *event {
        Event::Created { id, records } => Some(format!("{} of {records}", name(id))),
        Event::Merged { id, into } => Some(format!("{} into {}", name(id), name(into))),
        Event::Split { id, from, records } => {
            Some(format!("{} from {} of {records}", name(id), name(from)))
        }
        Event::Restored { id, records } => Some(format!("{} back, of {records}", name(id))),
        Event::Retired { id } => Some(format!("{} retired", name(id))),
        Event::Absorbed { .. } | Event::Lost { .. } => None,
    });
    events.collect()
}

/// What ids that live on got and gave, in words.
fn moved(assigned: &Assigned) -> Vec<String> {
    let name = |id: u32| assigned.name(id);
    let other = |id: Option<u32>| id.map_or("nobody", name);
    let events = assigned.events.iter().filter_map(|event| match *event {
        Event::Absorbed { id, from, records } => {
            Some(format!("{} got {records} from {}", name(id), other(from)))
        }
        Event::Lost { id, into, records } => {
            Some(format!("{} gave {records} to {}", name(id), other(into)))
        }
        _ => None,
    });
    events.collect()
}

#[test]
fn a_second_run_over_the_same_clusters_changes_nothing() {
    let keys = keys(&["a", "b", "c"]);
    let first = assign(&keys, &[0, 0, 2], Registry::default(), 2);
    let second = assign(&keys, &[0, 0, 2], after(&keys, &first), 2);
    assert_eq!(ids(&second), ids(&first));
    assert_eq!(second.events, []);
    assert_eq!((second.known_records, second.renamed_records), (3, 0));
}

#[test]
fn a_new_record_takes_the_id_of_those_it_joins_even_where_its_key_is_smaller() {
    let before = keys(&["b", "c"]);
    let first = assign(&before, &[0, 0], Registry::default(), 2);
    let now = keys(&["a", "b", "c"]);
    let second = assign(&now, &[0, 0, 0], after(&before, &first), 2);
    let id = ids(&first)[0];
    assert_eq!(ids(&second)[0], id);
    assert_eq!(told(&second), Vec::<String>::new());
    assert_eq!(moved(&second), [format!("{id} got 1 from nobody")]);
}

#[test]
fn what_ids_that_live_on_give_and_get_is_told_of_both() {
    let before = keys(&["a", "b", "c", "d", "e", "f", "g"]);
    let first = assign(&before, &[0, 0, 0, 3, 3, 3, 3], Registry::default(), 2);
    let (one, other) = (ids(&first)[0].to_string(), ids(&first)[3].to_string());
    // `c` goes from one to the other, `g` is gone, and `h` and `i` are new
    let now = keys(&["a", "b", "c", "d", "e", "f", "h", "i"]);
    let second = assign(&now, &[0, 0, 2, 2, 2, 2, 2, 0], after(&before, &first), 2);
    assert_eq!(
        ids(&second),
        [&*one, &one, &other, &other, &other, &other, &other, &one]
    );
    let mut expected = [
        format!("{one} got 1 from nobody"),
        format!("{other} got 1 from nobody"),
        format!("{other} got 1 from {one}"),
        format!("{one} gave 1 to {other}"),
        format!("{other} gave 1 to nobody"),
    ];
    let mut found = moved(&second);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn of_two_that_merge_the_larger_keeps_its_id_and_the_other_leads_to_it() {
    let keys = keys(&["a", "b", "c"]);
    let first = assign(&keys, &[0, 1, 1], Registry::default(), 2);
    let second = assign(&keys, &[0, 0, 0], after(&keys, &first), 2);
    let names = ids(&first);
    assert_eq!(ids(&second), [names[1]; 3]);
    assert_eq!(told(&second), [format!("{} into {}", names[0], names[1])]);
    assert_eq!(leads(&second, names[0]), Some(names[1]));
    assert_eq!(second.renamed_records, 1);
}

#[test]
fn of_a_split_the_larger_part_keeps_the_id_and_the_other_gets_one_never_issued() {
    let keys = keys(&["a", "b", "c"]);
    let first = assign(&keys, &[0, 0, 0], Registry::default(), 2);
    // the first record, whose hash the id is, leaves
    let second = assign(&keys, &[0, 1, 1], after(&keys, &first), 2);
    let (was, is) = (ids(&first)[0], ids(&second));
    assert_eq!(is[1], was);
    assert_ne!(is[0], was);
    assert_eq!(told(&second), [format!("{} from {was} of 1", is[0])]);
    assert_eq!(moved(&second), [format!("{was} gave 1 to {}", is[0])]);
}

#[test]
fn two_of_one_size_who_were_taken_for_one_for_a_night_are_who_they_were_before() {
    for names in [
        ["a", "b"],
        ["b", "a"],
        ["c", "d"],
        ["k", "m"],
        ["1", "2"],
        ["2", "1"],
    ] {
        let [one, other] = names;
        let all = [one, other].map(|name| [format!("{name}1"), format!("{name}2")]);
        let mut all = all.concat();
        all.sort();
        let first = assign(&all, &[0, 0, 2, 2], Registry::default(), 2);
        let merged = assign(&all, &[0; 4], after(&all, &first), 2);
        let parted = assign(&all, &[0, 0, 2, 2], after(&all, &merged), 2);
        assert_eq!(ids(&parted), ids(&first), "{names:?}");
    }
}

#[test]
fn halves_of_one_who_were_taken_for_two_for_a_night_have_the_id_of_before() {
    for names in [["a", "b"], ["c", "d"], ["k", "m"], ["1", "2"], ["x", "y"]] {
        let all = keys(&names);
        let first = assign(&all, &[0, 0], Registry::default(), 2);
        let parted = assign(&all, &[0, 1], after(&all, &first), 2);
        let was = ids(&first)[0].to_string();
        assert_eq!(ids(&parted)[0], was);
        let issued_at = |asked: &BTreeSet<&str>| {
            let known = asked
                .iter()
                .map(|id| (id.to_string(), i64::from(**id != was)));
            known.collect()
        };
        let healed = super::assign(&all, &[0, 0], after(&all, &parted), &issued_at, 2);
        assert_eq!(ids(&healed), [&*was; 2]);
    }
}

#[test]
fn of_ids_of_one_age_the_one_stays_that_a_first_build_would_issue() {
    for names in [["a", "b", "c"], ["k", "m", "x"], ["1", "2", "3"]] {
        let all = keys(&names);
        let first = assign(&all, &[0, 0, 0], Registry::default(), 2);
        let parted = assign(&all, &[0, 1, 2], after(&all, &first), 2);
        let healed = assign(&all, &[0, 0, 0], after(&all, &parted), 2);
        assert_eq!(ids(&healed), ids(&first));
    }
}

#[test]
fn redirects_lead_to_the_living_through_every_merge() {
    let keys = keys(&["a", "b", "c", "d", "e", "f", "g"]);
    let first = assign(&keys, &[0, 1, 1, 3, 3, 3, 3], Registry::default(), 2);
    let second = assign(&keys, &[0, 0, 0, 3, 3, 3, 3], after(&keys, &first), 2);
    let third = assign(&keys, &[0; 7], after(&keys, &second), 2);
    let names = ids(&first);
    let living = Some(names[3]);
    assert_eq!(leads(&third, names[0]), living);
    assert_eq!(leads(&third, names[1]), living);
}

#[test]
fn an_id_without_records_is_retired_until_its_records_are_there_again() {
    let all = keys(&["a", "b"]);
    let first = assign(&all, &[0, 1], Registry::default(), 2);
    let rest = keys(&["b"]);
    let second = assign(&rest, &[0], after(&all, &first), 2);
    let was = ids(&first)[0];
    assert_eq!(told(&second), [format!("{was} retired")]);
    let third = assign(&all, &[0, 1], after(&rest, &second), 2);
    assert_eq!(ids(&third), ids(&first));
    assert_eq!(told(&third), [format!("{was} back, of 1")]);
    assert!(third.redirects.is_empty());
    assert_eq!((third.known_records, third.renamed_records), (2, 0));
}

#[test]
fn an_id_that_lives_on_other_records_than_its_first_comes_back_with_any_of_them() {
    let all = keys(&["a", "b", "c", "z"]);
    let first = assign(&all, &[0, 0, 0, 3], Registry::default(), 2);
    let was = ids(&first)[0];
    let without = keys(&["b", "c", "z"]);
    let second = assign(&without, &[0, 0, 2], after(&all, &first), 2);
    let rest = keys(&["z"]);
    let third = assign(&rest, &[0], after(&without, &second), 2);
    assert_eq!(leads(&third, was), None);
    let back = keys(&["c", "z"]);
    let fourth = assign(&back, &[0, 1], after(&rest, &third), 2);
    assert_eq!(ids(&fourth)[0], was);
    assert_eq!(told(&fourth), [format!("{was} back, of 1")]);
}

#[test]
fn what_was_merged_by_mistake_and_is_parted_again_has_its_own_id() {
    let all = keys(&["a", "b", "c", "d"]);
    let first = assign(&all, &[0, 0, 2, 3], Registry::default(), 2);
    let (one, other) = (ids(&first)[0], ids(&first)[2]);
    let second = assign(&all, &[0, 0, 0, 3], after(&all, &first), 2);
    assert_eq!(leads(&second, other), Some(one));
    let third = assign(&all, &[0, 0, 2, 3], after(&all, &second), 2);
    assert_eq!(ids(&third), ids(&first));
    assert_eq!(told(&third), [format!("{other} from {one} of 1")]);
    assert!(third.redirects.is_empty());
    // and where it goes on to somebody else, the id that is gone leads there
    let third = assign(&all, &[0, 0, 2, 2], after(&all, &second), 2);
    assert_eq!(leads(&third, other), Some(ids(&first)[3]));
}

#[test]
fn a_lost_id_goes_to_its_own_records_alone_whoever_stands_beside_them() {
    let all = keys(&["b", "c", "d"]);
    let first = assign(&all, &[0, 0, 2], Registry::default(), 2);
    let (was, other) = (ids(&first)[0], ids(&first)[2]);
    let rest = keys(&["d"]);
    let second = assign(&rest, &[0], after(&all, &first), 2);
    let lost = || after(&rest, &second);
    // a stranger before them in order takes nothing away
    let more = keys(&["a", "b", "c", "d"]);
    let third = assign(&more, &[0, 0, 0, 3], lost(), 2);
    assert_eq!(ids(&third), [was, was, was, other]);
    // of two that were lost and are one now, both lead to the one of which more is there
    let rest = keys(&["x"]);
    let none = assign(&rest, &[0], after(&all, &first), 2);
    let joined = assign(&keys(&["b", "d", "x"]), &[0, 0, 2], after(&rest, &none), 2);
    assert_eq!(ids(&joined)[..2], [other, other]);
    assert_eq!(leads(&joined, was), Some(other));
    // and where a living one has them, the lost id leads there
    let joined = assign(&keys(&["b", "d"]), &[0, 0], lost(), 2);
    assert_eq!(ids(&joined), [other, other]);
    assert_eq!(leads(&joined, was), Some(other));
    assert_eq!(told(&joined), [format!("{was} into {other}")]);
}

/// One person of a, and one of b, c and d, became one; then all are lost for a night. Both ids, and what is left behind.
fn lost_after_a_merge() -> (String, String, Registry) {
    let all = keys(&["a", "b", "c", "d", "z"]);
    let first = assign(&all, &[0, 1, 1, 1, 4], Registry::default(), 2);
    let second = assign(&all, &[0, 0, 0, 0, 4], after(&all, &first), 2);
    let (absorbed, id) = (ids(&first)[0], ids(&first)[1]);
    assert_eq!(leads(&second, absorbed), Some(id));
    let rest = keys(&["z"]);
    let third = assign(&rest, &[0], after(&all, &second), 2);
    assert_eq!(leads(&third, absorbed), None);
    assert_eq!(leads(&third, id), None);
    (absorbed.to_string(), id.to_string(), after(&rest, &third))
}

#[test]
fn a_person_who_was_lost_comes_back_by_the_last_id_and_not_by_one_that_was_merged_into_it() {
    let (absorbed, id, lost) = lost_after_a_merge();
    let all = keys(&["a", "b", "c", "d", "z"]);
    let back = assign(&all, &[0, 0, 0, 0, 4], lost.clone(), 2);
    assert_eq!(ids(&back)[..4], [&*id; 4]);
    assert_eq!(leads(&back, &absorbed), Some(&*id));
    assert_eq!(told(&back), [format!("{id} back, of 4")]);
    // not all of them came, and the merged id leads there again all the same
    let some = keys(&["b", "c", "z"]);
    let back = assign(&some, &[0, 0, 2], lost.clone(), 2);
    assert_eq!(ids(&back)[..2], [&*id; 2]);
    assert_eq!(leads(&back, &absorbed), Some(&*id));
    // and where they are with somebody else by then, both lead there
    let joined = assign(&all, &[0, 0, 0, 0, 0], lost, 2);
    let other = ids(&joined)[4];
    assert_eq!(ids(&joined), [other; 5]);
    assert_eq!(leads(&joined, &absorbed), Some(other));
    assert_eq!(leads(&joined, &id), Some(other));
    assert_eq!(told(&joined), [format!("{id} into {other}")]);
}

#[test]
fn of_a_person_who_was_lost_a_record_that_was_merged_into_them_brings_the_last_id_back() {
    let (absorbed, id, lost) = lost_after_a_merge();
    let some = keys(&["a", "z"]);
    let alone = assign(&some, &[0, 1], lost, 2);
    assert_eq!(ids(&alone)[0], id);
    assert_eq!(leads(&alone, &absorbed), Some(&*id));
}

#[test]
fn an_id_that_its_first_record_had_left_is_nobodys_when_the_others_are_lost() {
    let all = keys(&["a", "b", "c", "d", "e", "z"]);
    let first = assign(&all, &[0, 0, 0, 3, 3, 5], Registry::default(), 2);
    let (left, other) = (ids(&first)[0], ids(&first)[3]);
    let second = assign(&all, &[0, 1, 1, 0, 0, 5], after(&all, &first), 2);
    assert_eq!(
        ids(&second),
        [other, left, left, other, other, ids(&first)[5]]
    );
    let rest = keys(&["a", "d", "e", "z"]);
    let third = assign(&rest, &[0, 0, 0, 3], after(&all, &second), 2);
    assert_eq!(told(&third), [format!("{left} retired")]);
    // the record that had left is missing for a night
    let others = keys(&["d", "e", "z"]);
    let fourth = assign(&others, &[0, 0, 2], after(&rest, &third), 2);
    let back = assign(&rest, &[0, 0, 0, 3], after(&others, &fourth), 2);
    assert_eq!(told(&back), Vec::<String>::new());
    assert_eq!(leads(&back, left), None);
    // and so are all that it stood with by then
    let nobody = keys(&["z"]);
    let fourth = assign(&nobody, &[0], after(&rest, &third), 2);
    let alone = keys(&["a", "z"]);
    let back = assign(&alone, &[0, 1], after(&nobody, &fourth), 2);
    assert_ne!(ids(&back)[0], left);
    assert_eq!(leads(&back, left), None);
}

/// The cluster of each row by its lowest row, from any numbering of clusters.
fn lowest(groups: &[u8]) -> Vec<u32> {
    let first = |group: &u8| groups.iter().position(|g| g == group).unwrap_or_default();
    groups.iter().map(|group| first(group) as u32).collect()
}

/// What became of an id.
#[derive(Clone, Debug, PartialEq)]
enum Fate {
    Lives,
    MergedInto(String),
    Retired,
}

/// Ids as they lived, told by the events of night after night.
#[derive(Default)]
struct Lives {
    fate: BTreeMap<String, Fate>,
    /// Records that had it when it was seen last.
    last: BTreeMap<String, BTreeSet<String>>,
    /// The last id of a record.
    id_of: BTreeMap<String, String>,
}

/// Each id with its records.
fn people(keys: &[String], assigned: &Assigned) -> BTreeMap<String, BTreeSet<String>> {
    let mut people: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, id) in keys.iter().zip(assigned.ids()) {
        people
            .entry(id.to_string())
            .or_default()
            .insert(key.clone());
    }
    people
}

impl Lives {
    /// Whether an id was lost.
    fn may_come_back(&self, id: &str) -> bool {
        self.fate.get(id) == Some(&Fate::Retired)
    }

    /// The id that a person must have: all records were lost together, and nothing else was.
    fn must_be(&self, person: &BTreeSet<String>, were_there: &[String]) -> Option<&String> {
        let mut ids = person.iter().map(|key| self.id_of.get(key));
        let id = ids.next()??;
        let is_whole = ids.all(|other| other == Some(id)) && self.last.get(id) == Some(person);
        let is_back = person.iter().all(|key| !were_there.contains(key));
        (is_whole && is_back && self.may_come_back(id)).then_some(id)
    }

    fn night(&mut self, keys: &[String], assigned: &Assigned) {
        let people = people(keys, assigned);
        let name = |id: u32| assigned.name(id).to_string();
        for event in &assigned.events {
            let (id, fate) = match *event {
                Event::Absorbed { .. } | Event::Lost { .. } => continue,
                Event::Merged { id, into } => (id, Fate::MergedInto(name(into))),
                Event::Retired { id } => (id, Fate::Retired),
                Event::Created { id, .. } | Event::Split { id, .. } => (id, Fate::Lives),
                Event::Restored { id, .. } => {
                    let id_ = name(id);
                    assert!(self.may_come_back(&id_), "{id_} of {:?}", self.last[&id_]);
                    assert!(!people[&id_].is_disjoint(&self.last[&id_]));
                    (id, Fate::Lives)
                }
            };
            self.fate.insert(name(id), fate);
        }
        for (id, records) in people {
            for record in &records {
                self.id_of.insert(record.clone(), id.clone());
            }
            self.last.insert(id, records);
        }
    }
}

proptest! {
    #[test]
    fn every_id_ever_issued_resolves_and_none_names_two_people_in_its_life(
        nights in prop::collection::vec(prop::collection::vec((0u8..4, 0u8..4), 6), 1..9),
    ) {
        let mut registry = Registry::default();
        let mut lives = Lives::default();
        let mut were_there: Vec<String> = Vec::new();
        for night in nights {
            // some records are lost for a night, or for some; and now and then most
            let lost = night[0].1 % 3;
            let there = (0..).zip(&night).filter(|(_, (_, draw))| *draw >= lost);
            let there: Vec<(u8, u8)> = there.map(|(n, (group, _))| (n, *group)).collect();
            let keys: Vec<String> = there.iter().map(|(n, _)| format!("r{n}")).collect();
            let groups: Vec<u8> = there.iter().map(|(_, group)| *group).collect();
            let clusters = lowest(&groups);
            let assigned = assign(&keys, &clusters, registry, 2);
            let ids = ids(&assigned);
            for one in 0..keys.len() {
                for other in 0..keys.len() {
                    let is_one = clusters[one] == clusters[other];
                    prop_assert_eq!(ids[one] == ids[other], is_one);
                }
            }
            for (id, person) in people(&keys, &assigned) {
                let expected = lives.must_be(&person, &were_there);
                prop_assert!(expected.is_none_or(|expected| *expected == id));
            }
            lives.night(&keys, &assigned);
            let resolve = |id: &str| match ids.contains(&id) {
                true => Some(id.to_string()),
                false => leads(&assigned, id).map(str::to_string),
            };
            for (id, fate) in &lives.fate {
                let leads_to = resolve(id);
                prop_assert!(leads_to.iter().all(|heir| ids.contains(&&**heir)));
                prop_assert_eq!(ids.contains(&&**id), !assigned.redirects.contains_key(id));
                match fate {
                    Fate::Lives => prop_assert_eq!(leads_to.as_ref(), Some(id)),
                    // what it was merged into may have gone on without its records, or is lost
                    Fate::MergedInto(_) => {
                        let waits = assigned.redirects[id].lost().is_some();
                        prop_assert!(leads_to.is_some() || waits);
                    }
                    Fate::Retired => prop_assert_eq!(leads_to, None),
                }
            }
            registry = after(&keys, &assigned);
            were_there = keys;
        }
    }
}
