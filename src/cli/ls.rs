//! `kilde ls`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::format::{self, Columns};
use super::options::Options;
use super::style;
use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use crate::name::TableName;
use crate::plan::Selection;

#[derive(Debug, Args)]
pub(super) struct Ls {
    /// Tables to list, in dbt's grammar: gold.* tag:nightly gold.customers+ [default: all]
    selection: Vec<String>,
}

impl Ls {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let runner = options.runner(&project, &clock)?;
        let selection = Selection::parse(&self.selection, &[])?;
        let listed = runner.list(&selection).await?;
        let mut columns = Columns::new(&[false, false, true, true, false]);
        for table in &listed.tables {
            let published = listed
                .release
                .as_ref()
                .and_then(|release| release.table(&table.name));
            columns.row(vec![
                table.name.to_string(),
                table.kind.to_string(),
                published.map_or_else(String::new, |entry| {
                    format!("{} rows", format::count(entry.facts.rows))
                }),
                published.map_or_else(String::new, |entry| format::bytes(entry.facts.bytes)),
                words(&project, &table.name),
            ]);
        }
        style::out(&columns.render(""));
        Ok(ExitCode::SUCCESS)
    }
}

/// Grain, else description.
fn words(project: &crate::project::Project, table: &TableName) -> String {
    let contract = project.contracts.get(table);
    let text =
        contract.and_then(|contract| contract.grain.as_ref().or(contract.description.as_ref()));
    text.cloned().unwrap_or_default()
}
