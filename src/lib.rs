//! kilde: raw exports in, one audited release out.
//!
//! The flow: [`Project`] (files → checked types) → plan (what to do and why) → [`Runner`] (ingest, steps, tests, publish)
//! → [`RunReport`]; readers open a [`Catalog`]. `docs/architecture.md` draws the layers; `tests/it/tidy.rs` keeps them.

pub mod clock;
pub mod diagnostic;
pub mod error;
pub mod name;

mod catalog;
mod column_type;
mod comparison_shape;
mod engine;
mod identity;
mod ingest;
mod lake;
mod location;
mod notify;
mod parallel;
mod plan;
mod profile;
mod project;
mod quality;
mod release;
mod run;
mod sql_text;
mod store;
mod text;

#[doc(hidden)]
pub mod bench;
pub mod cli;

/// The crates whose types the public API speaks, in the versions it speaks.
pub mod deps {
    pub use {datafusion, datafusion::arrow, object_store};
}

pub use catalog::Catalog;
pub use diagnostic::Diagnostic;
pub use engine::{readable_sql, register_udfs};
pub use error::{Error, ErrorClass, ErrorKind};
pub use plan::{Observed, Plan, Selection};
pub use project::{Project, Variables};
pub use run::{
    BuildRequest, Listener, Resources, RunEvent, RunReport, RunSummary, Runner, Stop, Stopper,
};
