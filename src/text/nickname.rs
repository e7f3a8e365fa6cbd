//! Given names that one person goes by: `Bosse` is a `Bo`, `Liz` an `Elizabeth`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::name_key;

/// One line for each name that has others, in Danish, English, Norwegian and Swedish use. A name may stand in several: an
/// `Alex` is an `Alexander` or an `Alexandra`.
const GROUPS: &str = include_str!("nickname.txt");

static BY_KEY: LazyLock<BTreeMap<String, Vec<u16>>> = LazyLock::new(|| {
    let mut by_key: BTreeMap<String, Vec<u16>> = BTreeMap::new();
    let lines = GROUPS.lines().filter(|line| !line.starts_with('#'));
    for (group, line) in (0..).zip(lines) {
        for key in line.split_whitespace().filter_map(name_key) {
            let groups = by_key.entry(key.into_owned()).or_default();
            if groups.last() != Some(&group) {
                groups.push(group);
            }
        }
    }
    by_key
});

/// The groups of names, of which any two stand for each other, that hold a name; the name as [`name_key`] gives it.
pub(crate) fn nickname_groups(key: &str) -> &'static [u16] {
    BY_KEY.get(key).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stand_for_each_other(one: &str, other: &str) -> bool {
        let groups = |name| name_key(name).map_or(&[][..], |key| nickname_groups(&key));
        groups(one)
            .iter()
            .any(|group| groups(other).contains(group))
    }

    #[test]
    fn short_names_stand_for_the_long_ones() {
        for (short, long) in [
            ("Lasse", "Lars"),
            ("Bosse", "Bo"),
            ("Kalle", "Karl"),
            ("Karl", "Carl"),
            ("Liz", "Elizabeth"),
            ("Bob", "Robert"),
            ("Maja", "Maria"),
            ("Søren", "Severin"),
        ] {
            assert!(stand_for_each_other(short, long), "{short} and {long}");
            assert!(stand_for_each_other(long, short), "{long} and {short}");
        }
    }

    #[test]
    fn a_short_name_of_two_joins_neither_to_the_other() {
        assert!(stand_for_each_other("Alex", "Alexandra"));
        assert!(stand_for_each_other("Alex", "Alexander"));
        assert!(!stand_for_each_other("Alexandra", "Alexander"));
        assert!(!stand_for_each_other("Lars", "Bo"));
        assert!(!stand_for_each_other("Unheard", "Unheard"));
    }
}
