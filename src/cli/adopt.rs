//! `kilde adopt TABLE`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::options::{Options, SelectionOptions, WaitOptions};
use crate::clock::{Clock, SystemClock};
use crate::error::Result;

#[derive(Debug, Args)]
pub(super) struct Adopt {
    /// Table of an `append` source, short where unique, to which another tool added rows
    table: String,
    #[command(flatten)]
    wait: WaitOptions,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Adopt {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let runner = options.runner(&project, &clock)?;
        let table = project.table(&self.table)?;
        // what stands on it is made again in the same release
        let selection = SelectionOptions {
            select: vec![format!("{table}+")],
            exclude: Vec::new(),
            full_refresh: false,
            retrain: Vec::new(),
            verify_exports: false,
            as_of: None,
        };
        let mut request = selection.request(&project, clock.as_ref())?;
        request.adopt.insert(table);
        request.wait = self.wait.time();
        let shown = super::build::Shown {
            json: self.json,
            maintains: true,
        };
        super::build::run(&runner, &request, &project, options, shown).await
    }
}
