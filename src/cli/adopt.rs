//! `kilde adopt TABLE`

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::options::{Options, SelectionOptions, WaitOptions};
use crate::error::Result;
use crate::name::TableName;

#[derive(Debug, Args)]
pub(super) struct Adopt {
    /// Table of an `append` source, short where unique, to which another tool added rows
    table: String,
    /// Make a table anew as well whose folder, log or files are lost, as `kilde build --rebuild` does; may be repeated
    #[arg(
        long,
        env = "KILDE_REBUILD",
        value_name = "TABLE",
        value_delimiter = ','
    )]
    rebuild: Vec<String>,
    #[command(flatten)]
    wait: WaitOptions,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Adopt {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let runner = options.runner(&project)?;
        let table = project.table(&self.table)?;
        let rebuilt = self.rebuild.iter().map(|name| project.table(name));
        let rebuilt: BTreeSet<TableName> = rebuilt.collect::<Result<_>>()?;
        // what stands on them is made again in the same release
        let made = std::iter::once(&table).chain(&rebuilt);
        let selection = SelectionOptions {
            select: made.map(|table| format!("{table}+")).collect(),
            exclude: Vec::new(),
            full_refresh: false,
            retrain: Vec::new(),
            verify_exports: false,
            as_of: None,
        };
        let mut request = selection.request(&runner)?;
        request.adopt.insert(table);
        request.rebuild = rebuilt;
        request.wait = self.wait.time();
        let shown = super::build::Shown {
            json: self.json,
            maintains: true,
        };
        super::build::run(&runner, &request, &project, options, shown).await
    }
}
