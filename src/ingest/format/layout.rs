//! Which field of a record is which column of the contract, for formats whose columns have names or an order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::Seen;
use crate::diagnostic::{Code, nearest, printable};
use crate::error::{Error, Result};
use crate::ingest::cell::Cell;
use crate::ingest::conform::{Conformer, Converter, Origin, Target};
use crate::text::repair_mojibake;

/// Which field of a record is which column.
pub(super) struct Layout {
    pub(super) origins: Vec<Origin>,
    /// Fields of a record.
    pub(super) width: usize,
    pub(super) seen: Seen,
    /// Fields whose column has no name, so that nobody can ask for it.
    nameless: Vec<usize>,
    /// Those of them in which values stand; of sheets also fields beyond the last name.
    lost: Mutex<BTreeSet<usize>>,
}

impl Layout {
    /// Looks whether some records have values in columns without a name.
    pub(super) fn look(&self, text: &[u8], cells: &[Cell], converter: &Converter) {
        for at in &self.nameless {
            let mut cells = cells
                .chunks_exact(self.width.max(1))
                .map(|cells| cells[*at]);
            let is_value = |cell: Cell| {
                let bytes = text.get(cell.start as usize..cell.end as usize);
                let bytes = bytes.unwrap_or_default().trim_ascii();
                !bytes.is_empty() && !converter.means_null((cell.kind, bytes))
            };
            if cells.any(is_value) {
                self.lose(*at);
            }
        }
    }

    /// A value stands in a field that no name is of.
    pub(super) fn lose(&self, at: usize) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        lost.insert(at);
    }

    /// What the export says of its columns, once its records are read.
    pub(super) fn into_seen(self) -> Seen {
        let mut seen = self.seen;
        let lost = self
            .lost
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let told = lost.iter().map(|at| format!("column {}{NO_NAME}", at + 1));
        seen.ignored.extend(told);
        seen
    }
}

/// Columns by the names that the export gives them.
///
/// # Errors
/// `Input` where a column of the contract is not there, or is there twice.
pub(super) fn by_header(conformer: &Conformer, names: Vec<String>, file: &str) -> Result<Layout> {
    let found = find(conformer, &names, file)?;
    let last: BTreeMap<&str, usize> = (0..)
        .zip(&names)
        .map(|(at, name)| (name.as_str(), at))
        .collect();
    for (at, target) in found.iter().zip(&conformer.targets) {
        let Some(at) = at else { continue };
        // of what nobody asked for, nobody needs to know which is meant
        if last.get(names[*at].as_str()) != Some(at) && !target.is_evolved {
            return Err(ambiguous(&names[*at], file));
        }
    }
    let origins = found
        .iter()
        .map(|at| at.map_or(Origin::Captured, Origin::Cell));
    let origins = origins.collect();
    let nameless = (0..names.len()).filter(|at| names[*at].is_empty());
    Ok(Layout {
        origins,
        width: names.len(),
        nameless: nameless.collect(),
        lost: Mutex::default(),
        seen: seen(&found, names),
    })
}

/// Columns in the contract's order, without those that the path gives.
pub(super) fn by_position(conformer: &Conformer) -> Layout {
    let mut width = 0;
    let origins = (0..conformer.targets.len()).map(|column| {
        if conformer.is_captured(column) {
            return Origin::Captured;
        }
        width += 1;
        Origin::Cell(width - 1)
    });
    let origins = origins.collect();
    Layout {
        origins,
        width,
        seen: Seen::default(),
        nameless: Vec::new(),
        lost: Mutex::default(),
    }
}

/// Where each column of the contract stands among the export's; `None` where the path gives it.
///
/// # Errors
/// `Input` where a column is not there.
pub(super) fn find(
    conformer: &Conformer,
    names: &[String],
    file: &str,
) -> Result<Vec<Option<usize>>> {
    // the first of equal names: of an export that has many columns, and a contract too
    let by_name = names.iter().enumerate().rev();
    let by_name: BTreeMap<&str, usize> = by_name.map(|(at, name)| (name.as_str(), at)).collect();
    let mut found = Vec::with_capacity(conformer.targets.len());
    let mut missing: Vec<(String, &Target)> = Vec::new();
    let mut absent = Vec::new();
    for (column, target) in conformer.targets.iter().enumerate() {
        let own = std::slice::from_ref(&target.name);
        let wanted = if target.from.is_empty() {
            own
        } else {
            &target.from
        };
        let at = wanted
            .iter()
            .chain(&target.aliases)
            .find_map(|name| by_name.get(name.as_str()).copied());
        if at.is_none() && !conformer.is_captured(column) && !target.is_evolved {
            let list = match target.is_optional {
                true => &mut absent,
                false => &mut missing,
            };
            list.push((wanted.join("` or `"), target));
        }
        found.push(at);
    }
    let is_foreign = found.iter().all(Option::is_none);
    // that a column may be missing does not make another file an export
    if is_foreign {
        missing.append(&mut absent);
    }
    match (missing.is_empty(), is_foreign) {
        (true, _) => Ok(found),
        (false, true) => Err(no_column_known(&missing, names.len(), file)),
        (false, false) => Err(missing_columns(
            &missing,
            names,
            &unclaimed(&found, names),
            file,
        )),
    }
}

/// The same where columns are found by path, and the export says beforehand which paths its records have. `names`: the first
/// parts of them.
///
/// # Errors
/// `Input` where a column is not there.
pub(super) fn refuse_missing_paths(
    conformer: &Conformer,
    names: &[String],
    is_there: impl Fn(&str) -> bool,
    file: &str,
) -> Result<()> {
    let (mut missing, mut absent) = (Vec::new(), Vec::new());
    let mut claimed: BTreeSet<&str> = BTreeSet::new();
    let all_paths: Vec<Vec<String>> = conformer.targets.iter().map(Target::paths).collect();
    for ((column, target), paths) in conformer.targets.iter().enumerate().zip(&all_paths) {
        let shown = match target.is_by_name() {
            true => target.name.clone(),
            false => target.from.join("` or `"),
        };
        let mut paths = paths.iter();
        if let Some(path) = paths.find(|path| is_there(path)) {
            claimed.extend(path.split('.').next());
        } else if !conformer.is_captured(column) && !target.is_evolved {
            let list = match target.is_optional {
                true => &mut absent,
                false => &mut missing,
            };
            list.push((shown, target));
        }
    }
    let is_foreign = claimed.is_empty();
    if is_foreign {
        missing.append(&mut absent);
    }
    if missing.is_empty() {
        return Ok(());
    }
    if is_foreign {
        return Err(no_column_known(&missing, names.len(), file));
    }
    let unclaimed = names.iter().filter(|name| !claimed.contains(name.as_str()));
    let unclaimed: Vec<String> = unclaimed.cloned().collect();
    Err(missing_columns(&missing, names, &unclaimed, file))
}

/// What the export says of its columns.
pub(super) fn seen(found: &[Option<usize>], names: Vec<String>) -> Seen {
    Seen {
        ignored: unclaimed(found, &names),
        header: Some(names),
        without_list: 0,
    }
}

/// Columns that no column of the contract takes; those without a name are none.
fn unclaimed(found: &[Option<usize>], names: &[String]) -> Vec<String> {
    let used: BTreeSet<usize> = found.iter().flatten().copied().collect();
    names
        .iter()
        .enumerate()
        .filter(|(at, name)| !used.contains(at) && !name.is_empty())
        .map(|(_, name)| name.clone())
        .collect()
}

/// Behind what stands for a name where there is none.
const NO_NAME: &str = " (no name)";

/// Whether an ignored column is one that has no name, so that no contract can take it.
pub(in crate::ingest) fn has_no_name(column: &str) -> bool {
    column.starts_with("column ") && column.ends_with(NO_NAME)
}

/// Names that messages list; more are counted.
const NAMES_LISTED: usize = 20;

/// The names that an export gives, for people: those of a hostile one are many, long, or hold line breaks.
pub(super) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let more = names.len().saturating_sub(NAMES_LISTED);
    let names = names
        .take(NAMES_LISTED)
        .map(|name| format!("`{}`", shown(name)));
    let text = names.collect::<Vec<_>>().join(", ");
    match more {
        0 => text,
        more => format!("{text} and {more} more"),
    }
}

/// A name that an export gives, on one line; what would not be seen of it is written as YAML and JSON write it: `\ufeffid`.
pub(in crate::ingest) fn shown(name: &str) -> String {
    const LONGEST: usize = 80;
    match name.char_indices().nth(LONGEST) {
        None => visible(name),
        Some((end, _)) => visible(&name[..end]) + "…",
    }
}

/// The text with the characters that nobody sees, or takes for others, as escapes.
fn visible(text: &str) -> String {
    // spaces but the plain one, marks that have no width, and accents that stand behind their letter
    let is_hidden = |c: char| {
        matches!(c, '\u{a0}' | '\u{ad}' | '\u{180e}' | '\u{2000}'..='\u{200f}' | '\u{202f}' | '\u{205f}'..='\u{2064}')
            || matches!(c, '\u{300}'..='\u{36f}' | '\u{3000}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
    };
    let text = printable(text);
    if !text.contains(is_hidden) {
        return text.into_owned();
    }
    let characters = text.chars().map(|c| match is_hidden(c) {
        true => format!("\\u{:04x}", u32::from(c)),
        false => c.to_string(),
    });
    characters.collect()
}

/// The refusal of an export that has no column of the contract: what it has may be a record, so none of it is shown.
fn no_column_known(missing: &[(String, &Target)], cells: usize, file: &str) -> Error {
    let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
    let cells = match cells {
        1 => "its header is a single cell: is the delimiter right?".to_string(),
        n => format!("none of the {n} names of its header is in the contract."),
    };
    Error::input(format!(
        "the export has none of the columns `{}`",
        names.join("`, `")
    ))
    .code(Code(401))
    .at(file)
    .help(format!(
        "{cells} If it has no header, say `header: false` at the source"
    ))
}

/// The refusal of an export that lacks columns of the contract. `unclaimed`: its columns that nobody takes; where one of
/// them is near the missing name, or is the only one, it is most likely the new name.
fn missing_columns(
    missing: &[(String, &Target)],
    seen: &[String],
    unclaimed: &[String],
    file: &str,
) -> Error {
    let noun = if missing.len() == 1 {
        "column"
    } else {
        "columns"
    };
    let names: Vec<&str> = missing.iter().map(|(name, _)| name.as_str()).collect();
    let listed_names: Vec<String> = names.iter().map(|name| visible(name)).collect();
    let mut message = format!("the export has no {noun} `{}`", listed_names.join("`, `"));
    let mut help = format!(
        "its columns are {}",
        listed(seen.iter().map(String::as_str))
    );
    if let Some(encoding) = other_encoding(&names, seen) {
        help = format!(
            "its header is not in the declared encoding: say `encoding: {encoding}` at the source, if that is what the sender writes; {help}"
        );
    } else if let [(name, target)] = missing {
        let meant = match new_name(name, unclaimed) {
            Some(renamed) => {
                let now = shown(renamed);
                message = format!("{message} (now `{now}`)");
                let aliases = target.aliases.iter().map(String::as_str);
                let aliases = aliases.chain([renamed]).map(in_yaml);
                format!(
                    "`{now}` is meant, write `aliases: [{}]`",
                    aliases.collect::<Vec<_>>().join(", ")
                )
            }
            None => "one of them is meant, name it in `aliases`".to_string(),
        };
        let missing = match target.is_key {
            true => "",
            false => "if it may be missing, say `drift: {missing: ignore}` at the source; ",
        };
        help = format!("if {meant} at {}; {missing}{help}", target.declared_at);
    }
    Error::input(message).code(Code(401)).at(file).help(help)
}

/// A name as a contract writes it: in quotes where something of it is written as an escape.
fn in_yaml(name: &str) -> String {
    let shown = visible(name);
    match shown == name {
        true => shown,
        false => format!("\"{shown}\""),
    }
}

/// The encoding in which the header most likely is, where it is not the declared one.
fn other_encoding(missing: &[&str], seen: &[String]) -> Option<&'static str> {
    if seen
        .iter()
        .any(|name| name.contains(char::REPLACEMENT_CHARACTER))
    {
        return Some("windows-1252");
    }
    let was_read_wrongly = |name: &String| {
        let meant = repair_mojibake(name);
        meant != name.as_str() && missing.iter().any(|wanted| wanted.contains(&*meant))
    };
    seen.iter().any(was_read_wrongly).then_some("utf-8")
}

/// What a missing column (its names, in words) is most likely called now.
fn new_name<'a>(missing: &str, unclaimed: &'a [String]) -> Option<&'a str> {
    if let [only] = unclaimed {
        return Some(only);
    }
    let unclaimed = || unclaimed.iter().map(String::as_str);
    missing.split("` or `").find_map(|name| {
        // `owner` → `account_owner`: far in letters, near in words
        let holds = |other: &&str| name.len() > 2 && other.split('_').any(|word| word == name);
        nearest(name, unclaimed()).or_else(|| unclaimed().find(holds))
    })
}

/// The refusal of an export whose header is no line that anybody writes.
pub(super) fn header_too_long(line: i64, file: &str) -> Error {
    Error::input("the header is longer than `limits.line`")
        .code(Code(407))
        .at(format!("{file}:{line}"))
        .help("is it the header? Check `skip_lines` of the source, and `limits: {line: …}` in kilde.yaml")
}

fn ambiguous(name: &str, file: &str) -> Error {
    let name = shown(name);
    Error::input(format!("the export has column `{name}` more than once"))
        .code(Code(406))
        .at(file)
        .help("ask its sender for distinct names, or read it with `header: false` and `skip_lines: 1`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_of_a_name_is_written_as_an_escape() {
        assert_eq!(in_yaml("Förnamn å"), "Förnamn å");
        assert_eq!(in_yaml("Fo\u{308}rnamn"), r#""Fo\u0308rnamn""#);
        assert_eq!(in_yaml("\u{feff}id"), r#""\ufeffid""#);
        assert_eq!(in_yaml("\u{200b}t\u{a0}x"), r#""\u200bt\u00a0x""#);
    }
}
