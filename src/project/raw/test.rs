//! `data_tests:` of tables and columns, as written.

use super::super::Spanned;
use super::declare::{choice, section, words};
use super::decode::{AtLeastOne, Decode, FromText, OneOrMany, Sink, Tried};
use super::scalar::{ColumnName, Pattern};
use super::tree::{Node, Value};
use crate::name::TableName;
use crate::project::{Limit, RowAction, RowChange, TestSeverity};

/// What a test says beside what it tests.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawTestSettings {
    pub(crate) severity: Option<TestSeverity>,
    pub(crate) at_most: Option<Limit>,
    pub(crate) condition: Option<String>,
    pub(crate) action: Option<Spanned<RowAction>>,
}

/// A test, with the settings that every test of rows has after its own keys.
macro_rules! table_test {
    ($(#[doc = $about:literal])* $name:ident { $($own:tt)* }) => {
        section! {
            $(#[doc = $about])*
            $name {
                $($own)*
                /// `error` (nothing is published) or `warn`. Default `error`.
                severity: Option<TestSeverity>,
                /// Failures up to this do not count: rows (`10`) or a share (`1%`). Default 0.
                at_most: Option<Limit>,
                /// SQL condition: only rows where it holds are tested.
                condition ("where"): Option<String>,
            }
        }

        impl $name {
            /// The settings, but for an action.
            pub(crate) fn settings(&self) -> RawTestSettings {
                RawTestSettings {
                    severity: self.severity,
                    at_most: self.at_most,
                    condition: self.condition.clone(),
                    action: None,
                }
            }
        }
    };
}

/// A test that may also be a rule which each record of an export is held to.
macro_rules! record_test {
    ($(#[doc = $about:literal])* $name:ident { $($own:tt)* }) => {
        table_test! {
            $(#[doc = $about])*
            $name {
                $($own)*
                /// What becomes of a record of an export that breaks it: `warn` (taken, and reported), `reject` (a reject) or `fail` (its
                /// export is refused). Default `reject`. Only in contracts of sources, and without the keys below.
                action: Option<Spanned<RowAction>>,
            }
        }

        impl $name {
            /// The settings, with what becomes of a record.
            pub(crate) fn rule(&self) -> RawTestSettings {
                RawTestSettings {
                    action: self.action.clone(),
                    ..self.settings()
                }
            }
        }
    };
}

choice! {
    /// A test of one column.
    RawColumnTest ("a test") {
        /// No value is null.
        NotNull("not_null"): RawPlain,
        /// No value occurs twice; nulls are not compared.
        Unique("unique"): RawPlain,
        /// Every value is one of these; null passes.
        AcceptedValues("accepted_values"): RawColumnValues,
        /// Every text matches a regular expression; null passes.
        Matches("matches"): RawColumnMatches,
        /// Every value lies within bounds, both included; null passes.
        Range("range"): RawColumnRange,
        /// Every value occurs in another table; null passes.
        Relationships("relationships"): RawColumnRelationships,
    }
}

choice! {
    /// A test of a table.
    RawTableTest ("a test") {
        /// No value of these columns is null.
        NotNull("not_null"): RawColumns,
        /// No combination of these columns occurs twice; rows with a null among them are not compared.
        Unique("unique"): RawColumns,
        /// Every value of a column is one of these; null passes.
        AcceptedValues("accepted_values"): RawValues,
        /// Every text of a column matches a regular expression; null passes.
        Matches("matches"): RawMatches,
        /// Every value of a column lies within bounds, both included; null passes.
        Range("range"): RawRange,
        /// Every combination of these columns occurs in another table; rows with a null among them pass.
        Relationships("relationships"): RawRelationships,
        /// How many rows the table has.
        RowCount("row_count"): RawRowCount,
        /// No key of another table is missing here; of the table itself, no key that was published.
        Keeps("keeps"): RawKeeps,
        /// A query whose rows are failures.
        Sql("sql"): RawSqlTest,
    }
}

record_test! {
    /// A test without settings of its own.
    RawPlain {
    }
}

record_test! {
    /// Values that a column may have.
    RawColumnValues {
        /// The values, as text, typed by the column.
        values: AtLeastOne<Spanned<String>>,
    }
}

record_test! {
    /// A regular expression for a column.
    RawColumnMatches {
        /// The expression; it may match anywhere in the text unless it says `^` and `$`.
        pattern: Pattern,
    }
}

record_test! {
    /// Bounds of a column, both included; one may be left out.
    RawColumnRange {
        /// Lower bound, typed by the column.
        min: Option<Spanned<String>>,
        /// Upper bound, typed by the column.
        max: Option<Spanned<String>>,
    }
}

table_test! {
    /// Another table in which a column's values occur.
    RawColumnRelationships {
        /// The other table.
        to: Spanned<TableName>,
        /// Its column. Default: its key, where that is one column, else the column of the same name.
        field: Option<Spanned<ColumnName>>,
    }
}

record_test! {
    /// Columns that a test looks at.
    RawColumns {
        /// The columns.
        columns: AtLeastOne<Spanned<ColumnName>>,
    }
}

record_test! {
    /// Values that a column may have.
    RawValues {
        /// The column.
        column: Spanned<ColumnName>,
        /// The values, as text, typed by the column.
        values: AtLeastOne<Spanned<String>>,
    }
}

record_test! {
    /// A regular expression for a column.
    RawMatches {
        /// The column.
        column: Spanned<ColumnName>,
        /// The expression; it may match anywhere in the text unless it says `^` and `$`.
        pattern: Pattern,
    }
}

record_test! {
    /// Bounds of a column, both included; one may be left out.
    RawRange {
        /// The column.
        column: Spanned<ColumnName>,
        /// Lower bound, typed by the column.
        min: Option<Spanned<String>>,
        /// Upper bound, typed by the column.
        max: Option<Spanned<String>>,
    }
}

table_test! {
    /// Another table in which the columns' values occur.
    RawRelationships {
        /// The columns.
        columns: AtLeastOne<Spanned<ColumnName>>,
        /// The other table.
        to: Spanned<TableName>,
        /// Its columns, in the same order. Default: its key, where that has as many columns, else those of the same names.
        fields: OneOrMany<Spanned<ColumnName>>,
    }
}

section! {
    /// How many rows a table has, both bounds included.
    RawRowCount {
        /// At least.
        min: Option<u64>,
        /// At most.
        max: Option<u64>,
        /// How far it may lie from the rows of the published version: `-5%..+20%`, `-5%..` or `..+20%`, both bounds included.
        change: Option<Tried<RowChange>>,
        /// `error` (nothing is published) or `warn`. Default `error`.
        severity: Option<TestSeverity>,
    }
}

section! {
    /// Keys that must not be missing.
    RawKeeps {
        /// The table whose keys count, as this build publishes it. The table itself: as the last release holds it.
        keys_of: Spanned<TableName>,
        /// The columns that hold the keys, called so in both tables; rows with a null among them do not count. Default: the key
        /// of this table.
        columns: OneOrMany<Spanned<ColumnName>>,
        /// `error` (nothing is published) or `warn`. Default `error`.
        severity: Option<TestSeverity>,
        /// Missing keys up to this do not count: keys (`10`) or a share (`1%`) of the rows of this table. Default 0.
        at_most: Option<Limit>,
        /// SQL condition on the rows of `keys_of`: only keys of rows where it holds are looked for.
        condition ("where"): Option<String>,
    }
}

section! {
    /// A query whose rows are failures.
    RawSqlQuery {
        /// The query.
        query: Spanned<String>,
        /// `error` (nothing is published) or `warn`. Default `error`.
        severity: Option<TestSeverity>,
        /// Rows up to this do not count. Default 0.
        at_most: Option<Limit>,
    }
}

/// A query, bare or with settings.
#[derive(Clone, Debug)]
pub(crate) struct RawSqlTest(pub(crate) RawSqlQuery);

impl Decode for RawSqlTest {
    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        match &node.value {
            Value::Map(_) => RawSqlQuery::decode(node, sink).map(Self),
            Value::Text { .. } | Value::List(_) => {
                let query = Spanned::<String>::decode(node, sink)?;
                Some(Self(RawSqlQuery {
                    query,
                    severity: None,
                    at_most: None,
                }))
            }
        }
    }

    fn schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let settings = RawSqlQuery::schema(generator);
        schemars::json_schema!({"anyOf": [String::text_schema(), settings]})
    }
}

words! {
    TestSeverity, "a severity" {
        "error" => TestSeverity::Error,
        "warn" => TestSeverity::Warn,
    }
    also { "warning" => "warn", "fail" => "error" }
}

words! {
    RowAction, "an action" {
        "warn" => RowAction::Warn,
        "reject" => RowAction::Reject,
        "fail" => RowAction::Fail,
    }
    also { "warning" => "warn", "error" => "fail", "drop" => "reject", "quarantine" => "reject", "expect" => "warn" }
}
