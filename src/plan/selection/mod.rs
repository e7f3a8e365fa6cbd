//! `-s/--select` and `--exclude` in dbt's grammar: which tables a command is about.
//!
//!   selection  = union of arguments; an argument is a union of its words
//!   word       = term ("," term)*            intersection
//!   term       = ["@" | [n] "+"] method ["+" [n]]
//!   method     = name | schema.name | schema | glob | tag: | path: | source: | pipeline: | exposure: | state:modified
//!
//! `exposure:x` is the tables that x reads; x is not one itself. `+x` with what x is made of, `x+` with what is made of x, `2+x` two steps up, `x+3` three down, `@x` with everything that
//! is made of x and all that these are made of.

mod evaluate;
mod term;

use std::collections::BTreeSet;

use crate::error::Result;
use crate::name::TableName;

pub(super) use evaluate::Scope;
pub(super) use term::{Method, Reach, Term};

/// What was asked for. Empty: everything.
///
/// The default leaves nothing out.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Union of intersections.
    select: Vec<Vec<Term>>,
    /// Likewise; taken away at the end.
    exclude: Vec<Vec<Term>>,
    /// `--full-refresh`: what is selected counts as stale.
    pub(crate) full_refresh: bool,
    /// `--retrain`: tables of ids for which another model is trained.
    pub(crate) retrain: BTreeSet<TableName>,
}

impl Selection {
    /// Reads the arguments of `--select` and `--exclude`.
    ///
    /// # Errors
    /// K0240 where one is not of the grammar.
    pub(crate) fn parse(select: &[String], exclude: &[String]) -> Result<Self> {
        Ok(Self {
            select: parse_arguments(select)?,
            exclude: parse_arguments(exclude)?,
            full_refresh: false,
            retrain: BTreeSet::new(),
        })
    }

    /// Whether nothing is left out.
    pub(crate) fn is_all(&self) -> bool {
        self.select.is_empty() && self.exclude.is_empty()
    }
}

fn parse_arguments(arguments: &[String]) -> Result<Vec<Vec<Term>>> {
    let words = arguments.iter().flat_map(|text| text.split_whitespace());
    words
        .map(|word| {
            word.split(',')
                .map(|text| Term::parse(text, word))
                .collect()
        })
        .collect()
}
