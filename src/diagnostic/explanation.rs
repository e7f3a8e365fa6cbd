//! What `kilde explain CODE` says: one table of every code, kept beside nothing else.
//!
//! Ranges: K01 YAML and project · K02 names and the graph · K03 SQL · K04 exports and records · K05 tests ·
//! K06 purposes · K07 releases and storage · K08 tables · K09 the command line.

use super::Code;

mod k01;
mod k02;
mod k03;
mod k04;
mod k05;
mod k06;
mod k07;
mod k08;
mod k09;

/// A code, its meaning in a line, and the story behind it.
pub(crate) struct Explanation {
    /// The stable number.
    pub(crate) code: Code,
    /// One line.
    pub(crate) title: &'static str,
    /// Why it is refused and how to mend it; plain text of a few lines.
    pub(crate) text: &'static str,
}

/// Every code, in order.
pub(crate) fn all() -> impl Iterator<Item = &'static Explanation> {
    [
        k01::CODES,
        k02::CODES,
        k03::CODES,
        k04::CODES,
        k05::CODES,
        k06::CODES,
        k07::CODES,
        k08::CODES,
        k09::CODES,
    ]
    .into_iter()
    .flatten()
}
