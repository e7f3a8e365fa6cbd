//! The Delta home: the only importer of `deltalake`.
//!
//! In: physical plans, file sets. Out: Parquet files with statistics, digest and counters; bytes of Delta log entries.
//! Decides nothing: what is published, and when, is `release`'s business.

mod digest;

pub(crate) use digest::{Digest, RowHasher};
