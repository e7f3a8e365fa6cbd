//! The DataFusion home: the only place that builds a session.
//!
//! In: SQL text, schemas, file sets. Out: analysed statements, physical plans. Knows nothing of Delta, YAML or policy.

mod analysis;
mod catalog;
mod checked_arithmetic;
mod clock_functions;
mod culprit;
mod data_file_reader;
mod execute;
mod failure;
mod file_set;
mod function_registry;
mod interval_comparison;
mod lint;
mod memory;
mod scan;
mod session;
mod small_files;
mod spill_folder;
mod sql_function;
mod statement;
mod typed_rows;
mod udf;
mod watchdog;

pub(crate) use analysis::{
    Analysis, How, InputTable, KnownTables, Origin, Origins, OutputColumn, Question, ValueLineage,
    analyse, check_runnable, conform, plan_query,
};
pub(crate) use culprit::culprit;
pub(crate) use execute::{collect, collect_whole, row_condition, stream};
pub(crate) use failure::{FIND_THE_ROW, failure, is_out_of_memory};
pub(crate) use file_set::{DataFile, FileSet};
pub(crate) use function_registry::{FunctionRegistry, project_functions};
pub(crate) use scan::scan;
pub(crate) use session::{Engine, EngineOptions, Joins, lake_url, scratch_url};
pub(crate) use spill_folder::{Abandoned, SpillFolder};
pub use statement::readable_sql;
pub(crate) use statement::{Statement, TableUse, is_plain_name};
pub(crate) use typed_rows::{WrongCell, rows_as_table, typed_rows};
pub use udf::register_udfs;
pub(crate) use watchdog::watched;
