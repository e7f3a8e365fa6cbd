//! `kilde show TABLE`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::format;
use super::options::{Options, as_of};
use super::rows::{self, RowFormat};
use super::style;
use crate::error::Result;
use crate::run::Shown;

#[derive(Debug, Args)]
pub(super) struct Show {
    /// The table, short where unique: gold.customers; its SQL file may be new
    table: String,
    /// Rows to show, those with the smallest keys first; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Form of the output
    #[arg(long, value_enum, default_value = "table")]
    format: RowFormat,
    /// Date or time the table speaks of (`$as_of`) [default: the midnight that began today]
    #[arg(long, env = "KILDE_AS_OF", value_name = "TIME")]
    as_of: Option<String>,
}

impl Show {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.draft_project()?);
        let table = project.table(&self.table)?;
        let runner = options.runner(&project)?;
        let as_of = as_of(self.as_of.as_deref(), &runner)?;
        let limit = (self.limit > 0).then_some(self.limit);
        let shown = runner.show(&table, limit, as_of).await?;
        let remarks = self.remarks(&shown);
        rows::print(shown.rows, self.format, None).await?;
        if !options.quiet {
            style::diagnostics(&project.warnings);
            style::note(&remarks);
            style::diagnostics(&shown.mistakes);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// What the rows alone do not say.
    fn remarks(&self, shown: &Shown) -> String {
        let mut text = String::new();
        if shown.has_more {
            text.push_str(&format!(
                "the first {}: `--limit 0` shows all\n",
                format::plural(self.limit as u64, "row")
            ));
        }
        if !shown.computed.is_empty() {
            let names: Vec<String> = shown.computed.iter().map(ToString::to_string).collect();
            text.push_str(&format!(
                "computed on the way, since no release holds it as it is now: {}\n",
                names.join(", ")
            ));
        }
        text
    }
}
