//! The DataFusion home: the only place that builds a session.
//!
//! In: SQL text, schemas, file sets. Out: analysed statements, physical plans. Knows nothing of Delta, YAML or policy.

mod failure;
mod file_set;
mod memory;
mod scan;
mod session;

pub(crate) use failure::{failure, is_out_of_memory};
pub(crate) use file_set::{DataFile, FileSet};
pub(crate) use memory::default_memory_limit;
pub(crate) use scan::scan;
pub(crate) use session::{Engine, EngineOptions, Joins, lake_url, scratch_url};
