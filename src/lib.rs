//! kilde: raw exports in, one audited release out.
//!
//! The flow: [`Project`] (files → checked types) → plan (what to do and why) → run (ingest, steps, tests, publish) →
//! catalog (what readers see). `docs/architecture.md` draws the layers; `tests/it/tidy.rs` keeps them.

pub mod clock;
pub mod diagnostic;
pub mod error;
pub mod name;

mod catalog;
mod column_type;
mod engine;
mod ingest;
mod lake;
mod plan;
mod project;
mod quality;
mod release;
mod run;
mod store;
mod text;

pub mod cli;

/// The crates whose types the public API speaks, in the versions it speaks.
pub mod deps {
    pub use {datafusion, datafusion::arrow, object_store};
}

pub use diagnostic::Diagnostic;
pub use engine::udf::register_udfs;
pub use error::{Error, ErrorKind};
pub use project::{Project, Variables};
