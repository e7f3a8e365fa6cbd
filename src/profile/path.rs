//! What the path of a file says: a day, a number; and which files are called alike but for that.

use std::collections::BTreeMap;
use std::path::PathBuf;

/// A path with what changes from day to day taken out.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shape {
    pub(crate) before: String,
    /// The strftime format of the day, where there is one.
    pub(crate) format: Option<&'static str>,
    pub(crate) after: String,
    /// Something more may stand behind the day, or in place of a number.
    pub(crate) has_more: bool,
}

impl Shape {
    /// As `files:` of a source writes it.
    pub(crate) fn pattern(&self) -> String {
        let more = if self.has_more { "*" } else { "" };
        match self.format {
            Some(format) => {
                let (before, after) = (literal(&self.before), literal(&self.after));
                format!("{before}{{exported_on:{format}}}{more}{after}")
            }
            None => format!("{}{more}{}", literal(&self.before), literal(&self.after)),
        }
    }

    /// What is left of the name: folder and stem, without the day and the endings.
    pub(crate) fn stem(&self) -> String {
        let text = format!("{}{}", self.before, self.after);
        let (folder, name) = match text.rsplit_once('/') {
            Some((folder, name)) => (format!("{folder}/"), name.to_string()),
            None => (String::new(), text),
        };
        let name = name.split('.').next().unwrap_or_default();
        let name = name.trim_matches(['_', '-', ' ']);
        format!("{folder}{name}").trim_end_matches('/').to_string()
    }
}

/// A text as a pattern takes it: signs that mean something there match themselves, as any sign does.
pub(crate) fn literal(text: &str) -> String {
    text.replace(['*', '?', '[', ']', '{', '}', '\\'], "*")
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
    let name_at = path.rfind('/').map_or(0, |at| at + 1);
    // the name first, then its folders
    for range in [name_at..path.len(), 0..name_at] {
        for (layout, format) in FORMATS {
            if let Some(at) = day_at(path, range.clone(), layout) {
                return Shape {
                    before: path[..at].to_string(),
                    format: Some(format),
                    after: path[at + layout.len()..].to_string(),
                    has_more: false,
                };
            }
        }
    }
    Shape {
        before: path.to_string(),
        format: None,
        after: String::new(),
        has_more: false,
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
    groups: BTreeMap<Shape, Vec<(String, PathBuf)>>,
) -> BTreeMap<Shape, Vec<(String, PathBuf)>> {
    let mut numbered: BTreeMap<(String, Option<&'static str>, String), Vec<Shape>> =
        BTreeMap::new();
    for shape in groups.keys() {
        let key = match shape.format {
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
        numbered.entry(key).or_default().push(shape.clone());
    }
    let mut groups = groups;
    for ((before, format, after), shapes) in numbered {
        if shapes.len() < 2 {
            continue;
        }
        let files = shapes
            .iter()
            .filter_map(|shape| groups.remove(shape))
            .flatten();
        let mut files: Vec<_> = files.collect();
        files.sort();
        let shape = Shape {
            before,
            format,
            after,
            has_more: true,
        };
        groups.entry(shape).or_default().extend(files);
    }
    groups
}

/// `orders_part-0001.csv` → `orders_part-` and `.csv`: what stands around the last number of the name.
fn number_in(path: &str) -> Option<(String, String)> {
    let name_at = path.rfind('/').map_or(0, |at| at + 1);
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
        assert_eq!(shape_of("a [1].csv").pattern(), "a *1*.csv");
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
        let mut groups: BTreeMap<Shape, Vec<(String, PathBuf)>> = BTreeMap::new();
        for path in paths {
            let file = ((*path).to_string(), PathBuf::from(path));
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
}
