//! Shapes of features still to come: checked, then refused.

use super::super::Spanned;
use super::declare::section;
use super::decode::{Anything, Named, OneOrMany};
use super::scalar::ColumnName;
use crate::name::TableName;
use crate::project::Period;

section! {
    /// How long data is kept for a purpose, and what happens then.
    RawRetain {
        /// Length of time, such as `24 months`.
        period ("for"): Period,
        /// The column from which it counts.
        after: ColumnName,
        /// What happens then: `erase`.
        then: String,
    }
}

section! {
    /// Entities that meet a condition, with history.
    RawSegment {
        /// Its name.
        name: String,
        /// The table of entities.
        of: Spanned<TableName>,
        /// The condition, SQL.
        condition ("where"): String,
        /// What it is for.
        purpose: Option<String>,
    }
}

section! {
    /// A list that leaves the house.
    RawAudience {
        /// Its name.
        name: String,
        /// The segment that it is made of.
        segment: String,
        /// Where it goes.
        to: Named<Anything>,
        /// Share held out to measure the effect.
        holdout: Option<String>,
    }
}

section! {
    /// A table that grows by what is new in one of its inputs.
    RawIncremental {
        /// The input that drives it.
        of: Spanned<TableName>,
        /// Columns that name a row.
        unique_key: OneOrMany<ColumnName>,
    }
}
