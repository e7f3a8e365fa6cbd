//! How the columns of an export differ from those of its contract, and whether it is taken all the same.
//!
//!   names of an export's header ─┐
//!   contract ────────────────────┴─▶ [`Drift`]s ──▶ a refusal, or words for the report
//!
//! Pure. A column that is missing is refused where columns are looked for (`format::layout`): without it no record can be
//! read. Names of columns may be shown, values never.

use std::fmt;

use super::export::ExportReport;
use super::flaw::Flaw;
use super::format::{has_no_name, shown};
use crate::diagnostic::{Code, Place};
use crate::error::{Error, Result};
use crate::project::{Column, Contract, OnDrift, OnUnreadable, Source, Spanned};

/// One way in which an export differs from its contract.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Drift {
    /// A column that the contract does not know.
    Added { name: String },
    /// One that the table keeps under this name, though the contract does not know it.
    Evolved { name: String, column: String },
    /// A column of the contract that the export calls by one of its aliases.
    Renamed { column: String, name: String },
    /// A column of the contract that is not there.
    Missing { column: String },
    /// The contract's columns, in another order than the contract's.
    Reordered,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Added { name } => write!(f, "`{}` is not in the contract", shown(name)),
            Self::Evolved { name, column } => {
                let name = shown(name);
                write!(f, "`{name}` is not in the contract: kept as `{column}`")
            }
            Self::Renamed { column, name } => {
                write!(f, "`{column}` is called `{}` (alias)", shown(name))
            }
            Self::Missing { column } => write!(f, "`{column}` is not there"),
            Self::Reordered => f.write_str("its columns come in another order"),
        }
    }
}

/// How a header differs from a contract. `is_captured`: columns that the path gives.
pub(crate) fn drift_of(
    names: &[String],
    contract: &Contract,
    is_captured: impl Fn(&str) -> bool,
) -> Vec<Drift> {
    let mut drift = Vec::new();
    let mut places = Vec::new();
    let place = |name: &str| names.iter().position(|other| other == name);
    for column in &contract.columns {
        let at = own_names(column).find_map(place);
        let alias = || column.aliases.iter().find_map(|alias| place(&alias.value));
        match at.map(|at| (at, false)).or_else(|| Some((alias()?, true))) {
            Some((at, is_alias)) => {
                if is_alias {
                    drift.push(Drift::Renamed {
                        column: column.name.value.clone(),
                        name: names[at].clone(),
                    });
                }
                places.push(at);
            }
            None if is_captured(&column.name.value) => {}
            None => drift.push(Drift::Missing {
                column: column.name.value.clone(),
            }),
        }
    }
    if places.windows(2).any(|pair| pair[0] > pair[1]) {
        drift.push(Drift::Reordered);
    }
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() || places.contains(&at) {
            continue;
        }
        let evolved = contract.evolved.iter().find(|c| c.is_called(name));
        drift.push(match evolved {
            Some(column) => Drift::Evolved {
                name: name.clone(),
                column: column.name.value.clone(),
            },
            None => Drift::Added { name: name.clone() },
        });
    }
    drift
}

/// What an export calls a column, but for its aliases.
fn own_names(column: &Column) -> impl Iterator<Item = &str> {
    let own = column.from.is_empty().then_some(column.name.value.as_str());
    own.into_iter()
        .chain(column.from.iter().map(|from| from.value.as_str()))
}

/// Refuses an export that differs as its source does not allow.
///
/// # Errors
/// `Input` K0461 for a column that the contract does not know, K0462 for another order, K0463 for a column of another type.
pub(crate) fn refuse_drift(
    source: &Source,
    contract: &Contract,
    report: &ExportReport,
) -> Result<()> {
    let modes = &source.drift;
    if modes.added.value.refuses()
        && let Some(ignored) = report.ignored_columns.first()
    {
        let more = match report.ignored_columns.len() {
            1 => String::new(),
            n => format!(" and {} more", n - 1),
        };
        let name = shown(ignored);
        let message =
            format!("the export has column `{name}`{more}, which the contract does not know");
        // columns that records of JSON bring one by one are none that a table could gain
        let modes_that_take = match source.read.has_header() {
            true => "`ignore` or `evolve`",
            false => "`ignore`",
        };
        let added = place(source, &modes.added);
        let help = match has_no_name(ignored) {
            true => format!("ask its sender for a name, or let {added} say `ignore`"),
            false => format!(
                "add it to {}, or let {added} say {modes_that_take}",
                contract.file.path
            ),
        };
        return Err(refusal(461, message, help, report));
    }
    if modes.reordered.value.refuses() && report.drift.contains(&Drift::Reordered) {
        let message = "the export has its columns in another order than the contract".to_string();
        let help = format!(
            "ask its sender; or put the columns of {} into this order, or let {} say `accept`",
            contract.file.path,
            place(source, &modes.reordered)
        );
        return Err(refusal(462, message, help, report));
    }
    let is_most = |count: u64| count > 0 && count * 2 >= report.records;
    let retyped = report.mistyped.iter().find(|(_, count)| is_most(**count));
    if modes.retyped.value.refuses()
        && let Some((column, count)) = retyped
    {
        let records = report.records;
        let message = format!(
            "column `{column}` is of another type: its values do not fit in {count} of {records} records"
        );
        let help = format!(
            "change `data_type` of `{column}` in {}, or how its source reads it; {} can say `reject`",
            contract.file.path,
            place(source, &modes.retyped)
        );
        return Err(refusal(463, message, help, report));
    }
    Ok(())
}

fn refusal(code: u16, message: String, help: String, report: &ExportReport) -> Error {
    Error::input(message)
        .code(Code(code))
        .at(report.path.as_str())
        .help(help)
}

fn place(source: &Source, mode: &Spanned<OnDrift>) -> String {
    Place {
        file: source.file.clone(),
        span: mode.span,
    }
    .location()
}

/// Whether a source says that an export refused so stops the build, whatever `on_error` says.
pub(crate) fn must_fail(source: &Source, error: &Error) -> bool {
    let mode = match Flaw::of(error) {
        Some(Flaw::Unreadable | Flaw::UnreadableVersion) => {
            return source.unreadable == OnUnreadable::Fail;
        }
        Some(Flaw::MissingColumn) => &source.drift.missing,
        Some(Flaw::AddedColumn) => &source.drift.added,
        Some(Flaw::Reordered) => &source.drift.reordered,
        Some(Flaw::Retyped) => &source.drift.retyped,
        Some(Flaw::MisfitPath) | None => return false,
    };
    mode.value == OnDrift::Fail
}

#[cfg(test)]
mod tests {
    use super::super::testing::contract;
    use super::*;
    use crate::project::ColumnType::Varchar;

    fn said(header: &[&str]) -> Vec<String> {
        let mut contract = contract(&[], &[("id", Varchar), ("email<E-post", Varchar)]);
        contract.columns[1].aliases = vec![Spanned {
            value: "mail".to_string(),
            span: Default::default(),
        }];
        let names: Vec<String> = header.iter().map(|name| (*name).to_string()).collect();
        let drift = drift_of(&names, &contract, |_| false);
        drift.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_header_that_is_the_contract_has_not_drifted() {
        assert!(said(&["id", "E-post"]).is_empty());
        assert!(
            said(&["id", "E-post", ""]).is_empty(),
            "a column without a name is none"
        );
    }

    #[test]
    fn names_of_from_win_over_aliases_and_what_is_left_is_new() {
        assert_eq!(said(&["id", "mail"]), ["`email` is called `mail` (alias)"]);
        assert_eq!(
            said(&["id", "mail", "E-post"]),
            ["`mail` is not in the contract"]
        );
        assert_eq!(
            said(&["Kanal", "E-post", "id"]),
            [
                "its columns come in another order",
                "`Kanal` is not in the contract"
            ]
        );
        assert_eq!(said(&["id"]), ["`email` is not there"]);
    }
}
