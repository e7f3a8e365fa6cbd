//! What a table promises: columns, types, grain, key, tests.

use std::sync::Arc;

use super::{DataTest, Owner, Spanned, UnitTest};
use crate::column_type::ColumnType;
use crate::diagnostic::SourceFile;
use crate::name::TableName;

/// The declared columns, types, grain, key and tests of a table: one schema file.
#[derive(Clone, Debug)]
pub(crate) struct Contract {
    pub(crate) table: TableName,
    /// The schema file; every span below is in it.
    pub(crate) file: Arc<SourceFile>,
    pub(crate) description: Option<String>,
    pub(crate) grain: Option<String>,
    /// Not null and unique, tested; on `append` sources it names the record and is not tested. May be empty.
    pub(crate) key: Vec<Spanned<String>>,
    pub(crate) materialized: Materialization,
    pub(crate) partition_by: Vec<Spanned<String>>,
    pub(crate) rollback: RollbackClass,
    pub(crate) on_error: Spanned<OnError>,
    pub(crate) owner: Option<Owner>,
    pub(crate) tags: Vec<String>,
    /// Purposes of the whole table.
    pub(crate) purpose: Vec<Spanned<String>>,
    /// Whose data a row is.
    pub(crate) subject: Option<Subject>,
    /// Every column in published order; empty where the SQL alone says them. Given, they are the whole truth: a query
    /// that yields others is refused.
    pub(crate) columns: Vec<Column>,
    /// Of a source: columns that exports brought and nobody declared (`drift: {added: evolve}`), in the order in which they
    /// came. Of the lake, not of the file; they are in the table, and no statement of the project sees them.
    pub(crate) evolved: Vec<Column>,
    /// Tests of the table and of its columns, in the order written; those of `key` are not among them.
    pub(crate) tests: Vec<DataTest>,
    /// Of the step that makes the table.
    pub(crate) unit_tests: Vec<UnitTest>,
}

/// One declared column.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: Spanned<String>,
    pub(crate) data_type: ColumnType,
    pub(crate) description: Option<String>,
    /// What it says of a person, if it does.
    pub(crate) personal: Option<Meaning>,
    /// Where it comes from in the export: header names or dotted paths, the first that is there wins; empty: its own name.
    pub(crate) from: Vec<Spanned<String>>,
    /// Other names, tried where none of those is there.
    pub(crate) aliases: Vec<Spanned<String>>,
    pub(crate) purpose: Vec<Spanned<String>>,
}

/// Whose data a row is; columns are the contract's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// The column of the customer's id.
    Customer(String),
    /// A system, and the column of the record's id in it.
    Record { source: String, id: String },
    /// Columns by which the person is reached.
    Contact(Vec<String>),
}

/// How a step's result is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Materialization {
    /// A published table.
    #[default]
    Table,
    /// Never published; part of what reads it.
    Ephemeral,
}

/// Whether a rollback takes the table back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum RollbackClass {
    #[default]
    Follows,
    /// Ids, consents, suppressions, decisions: never go back.
    Keeps,
}

/// What a failure of a table does to the build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnError {
    /// Nothing is published.
    #[default]
    Stop,
    /// The table keeps its last good version, what stands on it builds on that, and the rest is published.
    Hold,
}

/// What a personal column means; classes, masks, hashing and matching follow from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Meaning {
    Email,
    Phone,
    GivenName,
    FamilyName,
    Name,
    BirthDate,
    NationalId,
    Address,
    Postcode,
    CustomerNumber,
    Cookie,
    Ip,
    Behaviour,
    FreeText,
    Special,
}

impl Meaning {
    /// As contracts write it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Phone => "phone",
            Self::GivenName => "given_name",
            Self::FamilyName => "family_name",
            Self::Name => "name",
            Self::BirthDate => "birth_date",
            Self::NationalId => "national_id",
            Self::Address => "address",
            Self::Postcode => "postcode",
            Self::CustomerNumber => "customer_number",
            Self::Cookie => "cookie",
            Self::Ip => "ip",
            Self::Behaviour => "behaviour",
            Self::FreeText => "free_text",
            Self::Special => "special",
        }
    }
}

impl Column {
    /// Whether an export's name is one of this column's.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        let is_own = self.from.is_empty() && self.name.value == name;
        let mut others = self.from.iter().chain(&self.aliases);
        is_own || others.any(|other| other.value == name)
    }
}

impl Contract {
    /// The column of that name.
    pub(crate) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name.value == name)
    }

    /// The columns that the table has: those declared, then those that exports brought.
    pub(crate) fn stored_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().chain(&self.evolved)
    }

    /// The key's column names.
    pub(crate) fn key_names(&self) -> Vec<&str> {
        self.key
            .iter()
            .map(|column| column.value.as_str())
            .collect()
    }
}
