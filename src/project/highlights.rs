//! `highlights:`: which tables tell people, on a page, how things stand.

use crate::name::TableName;

/// What a page for people shows of the project's tables.
#[derive(Clone, Debug, Default)]
pub(crate) struct Highlights {
    pub(crate) people: Option<People>,
    pub(crate) groups: Option<Groups>,
    pub(crate) consents: Option<Consents>,
    pub(crate) figures: Option<Figures>,
}

/// The table of record → person.
#[derive(Clone, Debug)]
pub(crate) struct People {
    pub(crate) table: TableName,
    /// Columns that name a record.
    pub(crate) record_key: Vec<String>,
    /// Column of the person's id.
    pub(crate) person: String,
}

/// A table of members of groups.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    pub(crate) table: TableName,
    /// Column of the group's name.
    pub(crate) by: String,
}

/// A table of who said yes or no to what; the other fields are columns of it.
#[derive(Clone, Debug)]
pub(crate) struct Consents {
    pub(crate) table: TableName,
    pub(crate) purpose: String,
    pub(crate) granted: String,
}

/// A table of key figures over time; every other field is a column of it.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) table: TableName,
    pub(crate) name: String,
    pub(crate) period: String,
    pub(crate) value: String,
    pub(crate) low: Option<String>,
    pub(crate) high: Option<String>,
    pub(crate) target: Option<String>,
}
