//! What every column of a query is made of, down to the columns of the tables that it reads.
//!
//!   analysed plan → from its scans upwards, for each operator: what each of its columns is made of, and what decides its rows
//!
//! Two questions are kept apart. Which values went *into* a column (copied, computed, aggregated, counted), and which only
//! *decide* about it: whether a row is there at all, or which row a value is taken from (filters, joins, groups, orders).
//! Personal data follows the first; a change of a column reaches both. Nothing is run, and nothing is guessed from names.

mod expression;
mod relation;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use datafusion::logical_expr::{Expr, LogicalPlan};

use super::Analysis;
use crate::name::TableName;
use expression::Scope;
use relation::Surroundings;

/// How a column of an input takes part.
///
/// The first four are about its values, each losing more of them than the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum How {
    /// Its values, unchanged; a wider type is no change, and neither is one element or field of many.
    Copied,
    /// Of one row.
    Computed,
    /// Of many rows.
    Aggregated,
    /// Only how many there are.
    Counted,
    /// Decides which rows count.
    Filters,
    /// Decides which rows meet, or how often one is repeated.
    Joins,
    /// Decides which rows stand together.
    Groups,
    /// Decides which of several rows comes first.
    Orders,
}

impl How {
    /// Whether the values themselves go in, as opposed to what they decide.
    pub(crate) fn is_value(self) -> bool {
        self <= Self::Counted
    }

    /// In JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Copied => "copied",
            Self::Computed => "computed",
            Self::Aggregated => "aggregated",
            Self::Counted => "counted",
            Self::Filters => "filters",
            Self::Joins => "joins",
            Self::Groups => "groups",
            Self::Orders => "orders",
        }
    }

    /// Before what it is about: `filtered by`.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Filters => "filtered by",
            Self::Joins => "joined by",
            Self::Groups => "grouped by",
            Self::Orders => "ordered by",
            value => value.name(),
        }
    }
}

/// A column of a table that a query reads, or a field in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Origin {
    pub(crate) table: TableName,
    /// The column, then fields within it; empty: the table's rows, whatever they hold.
    pub(crate) path: Vec<String>,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table)?;
        self.path.iter().try_for_each(|part| write!(f, ".{part}"))
    }
}

/// What something is made of or decided by; none for a constant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origins(BTreeMap<Origin, BTreeSet<How>>);

impl Origins {
    /// Each with all that it does, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Origin, &BTreeSet<How>)> {
        self.0.iter()
    }

    /// Those whose values go in, with the way that keeps most of them.
    pub(crate) fn values(&self) -> impl Iterator<Item = (&Origin, How)> {
        let values = self.0.iter();
        values.filter_map(|(origin, hows)| {
            let how = hows.first().copied().filter(|how| how.is_value())?;
            Some((origin, how))
        })
    }

    /// Those that decide, each with every way in which it does.
    pub(crate) fn deciders(&self) -> impl Iterator<Item = (&Origin, How)> {
        self.0.iter().flat_map(|(origin, hows)| {
            let deciding = hows.iter().filter(|how| !how.is_value());
            deciding.map(move |how| (origin, *how))
        })
    }

    fn insert(&mut self, origin: Origin, how: How) {
        self.0.entry(origin).or_default().insert(how);
    }

    fn extend(&mut self, other: &Self) {
        for (origin, hows) in &other.0 {
            match self.0.get_mut(origin) {
                Some(known) => known.extend(hows),
                None => {
                    self.0.insert(origin.clone(), hows.clone());
                }
            }
        }
    }

    /// After values went through something that loses at least what `how` loses.
    fn through(mut self, how: How) -> Self {
        for hows in self.0.values_mut() {
            *hows = hows
                .iter()
                .map(|known| match known.is_value() {
                    true => (*known).max(how),
                    false => *known,
                })
                .collect();
        }
        self
    }

    /// Where all that takes part does nothing but decide.
    fn deciding(mut self, how: How) -> Self {
        for hows in self.0.values_mut() {
            *hows = BTreeSet::from([how]);
        }
        self
    }
}

/// What a value is made of; a struct that is put together in the query knows it of each field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ValueLineage {
    /// Of the whole value.
    pub(crate) origins: Origins,
    fields: BTreeMap<String, ValueLineage>,
}

impl ValueLineage {
    /// Of what lies at a path of fields within the value.
    pub(crate) fn within(&self, path: &[String]) -> Self {
        let Some((first, rest)) = path.split_first() else {
            return self.clone();
        };
        self.field(first).within(rest)
    }

    fn field(&self, name: &str) -> Self {
        if let Some(field) = self.fields.get(name) {
            return field.clone();
        }
        let mut origins = Origins::default();
        for (origin, hows) in &self.origins.0 {
            for how in hows {
                let mut origin = origin.clone();
                if *how == How::Copied {
                    origin.path.push(name.to_string());
                }
                origins.insert(origin, *how);
            }
        }
        Self::of(origins)
    }

    fn of(origins: Origins) -> Self {
        Self {
            origins,
            fields: BTreeMap::new(),
        }
    }

    /// Either this or the other.
    fn or(&mut self, other: &Self) {
        self.origins.extend(&other.origins);
        // a field that one of them does not know can no longer be told from the rest
        self.fields
            .retain(|name, _| other.fields.contains_key(name));
        for (name, field) in &mut self.fields {
            if let Some(other) = other.fields.get(name) {
                field.or(other);
            }
        }
    }
}

/// What a query yields is made of.
#[derive(Clone, Debug)]
pub(crate) struct QueryLineage {
    /// By the name of the column, those of [`Analysis::output`].
    pub(crate) columns: BTreeMap<String, ValueLineage>,
    /// What decides which rows there are, of every column alike.
    pub(crate) rows: Origins,
}

/// The columns of tables that expressions over an operator are, unchanged.
pub(in crate::engine) fn copied_columns<'a>(
    input: &LogicalPlan,
    exprs: impl Iterator<Item = &'a Expr>,
) -> BTreeSet<Origin> {
    let around = Surroundings::default();
    let below = relation::of(input);
    let scope = Scope::of(input.schema(), &below, &around);
    let mut copied = BTreeSet::new();
    for expr in exprs {
        let origins = expression::value(expr, &scope).origins;
        let whole = origins.values().filter(|(_, how)| *how == How::Copied);
        copied.extend(whole.map(|(origin, _)| origin.clone()));
    }
    copied
}

/// Every column of a table that goes into what a plan yields, or decides about it.
pub(in crate::engine) fn touched_columns(
    plan: &LogicalPlan,
    table: &TableName,
) -> BTreeSet<String> {
    let whole = relation::of(plan);
    let columns = whole.columns.iter().map(|column| &column.origins);
    let origins = columns.chain([&whole.rows]).flat_map(Origins::iter);
    let of_table = origins.filter(|(origin, _)| origin.table == *table);
    of_table
        .filter_map(|(origin, _)| origin.path.first().cloned())
        .collect()
}

impl Analysis {
    /// What each column of the output is made of.
    pub(crate) fn lineage(&self) -> QueryLineage {
        let relation = relation::of(&self.plan);
        let fields = self.plan.schema().fields().iter();
        let named = fields.map(|field| field.name().clone());
        let columns = named.zip(relation.columns);
        let is_output = |name: &String| self.output.iter().any(|column| column.name == *name);
        QueryLineage {
            columns: columns.filter(|(name, _)| is_output(name)).collect(),
            rows: relation.rows,
        }
    }
}
