//! Why a table is to be made again, as data and in words.

use std::fmt;

use super::{ColumnChange, Effect};
use crate::name::TableName;

/// One reason; `Display` says it as `kilde plan` does.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// Never published.
    New,
    /// `--full-refresh`.
    FullRefresh,
    /// `--retrain`.
    Retrain,
    /// Exports that the ledger does not know.
    NewExports {
        count: usize,
        /// In all.
        bytes: u64,
    },
    /// Exports whose content is another than the one loaded.
    ChangedExports { count: usize },
    /// Exports that somebody retracted: their rows leave the table.
    RetractedExports { count: usize },
    /// Exports that somebody wants read again.
    ReadAgain { count: usize },
    /// How the columns of its new exports differ from the contract, and what is done about it.
    Drift { words: Vec<String> },
    /// Contract or read settings of a source: all its exports are read again.
    Reload {
        /// File that says so.
        path: String,
        exports: usize,
    },
    /// After a rollback.
    ExportsWait { count: usize },
    /// Exports that are not whole yet.
    ExportsUnready { count: usize },
    /// Exports that cannot be read and are left out.
    ExportsUnreadable { count: usize },
    /// The statement.
    SqlChanged { path: String },
    /// The file of a seed.
    SeedChanged { path: String },
    /// The settings of a match step, or what the columns of its records mean.
    MatchChanged { path: String },
    /// A table that a match step makes beside the ids is new, or made otherwise.
    SideChanged { table: TableName },
    /// Columns, types, key or layout.
    ContractChanged { path: String },
    /// Its own columns are not as published; what that means, where people read it.
    ColumnsChange {
        changes: Vec<ColumnChange>,
        effect: Option<Effect>,
    },
    /// The contract of a source that gained columns, and nothing else: its exports are not read again.
    ContractGrows {
        table: TableName,
        /// Loaded, and there to be read again.
        exports: usize,
        /// Of these.
        bytes: u64,
        /// Loaded, and gone.
        gone: usize,
    },
    /// Columns or types of an input.
    InputColumnsChanged { table: TableName },
    /// An ephemeral step that is part of it.
    EphemeralChanged { table: TableName },
    /// A function of the project that it calls.
    FunctionChanged { name: String },
    /// A variable that it uses.
    VarChanged { name: String },
    /// It uses `$as_of`, and that moved.
    AsOfMoved,
    /// A newer kilde computes a function or the step itself differently.
    SemanticsChanged,
    /// Rows of an input.
    InputChanged { table: TableName },
    /// An input is going to be made again.
    InputChanges { table: TableName },
    /// Of an ephemeral step: it is computed with the table that reads it.
    PartOf { table: TableName },
    /// Nothing but tests.
    TestsChanged,
    /// Nothing but descriptions, owners, tags.
    WordsChanged,
}

/// What is behind a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// What the project says a table is: its statement, contract, settings, or what these stand on.
    Definition,
    /// What the project says must hold of it.
    Tests,
    /// What the project says about it in words.
    Words,
    /// Rows or exports that came, changed or left.
    Data,
    /// The day.
    Time,
    /// An option of the command.
    Command,
}

impl Reason {
    /// What is behind it.
    pub(crate) fn cause(&self) -> Cause {
        match self {
            Self::New
            | Self::Reload { .. }
            | Self::SqlChanged { .. }
            | Self::SeedChanged { .. }
            | Self::MatchChanged { .. }
            | Self::SideChanged { .. }
            | Self::ContractChanged { .. }
            | Self::ColumnsChange { .. }
            | Self::ContractGrows { .. }
            | Self::InputColumnsChanged { .. }
            | Self::EphemeralChanged { .. }
            | Self::FunctionChanged { .. }
            | Self::VarChanged { .. }
            | Self::SemanticsChanged
            | Self::PartOf { .. } => Cause::Definition,
            Self::TestsChanged => Cause::Tests,
            Self::WordsChanged => Cause::Words,
            Self::NewExports { .. }
            | Self::ChangedExports { .. }
            | Self::RetractedExports { .. }
            | Self::ReadAgain { .. }
            | Self::Drift { .. }
            | Self::ExportsWait { .. }
            | Self::ExportsUnready { .. }
            | Self::ExportsUnreadable { .. }
            | Self::InputChanged { .. }
            | Self::InputChanges { .. } => Cause::Data,
            Self::AsOfMoved => Cause::Time,
            Self::FullRefresh | Self::Retrain => Cause::Command,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("new"),
            Self::FullRefresh => f.write_str("full refresh asked for"),
            Self::Retrain => f.write_str("another model asked for"),
            Self::NewExports { count, bytes } => {
                write!(f, "{} ({})", counted(*count, "new export"), size(*bytes))
            }
            Self::ChangedExports { count } => {
                write!(f, "{} changed in place", counted(*count, "export"))
            }
            Self::RetractedExports { count } => {
                write!(f, "{} retracted", counted(*count, "export"))
            }
            Self::ReadAgain { count } => {
                write!(f, "{} to be read again", counted(*count, "export"))
            }
            Self::Drift { words } => write!(f, "drift: {}", words.join(", ")),
            Self::Reload { path, exports } => write!(
                f,
                "changed {path}: reads {} again",
                counted(*exports, "export")
            ),
            Self::ExportsWait { count } => {
                write!(
                    f,
                    "paused: {} for `kilde resume`",
                    match count {
                        1 => "1 export waits".to_string(),
                        n => format!("{n} exports wait"),
                    }
                )
            }
            Self::ExportsUnready { count } => match count {
                1 => f.write_str("1 export is not ready: `kilde exports`"),
                n => write!(f, "{n} exports are not ready: `kilde exports`"),
            },
            Self::ExportsUnreadable { count } => match count {
                1 => f.write_str("1 export cannot be read: `kilde exports`"),
                n => write!(f, "{n} exports cannot be read: `kilde exports`"),
            },
            Self::PartOf { table } => write!(f, "computed with {table}"),
            Self::SqlChanged { path } => write!(f, "SQL changed {path}"),
            Self::SeedChanged { path } => write!(f, "changed {path}"),
            Self::MatchChanged { path } => write!(f, "match changed {path}"),
            Self::SideChanged { table } => write!(f, "{table} is due"),
            Self::ContractChanged { path } => write!(f, "contract changed {path}"),
            Self::ColumnsChange { changes, effect } => {
                let mut words: Vec<String> = changes.iter().map(ToString::to_string).collect();
                words.extend(effect.map(|effect| effect.to_string()));
                f.write_str(&words.join(" · "))
            }
            Self::ContractGrows {
                table,
                exports,
                bytes,
                gone,
            } => {
                let loaded = counted(exports + gone, "export");
                write!(f, "null for the {loaded} loaded")?;
                let reload = format!("`kilde exports reload {table}`");
                match (*exports, *gone) {
                    (0, _) => f.write_str(" (gone, so nothing can be read again)"),
                    (_, 0) => write!(f, " ({reload} reads them again, {})", size(*bytes)),
                    (there, _) => {
                        let size = size(*bytes);
                        write!(
                            f,
                            " ({reload} reads again those still there: {there}, {size})"
                        )
                    }
                }
            }
            Self::InputColumnsChanged { table } => {
                write!(f, "columns of its input {table} changed")
            }
            Self::EphemeralChanged { table } => write!(f, "SQL changed in {table}, part of it"),
            Self::FunctionChanged { name } => write!(f, "function {name} changed"),
            Self::VarChanged { name } => write!(f, "variable {name} changed"),
            Self::AsOfMoved => f.write_str("uses $as_of, so it also changes each day"),
            Self::SemanticsChanged => f.write_str("this version of kilde computes it differently"),
            Self::InputChanged { table } => write!(f, "its input {table} changed"),
            Self::InputChanges { table } => write!(f, "its input {table} changes"),
            Self::TestsChanged => f.write_str("only tests changed: tested again, not rebuilt"),
            Self::WordsChanged => f.write_str("only words changed"),
        }
    }
}

fn counted(count: usize, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        n => format!("{n} {noun}s"),
    }
}

/// `2.1 MB`; units of 1,000.
fn size(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = "B";
    for larger in ["kB", "MB", "GB", "TB"] {
        if value < 999.95 {
            break;
        }
        value /= 1000.0;
        unit = larger;
    }
    if unit == "B" {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_read_as_kilde_plan_prints_them() {
        let new = Reason::NewExports {
            count: 2,
            bytes: 2_100_000,
        };
        assert_eq!(new.to_string(), "2 new exports (2.1 MB)");
        let one = Reason::NewExports {
            count: 1,
            bytes: 999,
        };
        assert_eq!(one.to_string(), "1 new export (999 B)");
        assert_eq!(size(999_960), "1.0 MB");
        assert_eq!(
            Reason::ExportsWait { count: 1 }.to_string(),
            "paused: 1 export waits for `kilde resume`"
        );
    }
}
