//! What the path of a file says: a day, a number; and which files are called alike but for that.

use std::collections::{BTreeMap, BTreeSet};

use super::place::Place;
use crate::project::{PathPattern, in_archive, literal};

/// A path with what changes from day to day taken out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    pub(crate) before: String,
    /// The strftime format of the day, where there is one.
    pub(crate) format: Option<&'static str>,
    pub(crate) after: String,
    /// Something more may stand behind the day, or in place of a number.
    pub(crate) has_more: bool,
    /// What stands behind any number that follows `after`.
    pub(crate) behind_number: Option<String>,
    /// What may stand behind all that: how some nights are packed, and nothing where some are not. Empty: nothing.
    pub(crate) packings: Vec<&'static str>,
}

/// Endings of names that say how a file is packed.
const PACKINGS: [&str; 4] = [".gz", ".zst", ".bz2", ".zip"];

impl Shape {
    /// As `files:` of a source writes it, a pattern for each way in which its files are packed.
    pub(crate) fn patterns(&self) -> Vec<String> {
        let pattern = self.pattern();
        match self.packings.is_empty() {
            true => vec![pattern],
            false => {
                let packings = self.packings.iter();
                packings.map(|packing| pattern.clone() + packing).collect()
            }
        }
    }

    /// The same without how they are packed.
    pub(crate) fn pattern(&self) -> String {
        let more = if self.has_more { "*" } else { "" };
        let (before, mut after) = (literal(&self.before), literal(&self.after));
        if let Some(behind) = &self.behind_number {
            after = format!("{after}*{}", literal(behind));
        }
        match self.format {
            Some(format) => format!("{before}{{exported_on:{format}}}{more}{after}"),
            None => format!("{before}{more}{after}"),
        }
    }

    /// Whether it matches one of the paths of other tables as well.
    pub(super) fn takes_others<'p>(&self, mut others: impl Iterator<Item = &'p str>) -> bool {
        let is_open = self.format.is_some() || self.has_more || self.behind_number.is_some();
        let ending = self.behind_number.as_deref().unwrap_or(&self.after);
        if !is_open {
            return false;
        }
        let patterns = self.patterns();
        let patterns = patterns
            .iter()
            .filter_map(|pattern| PathPattern::parse(pattern).ok());
        let patterns: Vec<PathPattern> = patterns.collect();
        others.any(|path| {
            let unpacked = packing_of(path).map_or(path, |packing| cut(path, packing));
            let is_near = path.starts_with(&self.before)
                && (path.ends_with(ending) || unpacked.ends_with(ending));
            is_near
                && patterns
                    .iter()
                    .any(|pattern| pattern.matches(path).is_some())
        })
    }

    /// The same whatever the files of a day are packed by; `None` where none is.
    fn of_any_packing(&self) -> Option<Self> {
        self.format?;
        let text = self.behind_number.as_ref().unwrap_or(&self.after);
        let bare = packing_of(text).map_or(text.as_str(), |packing| cut(text, packing));
        let mut whole = Self {
            has_more: false,
            ..self.clone()
        };
        match &mut whole.behind_number {
            Some(behind) => *behind = bare.to_string(),
            None => whole.after = bare.to_string(),
        }
        Some(whole)
    }

    /// What is left of the name: folder and stem, without the day and the endings. In an archive its files have names of their
    /// own.
    pub(crate) fn stem(&self) -> String {
        let behind = self.behind_number.as_deref().unwrap_or_default();
        let text = format!("{}{}{behind}", self.before, self.after);
        match in_archive(&text) {
            None => stem_of(&text),
            Some((archive, within)) => match stem_of(within) {
                stem if stem.is_empty() => stem_of(archive),
                stem => stem,
            },
        }
    }

    /// The same for any number at the end of a name within an archive whose own name says the day.
    fn of_any_number(&self) -> Option<Self> {
        in_archive(&self.after)?;
        let (before, after) = number_in(&self.after)?;
        self.format?;
        Some(Self {
            after: before,
            behind_number: Some(after),
            ..self.clone()
        })
    }
}

/// How a file is packed, as its name says.
fn packing_of(path: &str) -> Option<&'static str> {
    PACKINGS.into_iter().find(|packing| path.ends_with(packing))
}

/// The text without an ending that it has.
fn cut<'a>(text: &'a str, ending: &str) -> &'a str {
    &text[..text.len() - ending.len()]
}

fn stem_of(path: &str) -> String {
    let (folder, name) = match path.rsplit_once('/') {
        Some((folder, name)) => (format!("{folder}/"), name),
        None => (String::new(), path),
    };
    let name = name.split('.').next().unwrap_or_default();
    let name = name.trim_matches(['_', '-', ' ']);
    format!("{folder}{name}").trim_end_matches('/').to_string()
}

/// Where the name of a file begins in its path.
fn name_at(path: &str) -> usize {
    let archive = in_archive(path).map_or(0, |(archive, _)| archive.len() + 1);
    path.rfind('/').map_or(0, |at| at + 1).max(archive)
}

/// The formats of days in names, and how they are laid out: `9` stands for a digit.
const FORMATS: [(&str, &str); 5] = [
    ("9999-99-99", "%Y-%m-%d"),
    ("9999_99_99", "%Y_%m_%d"),
    ("99999999", "%Y%m%d"),
    ("9999-99", "%Y-%m"),
    ("9999_99", "%Y_%m"),
];

/// The shape of a path.
pub(super) fn shape_of(path: &str) -> Shape {
    let name_at = name_at(path);
    // the name first, then its folders
    for range in [name_at..path.len(), 0..name_at] {
        for (layout, format) in FORMATS {
            if let Some(at) = day_at(path, range.clone(), layout) {
                return Shape {
                    before: path[..at].to_string(),
                    format: Some(format),
                    after: path[at + layout.len()..].to_string(),
                    has_more: false,
                    behind_number: None,
                    packings: Vec::new(),
                };
            }
        }
    }
    Shape {
        before: path.to_string(),
        format: None,
        after: String::new(),
        has_more: false,
        behind_number: None,
        packings: Vec::new(),
    }
}

/// Where a day of that layout stands, with no digit on either side.
fn day_at(path: &str, range: std::ops::Range<usize>, layout: &str) -> Option<usize> {
    let bytes = path.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let fits = |at: usize| {
        layout.bytes().enumerate().all(|(i, sign)| match sign {
            b'9' => is_digit(at + i),
            sign => bytes.get(at + i) == Some(&sign),
        })
    };
    let day = |at: usize| {
        let digits: String = path[at..at + layout.len()]
            .chars()
            .filter(char::is_ascii_digit)
            .collect();
        let year: u32 = digits[..4].parse().unwrap_or(0);
        let month: u32 = digits[4..6].parse().unwrap_or(0);
        let day: u32 = digits.get(6..8).map_or(1, |day| day.parse().unwrap_or(0));
        let year = i32::try_from(year).unwrap_or(0);
        (1990..2100).contains(&year) && chrono::NaiveDate::from_ymd_opt(year, month, day).is_some()
    };
    range
        .filter(|at| at + layout.len() <= bytes.len())
        .find(|at| {
            fits(*at) && !is_digit(at + layout.len()) && (*at == 0 || !is_digit(at - 1)) && day(*at)
        })
}

/// Files by shape, those put together that differ by a number behind the day (`_2`), or, without a day, by a number.
pub(super) fn merged(
    groups: BTreeMap<Shape, Vec<(String, Place)>>,
) -> BTreeMap<Shape, Vec<(String, Place)>> {
    let mut groups = groups;
    let mut within: BTreeMap<Shape, Vec<Shape>> = BTreeMap::new();
    for shape in groups.keys() {
        if let Some(any) = shape.of_any_number() {
            within.entry(any).or_default().push(shape.clone());
        }
    }
    for (any, shapes) in within {
        join(&mut groups, any, &shapes);
    }
    let mut numbered: BTreeMap<Shape, Vec<Shape>> = BTreeMap::new();
    for shape in groups.keys() {
        let (before, format, after) = match shape.format {
            Some(format) => {
                let after = shape.after.trim_start_matches(['_', '-', ' ', '(']);
                let rest = after.trim_start_matches(|c: char| c.is_ascii_digit());
                let is_number = rest.len() < after.len();
                let rest = if is_number {
                    rest.trim_start_matches(')')
                } else {
                    &shape.after
                };
                (shape.before.clone(), Some(format), rest.to_string())
            }
            None => match number_in(&shape.before) {
                Some((before, after)) => (before, None, after),
                None => continue,
            },
        };
        let whole = Shape {
            before,
            format,
            after,
            has_more: true,
            behind_number: shape.behind_number.clone(),
            packings: Vec::new(),
        };
        numbered.entry(whole).or_default().push(shape.clone());
    }
    for (whole, shapes) in numbered {
        join(&mut groups, whole, &shapes);
    }
    let mut packed: BTreeMap<Shape, Vec<Shape>> = BTreeMap::new();
    for shape in groups.keys() {
        if let Some(any) = shape.of_any_packing() {
            packed.entry(any).or_default().push(shape.clone());
        }
    }
    for (mut whole, shapes) in packed {
        let files = shapes
            .iter()
            .filter_map(|shape| groups.get(shape))
            .flatten();
        let mut packings = BTreeSet::new();
        let bare = files.map(|(path, _)| {
            let packing = packing_of(path).unwrap_or_default();
            packings.insert(packing);
            cut(path, packing)
        });
        let mut nights = BTreeSet::new();
        // two of one night are the same file twice
        if bare.into_iter().all(|path| nights.insert(path.to_string())) {
            whole.has_more = shapes.iter().any(|shape| shape.has_more);
            whole.packings = packings.into_iter().collect();
            join(&mut groups, whole, &shapes);
        }
    }
    groups
}

/// Puts the files of several shapes under one.
fn join(groups: &mut BTreeMap<Shape, Vec<(String, Place)>>, whole: Shape, shapes: &[Shape]) {
    if shapes.len() < 2 {
        return;
    }
    let files = shapes
        .iter()
        .filter_map(|shape| groups.remove(shape))
        .flatten();
    let mut files: Vec<_> = files.collect();
    files.sort();
    groups.entry(whole).or_default().extend(files);
}

/// `orders_part-0001.csv` → `orders_part-` and `.csv`: what stands around the last number of the name.
fn number_in(path: &str) -> Option<(String, String)> {
    let name_at = name_at(path);
    let stem_end = path[name_at..]
        .find('.')
        .map_or(path.len(), |at| name_at + at);
    let end = path[name_at..stem_end].rfind(|c: char| c.is_ascii_digit())? + name_at + 1;
    // a number at the end of the name, not one within it
    if end != stem_end {
        return None;
    }
    let start = path[..end]
        .trim_end_matches(|c: char| c.is_ascii_digit())
        .len();
    (start > name_at).then(|| (path[..start].to_string(), path[end..].to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(path: &str) -> String {
        shape_of(path).pattern()
    }

    #[test]
    fn what_is_left_of_a_name_names_the_table() {
        let stem = |path: &str| shape_of(path).stem();
        assert_eq!(stem("crm/customers_20260101.csv.gz"), "crm/customers");
        assert_eq!(stem("2010-12-01.csv"), "");
        assert_eq!(stem("2024-05/sales.csv"), "/sales");
        assert_eq!(shape_of("a [1].csv").pattern(), "a [[]1[]].csv");
    }

    #[test]
    fn days_in_names_become_patterns() {
        assert_eq!(
            pattern("crm/customers_20260101.csv.gz"),
            "crm/customers_{exported_on:%Y%m%d}.csv.gz"
        );
        assert_eq!(pattern("2010-12-01.csv"), "{exported_on:%Y-%m-%d}.csv");
        assert_eq!(pattern("orders.csv"), "orders.csv");
        assert_eq!(pattern("phone_20261399.csv"), "phone_20261399.csv");
        assert_eq!(
            pattern("2024-05/sales.csv"),
            "{exported_on:%Y-%m}/sales.csv"
        );
    }

    fn merged_patterns(paths: &[&str]) -> Vec<String> {
        let mut groups: BTreeMap<Shape, Vec<(String, Place)>> = BTreeMap::new();
        for path in paths {
            let file = ((*path).to_string(), Place::on_disk((*path).into()));
            groups.entry(shape_of(path)).or_default().push(file);
        }
        merged(groups).keys().map(Shape::pattern).collect()
    }

    #[test]
    fn a_second_delivery_of_a_day_belongs_to_the_same_table() {
        assert_eq!(
            merged_patterns(&["pos/receipts_20260101.csv", "pos/receipts_20260102_2.csv"]),
            ["pos/receipts_{exported_on:%Y%m%d}*.csv"]
        );
        assert_eq!(
            merged_patterns(&["part-1.csv", "part-2.csv", "x.csv"]),
            ["part-*.csv", "x.csv"]
        );
        assert_eq!(merged_patterns(&["top10.csv"]), ["top10.csv"]);
    }

    #[test]
    fn nights_that_are_packed_otherwise_belong_to_the_same_table() {
        let patterns = |paths: &[&str]| {
            let mut groups: BTreeMap<Shape, Vec<(String, Place)>> = BTreeMap::new();
            for path in paths {
                let file = ((*path).to_string(), Place::on_disk((*path).into()));
                groups.entry(shape_of(path)).or_default().push(file);
            }
            let merged = merged(groups);
            merged.keys().map(Shape::patterns).collect::<Vec<_>>()
        };
        assert_eq!(
            patterns(&["a_20260101.csv", "a_20260102.csv.GZ", "a_20260103.csv.gz"]).len(),
            2,
            "an ending in capitals is another name"
        );
        assert_eq!(
            patterns(&[
                "a_20260101.csv",
                "a_20260102_2.csv.gz",
                "a_20260103.csv.gz",
                "a_20260104.csv.zst",
                "b.csv",
                "b.csv.gz",
            ]),
            [
                vec![
                    "a_{exported_on:%Y%m%d}*.csv",
                    "a_{exported_on:%Y%m%d}*.csv.gz",
                    "a_{exported_on:%Y%m%d}*.csv.zst"
                ],
                vec!["b.csv"],
                vec!["b.csv.gz"],
            ]
        );
        let twice = ["a_20260101.csv", "a_20260101.csv.gz"];
        assert_eq!(
            patterns(&twice).len(),
            2,
            "one night twice is no second night"
        );
    }

    #[test]
    fn a_shape_that_takes_the_files_of_others_says_so() {
        let groups = [
            "orders_1.csv",
            "orders_2.csv",
            "orders_new.csv",
            "orders.csv",
        ];
        let others = |path: &&str| !["orders_1.csv", "orders_2.csv"].contains(path);
        let shape = |text: &str| Shape {
            has_more: true,
            after: ".csv".to_string(),
            ..shape_of(text)
        };
        let takes = |shape: Shape, paths: &[&str]| shape.takes_others(paths.iter().copied());
        let others: Vec<&str> = groups.into_iter().filter(others).collect();
        assert!(takes(shape("orders_"), &others));
        assert!(!takes(
            shape("orders_"),
            &["orders.csv", "old/orders_3.csv"]
        ));
        assert!(!takes(shape_of("orders_1.csv"), &others));
    }

    #[test]
    fn files_of_archives_are_called_by_their_names_in_there() {
        let stem = |path: &str| shape_of(path).stem();
        assert_eq!(
            pattern("in/dump_20260301.zip!data/orders.csv"),
            "in/dump_{exported_on:%Y%m%d}.zip!data/orders.csv"
        );
        assert_eq!(
            pattern("dump.zip!orders_20260301.csv"),
            "dump.zip!orders_{exported_on:%Y%m%d}.csv"
        );
        assert_eq!(
            stem("in/dump_20260301.zip!data/orders.csv.gz"),
            "data/orders"
        );
        assert_eq!(stem("dump_20260301.zip!orders.csv"), "orders");
        assert_eq!(stem("dump.zip!20260301.csv"), "dump");
        let shops = [
            "dump_20260301.zip!orders_1.csv",
            "dump_20260301.zip!orders_2.csv",
            "dump_20260302.zip!orders_1.csv",
            "dump_20260302.zip!customers.csv",
        ];
        assert_eq!(
            merged_patterns(&shops),
            [
                "dump_{exported_on:%Y%m%d}.zip!customers.csv",
                "dump_{exported_on:%Y%m%d}.zip!orders_*.csv"
            ]
        );
        let shops = ["dump.zip!orders_1.csv", "dump.zip!orders_2.csv"];
        assert_eq!(merged_patterns(&shops), ["dump.zip!orders_*.csv"]);
    }
}
