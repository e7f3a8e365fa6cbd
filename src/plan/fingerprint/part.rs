//! What the parts of a fingerprint stand for. Releases keep them by name, so that a name means the same for ever.

use std::fmt;

/// One of the things that decide what a table's content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ContentPart<'a> {
    /// The SQL, without white space, case and comments.
    Sql,
    /// Columns and layout.
    Contract,
    /// How this version computes tables of this kind.
    Kind,
    /// The columns of a table that it reads.
    Input(&'a str),
    /// A variable.
    Var(&'a str),
    /// A function of the project, written in SQL.
    Function(&'a str),
    /// How this version computes its own functions, of those that are called.
    Functions,
    /// `$as_of`.
    AsOf,
    /// What a match step is declared to do.
    Match,
    /// The cells of a seed.
    Seed,
    /// How exports are read.
    Read,
    /// The tests that each record is held to.
    Rules,
    /// A part of an ephemeral step that is part of it: the step's table, and the part's name.
    Within(&'a str, &'a str),
    /// Of a source, beside its content: what tells whether its contract only grew.
    Loaded(Loaded<'a>),
    /// Of another version.
    Unknown(&'a str),
}

/// What decides which rows were loaded, in the clear: each column by itself, where [`ContentPart::Contract`] and [`ContentPart::Rules`] only
/// say that something is other than it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loaded<'a> {
    Key,
    PartitionBy,
    /// The names of the columns, in their order.
    Columns,
    /// What decides which values a column takes.
    Column(&'a str),
    /// The columns that exports brought: of each its name and what exports call it, as a list of JSON.
    Evolved,
    /// Of another version.
    Unknown(&'a str),
}

impl<'a> ContentPart<'a> {
    /// The part of that name.
    pub(crate) fn named(name: &'a str) -> Self {
        match name.split_once(':').unwrap_or((name, "")) {
            ("sql", "") => Self::Sql,
            ("contract", "") => Self::Contract,
            ("kind", "") => Self::Kind,
            ("input", table) => Self::Input(table),
            ("var", variable) => Self::Var(variable),
            ("function", function) => Self::Function(function),
            ("functions", "") => Self::Functions,
            ("as_of", "") => Self::AsOf,
            ("match", "") => Self::Match,
            ("seed", "") => Self::Seed,
            ("read", "") => Self::Read,
            ("rules", "") => Self::Rules,
            ("within", rest) => match rest.split_once(':') {
                Some((table, part)) => Self::Within(table, part),
                None => Self::Unknown(name),
            },
            ("loaded", rest) => Self::Loaded(match (rest, rest.strip_prefix("column ")) {
                (_, Some(column)) => Loaded::Column(column),
                ("key", _) => Loaded::Key,
                ("partition_by", _) => Loaded::PartitionBy,
                ("columns", _) => Loaded::Columns,
                ("evolved", _) => Loaded::Evolved,
                _ => Loaded::Unknown(rest),
            }),
            _ => Self::Unknown(name),
        }
    }
}

impl fmt::Display for ContentPart<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sql => f.write_str("sql"),
            Self::Contract => f.write_str("contract"),
            Self::Kind => f.write_str("kind"),
            Self::Input(table) => write!(f, "input:{table}"),
            Self::Var(variable) => write!(f, "var:{variable}"),
            Self::Function(function) => write!(f, "function:{function}"),
            Self::Functions => f.write_str("functions"),
            Self::AsOf => f.write_str("as_of"),
            Self::Match => f.write_str("match"),
            Self::Seed => f.write_str("seed"),
            Self::Read => f.write_str("read"),
            Self::Rules => f.write_str("rules"),
            Self::Within(table, part) => write!(f, "within:{table}:{part}"),
            Self::Loaded(loaded) => write!(f, "loaded:{loaded}"),
            Self::Unknown(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for Loaded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key => f.write_str("key"),
            Self::PartitionBy => f.write_str("partition_by"),
            Self::Columns => f.write_str("columns"),
            Self::Column(column) => write!(f, "column {column}"),
            Self::Evolved => f.write_str("evolved"),
            Self::Unknown(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_its_part_and_a_part_its_name() {
        for (part, name) in [
            (ContentPart::Sql, "sql"),
            (ContentPart::AsOf, "as_of"),
            (ContentPart::Functions, "functions"),
            (ContentPart::Function("net_of"), "function:net_of"),
            (ContentPart::Input("silver.orders"), "input:silver.orders"),
            (
                ContentPart::Within("silver.a", "input:b"),
                "within:silver.a:input:b",
            ),
            (ContentPart::Loaded(Loaded::Key), "loaded:key"),
            (ContentPart::Loaded(Loaded::Columns), "loaded:columns"),
            (
                ContentPart::Loaded(Loaded::Column("key")),
                "loaded:column key",
            ),
            (
                ContentPart::Loaded(Loaded::Unknown("later")),
                "loaded:later",
            ),
            (ContentPart::Unknown("later:than_this"), "later:than_this"),
        ] {
            assert_eq!(
                (ContentPart::named(name), part.to_string().as_str()),
                (part, name)
            );
        }
    }
}
