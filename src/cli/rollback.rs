//! `kilde rollback N`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::format;
use super::options::Options;
use super::style::{self, STRONG, styled};
use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use crate::name::ReleaseNumber;

#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// The release to publish again
    release: u64,
}

impl Rollback {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let runner = options.runner(&project, &clock)?;
        let report = runner.rollback(ReleaseNumber(self.release)).await?;
        if !options.quiet {
            style::told(&format!(
                "{}: release {} again; {} went back, {} kept\n\
                 The lake is paused: exports that came after wait until `kilde resume`\n",
                styled(STRONG, format_args!("Release {} published", report.release)),
                self.release,
                format::plural(report.went_back, "table"),
                format::count(report.kept),
            ));
            if let Some(latest) = &report.latest {
                style::told(&super::latest::render(latest));
            }
        }
        if let Some(warning) = &report.warning {
            style::warning(warning);
        }
        Ok(ExitCode::SUCCESS)
    }
}
