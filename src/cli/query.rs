//! `kilde query "select …"`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::options::Options;
use super::rows::{self, RowFormat};
use crate::catalog::View;
use crate::error::Result;

#[derive(Debug, Args)]
pub(super) struct Query {
    /// SQL over plain table names: select count(*) from gold.customers
    sql: String,
    /// Release to read [default: the newest]
    #[arg(long, value_name = "N")]
    release: Option<u64>,
    /// Read a failed run's candidates, and the release it built on for all else
    #[arg(long, value_name = "RUN", conflicts_with = "release")]
    candidate: Option<String>,
    /// Form of the output [default: table; of `--output`, what the file's name ends in]
    #[arg(long, value_enum)]
    format: Option<RowFormat>,
    /// File to write instead of stdout
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Query {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let catalog = options.catalog(&project)?;
        let view = View::of(self.release, self.candidate);
        let output = self.output.as_deref();
        let format = self.format.or_else(|| RowFormat::of(output?));
        let rows = catalog.rows(&self.sql, &view).await?;
        rows::print(rows, format.unwrap_or(RowFormat::Table), output).await?;
        Ok(ExitCode::SUCCESS)
    }
}
