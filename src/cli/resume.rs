//! `kilde resume`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::options::{Options, WaitOptions};
use super::progress::Progress;
use super::style;
use crate::error::Result;

#[derive(Debug, Args)]
pub(super) struct Resume {
    #[command(flatten)]
    wait: WaitOptions,
}

impl Resume {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let runner = options.runner(&project)?;
        let listener = Progress::start(options.quiet).listener();
        let report = runner.resume(self.wait.time(), &listener).await?;
        if !options.quiet {
            style::told(match report.was_paused {
                true => "Resumed: the next build reads the exports that waited\n",
                false => "Nothing to resume: the lake is not paused\n",
            });
        }
        if let Some(warning) = &report.warning {
            style::warning(warning);
        }
        Ok(ExitCode::SUCCESS)
    }
}
