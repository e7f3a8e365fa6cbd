//! The DataFusion home: the only place that builds a session.
//!
//! In: SQL text, schemas, file sets. Out: analysed statements, physical plans. Knows nothing of Delta, YAML or policy.

mod file_set;
pub(crate) mod udf;

pub(crate) use file_set::{DataFile, FileSet};
