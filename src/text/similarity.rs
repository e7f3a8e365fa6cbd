//! How alike two texts are: edits and shared letters, measured on characters.
//!
//! Both measures are symmetric, and 0 edits or a similarity of 1 mean equal texts. Short texts are compared without
//! allocating: a matcher asks millions of times.

/// Characters on the stack; longer texts go to the heap.
const SHORT: usize = 64;

/// Edits that turn one text into the other: insert, delete, replace, swap of two neighbours; no part edited twice.
///
/// The optimal string alignment variant of the distance of Damerau (1964) and Levenshtein (1966): what DuckDB and Splink
/// call `damerau_levenshtein`, but for texts where an edit falls between two swapped letters. `None` beyond `at_most`.
pub(crate) fn edit_distance(one: &str, other: &str, at_most: usize) -> Option<usize> {
    if one == other {
        return Some(0);
    }
    with_characters(one, other, |a, b| bounded_edit_distance(a, b, at_most))
}

/// The similarity of Jaro and Winkler (1990) in 0..=1: shared letters near each other, swaps among them, and a bonus of 0.1
/// for each of up to four equal first letters.
pub(crate) fn jaro_winkler(one: &str, other: &str) -> f64 {
    if one == other {
        return 1.0;
    }
    with_characters(one, other, |a, b| {
        let jaro = jaro(a, b);
        let prefix = a.iter().zip(b).take(4).take_while(|(x, y)| x == y).count();
        jaro + prefix as f64 * 0.1 * (1.0 - jaro)
    })
}

/// Whether [`edit_distance`] is at most one; takes no longer than reading the texts.
pub(crate) fn is_within_one_edit(one: &str, other: &str) -> bool {
    if one.is_ascii() && other.is_ascii() {
        return within_one_edit(one.as_bytes(), other.as_bytes());
    }
    with_characters(one, other, within_one_edit)
}

fn within_one_edit<T: PartialEq + Copy>(a: &[T], b: &[T]) -> bool {
    if a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[start..], &b[start..]);
    let end = a.iter().rev().zip(b.iter().rev());
    let end = end.take_while(|(x, y)| x == y).count();
    match (&a[..a.len() - end], &b[..b.len() - end]) {
        ([] | [_], [] | [_]) => true,
        ([v, w], [x, y]) => v == y && w == x,
        _ => false,
    }
}

/// Which letters a text has, to rule out likeness without comparing: letters that only one of two texts has are at least
/// the bits that only its outline has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outline {
    letters: u64,
    length: u32,
}

impl Outline {
    /// The outline of a text.
    pub(crate) fn of(text: &str) -> Self {
        let mut outline = Self::default();
        for letter in text.chars() {
            let first = 1u64 << (u32::from(letter) % 32);
            // a second letter of a kind has a bit of its own
            let bit = if outline.letters & first == 0 {
                first
            } else {
                first << 32
            };
            outline.letters |= bit;
            outline.length += 1;
        }
        outline
    }

    /// Letters that only this text has, at least.
    fn without(self, other: Self) -> u32 {
        (self.letters & !other.letters).count_ones()
    }

    /// Whether the [`edit_distance`] of the two texts can be as small.
    #[inline]
    pub(crate) fn may_be_within(self, other: Self, edits: u32) -> bool {
        self.length.abs_diff(other.length) <= edits
            && self.without(other) <= edits
            && other.without(self) <= edits
    }

    /// Whether the [`jaro_winkler`] of the two texts can be as high.
    #[inline]
    pub(crate) fn may_reach(self, other: Self, similarity: f64) -> bool {
        if self == other {
            return true;
        }
        let shared = |a: Self, b: Self| f64::from(a.length.saturating_sub(a.without(b)));
        let most = shared(self, other).min(shared(other, self));
        if most < 1.0 {
            return false;
        }
        let (one, two) = (f64::from(self.length), f64::from(other.length));
        let jaro = (most / one + most / two + 1.0) / 3.0;
        // four equal first letters at most; the slack is for sums that are rounded in another order
        jaro + 0.4 * (1.0 - jaro) >= similarity - 1e-9
    }
}

fn with_characters<R>(one: &str, other: &str, work: impl FnOnce(&[char], &[char]) -> R) -> R {
    let mut first = ['\0'; SHORT];
    let mut second = ['\0'; SHORT];
    match (fill(one, &mut first), fill(other, &mut second)) {
        (Some(a), Some(b)) => work(&first[..a], &second[..b]),
        _ => {
            let (a, b): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
            work(&a, &b)
        }
    }
}

/// Characters written, or `None` where there are too many.
fn fill(text: &str, into: &mut [char; SHORT]) -> Option<usize> {
    let mut count = 0;
    for c in text.chars() {
        *into.get_mut(count)? = c;
        count += 1;
    }
    Some(count)
}

fn bounded_edit_distance(a: &[char], b: &[char], at_most: usize) -> Option<usize> {
    // what both begin and end with needs no edit
    let start = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[start..], &b[start..]);
    let end = a.iter().rev().zip(b.iter().rev());
    let end = end.take_while(|(x, y)| x == y).count();
    let (a, b) = (&a[..a.len() - end], &b[..b.len() - end]);
    if a.len().abs_diff(b.len()) > at_most {
        return None;
    }
    if a.is_empty() || b.is_empty() {
        return Some(a.len().max(b.len()));
    }
    let width = b.len() + 1;
    let mut stack = [0usize; 3 * (SHORT + 1)];
    let mut heap = Vec::new();
    let rows: &mut [usize] = if width <= SHORT + 1 {
        &mut stack[..3 * width]
    } else {
        heap.resize(3 * width, 0);
        &mut heap
    };
    let (mut before, rest) = rows.split_at_mut(width);
    let (mut last, mut now) = rest.split_at_mut(width);
    for (column, cell) in last.iter_mut().enumerate() {
        *cell = column;
    }
    for (row, x) in a.iter().enumerate() {
        now[0] = row + 1;
        for (column, y) in b.iter().enumerate() {
            let replaced = last[column] + usize::from(x != y);
            let mut least = replaced.min(last[column + 1] + 1).min(now[column] + 1);
            if row > 0 && column > 0 && *x == b[column - 1] && a[row - 1] == *y {
                least = least.min(before[column - 1] + 1);
            }
            now[column + 1] = least;
        }
        if now.iter().min().is_some_and(|least| *least > at_most) {
            return None;
        }
        (before, last, now) = (last, now, before);
    }
    let distance = last[b.len()];
    (distance <= at_most).then_some(distance)
}

fn jaro(a: &[char], b: &[char]) -> f64 {
    if a.is_empty() || b.is_empty() {
        return 0.0;
    }
    let reach = (a.len().max(b.len()) / 2).saturating_sub(1);
    let mut stack = [false; SHORT];
    let mut heap = Vec::new();
    let taken: &mut [bool] = if b.len() <= SHORT {
        &mut stack[..b.len()]
    } else {
        heap.resize(b.len(), false);
        &mut heap
    };
    let mut shared = [0usize; SHORT];
    let mut shared_heap = Vec::new();
    let mut count = 0;
    for (at, letter) in a.iter().enumerate() {
        let from = at.saturating_sub(reach);
        let to = (at + reach + 1).min(b.len());
        let found = (from..to).find(|place| !taken[*place] && b[*place] == *letter);
        if let Some(place) = found {
            taken[place] = true;
            match shared.get_mut(count) {
                Some(slot) => *slot = at,
                None => shared_heap.push(at),
            }
            count += 1;
        }
    }
    if count == 0 {
        return 0.0;
    }
    let in_a = shared
        .iter()
        .take(count)
        .chain(&shared_heap)
        .map(|at| a[*at]);
    let in_b = taken
        .iter()
        .zip(b)
        .filter(|(taken, _)| **taken)
        .map(|(_, c)| *c);
    let swapped = in_a.zip(in_b).filter(|(x, y)| x != y).count();
    let (m, swaps) = (count as f64, (swapped / 2) as f64);
    (m / a.len() as f64 + m / b.len() as f64 + (m - swaps) / m) / 3.0
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn assert_similar(one: &str, other: &str, expected: f64) {
        let found = jaro_winkler(one, other);
        assert!((found - expected).abs() < 5e-5, "{one}, {other}: {found}");
    }

    #[test]
    fn winklers_examples_have_their_published_similarity() {
        // Winkler (1990), table of examples; the last two as computed by its C code
        assert_similar("MARTHA", "MARHTA", 0.9611);
        assert_similar("DIXON", "DICKSONX", 0.8133);
        assert_similar("DWAYNE", "DUANE", 0.84);
        assert_similar("SHACKLEFORD", "SHACKELFORD", 0.9818);
        assert_similar("NICHLESON", "NICHULSON", 0.9556);
        assert_similar("JERALDINE", "GERALDINE", 0.9259);
        assert_similar("ABROMS", "ABRAMS", 0.9222);
        assert_similar("JULIES", "JULIUS", 0.9333);
        assert_similar("TANYA", "TONYA", 0.88);
        assert_similar("SEAN", "SUSAN", 0.8050);
        assert_similar("JON", "JAN", 0.8);
    }

    #[test]
    fn nothing_is_like_an_empty_text_but_itself() {
        assert_similar("", "", 1.0);
        assert_similar("", "a", 0.0);
        assert_similar("a", "b", 0.0);
    }

    #[test]
    fn a_swap_of_neighbours_is_one_edit() {
        assert_eq!(edit_distance("anders", "andres", 3), Some(1));
        assert_eq!(edit_distance("kitten", "sitting", 3), Some(3));
        assert_eq!(edit_distance("åke", "ake", 3), Some(1));
        assert_eq!(edit_distance("", "abc", 3), Some(3));
        // no part is edited twice
        assert_eq!(edit_distance("ca", "abc", 3), Some(3));
    }

    #[test]
    fn more_edits_than_asked_for_are_none() {
        assert_eq!(edit_distance("kitten", "sitting", 2), None);
        assert_eq!(edit_distance("abc", "abcdefgh", 2), None);
    }

    #[test]
    fn long_texts_are_measured_like_short_ones() {
        let (long, longer) = ("å".repeat(100), "å".repeat(101));
        assert_eq!(edit_distance(&long, &longer, 1), Some(1));
        let changed = format!("{}b{}", "a".repeat(70), "c".repeat(70));
        let other = format!("{}d{}", "a".repeat(70), "c".repeat(70));
        assert_eq!(edit_distance(&changed, &other, 1), Some(1));
        assert!(jaro_winkler(&changed, &other) > 0.99);
    }

    proptest! {
        #[test]
        fn distance_is_symmetric_and_its_bound_only_hides(a in "[abå]{0,9}", b in "[abå]{0,9}") {
            let whole = edit_distance(&a, &b, 20);
            prop_assert_eq!(whole, edit_distance(&b, &a, 20));
            prop_assert_eq!(edit_distance(&a, &b, 2), whole.filter(|d| *d <= 2));
            prop_assert_eq!(whole == Some(0), a == b);
        }

        #[test]
        fn one_edit_is_what_the_distance_says(a in "[abå]{0,6}", b in "[abå]{0,6}") {
            prop_assert_eq!(is_within_one_edit(&a, &b), edit_distance(&a, &b, 1).is_some());
        }

        #[test]
        fn an_outline_never_rules_out_what_is_alike(a in "[abcdefå]{0,9}", b in "[abcdefå]{0,9}") {
            let found = jaro_winkler(&a, &b);
            if found > 0.0 {
                prop_assert!(Outline::of(&a).may_reach(Outline::of(&b), found));
            }
            for edits in 0..3 {
                if edit_distance(&a, &b, edits).is_some() {
                    let edits = edits as u32;
                    prop_assert!(Outline::of(&a).may_be_within(Outline::of(&b), edits));
                }
            }
        }

        #[test]
        fn similarity_is_symmetric_and_within_bounds(a in "[abcd]{0,9}", b in "[abcd]{0,9}") {
            let found = jaro_winkler(&a, &b);
            prop_assert!((0.0..=1.0).contains(&found));
            prop_assert!((found - jaro_winkler(&b, &a)).abs() < 1e-12);
        }
    }
}
