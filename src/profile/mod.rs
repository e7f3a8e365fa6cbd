//! What stands in files that nobody described: dialect and encoding, columns and types, keys, joins, personal data; every
//! guess with how sure it is.
//!
//!   path ─folder▶ files, those called alike together ─look▶ sketches of tables ─profile▶ what is told
//!   found tables ─draft▶ the files of a project over them
//!     bytes ─content▶ text ─dialect, delimited, json▶ records ─column, tally, distinct, meaning▶ sketches
//!
//! In: a path of this machine. Out: [`Found`]. Memory is bounded: of a text at most 64 MB are looked at, of typed files two
//! million rows, and what was left out is said. Everything here guesses; what a build takes is decided by a source and its
//! contract, read by `ingest`.

mod batch;
mod column;
mod consent;
mod content;
mod delimited;
mod delta;
mod dialect;
mod distinct;
mod draft;
mod end;
mod fixed;
mod folder;
mod join;
mod json;
mod look;
mod meaning;
mod name;
mod path;
mod place;
mod read;
mod table;
mod tally;
mod value;

pub(crate) use batch::TableLook;
pub(crate) use column::{ColumnProfile, Frequent};
pub(crate) use delta::is_table as is_delta_table;
pub(crate) use draft::{Decision, Draft, write_file};
pub(crate) use folder::{Found, find};
pub(crate) use table::{LoadGuess, TableProfile};
