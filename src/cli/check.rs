//! `kilde check`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::format;
use super::options::Options;
use super::progress::Progress;
use super::style;
use crate::clock::Stopwatch;
use crate::error::Result;

#[derive(Debug, Args)]
pub(super) struct Check {}

impl Check {
    pub(super) fn run(self, options: &Options) -> Result<ExitCode> {
        let watch = Stopwatch::start();
        let project = Arc::new(options.project()?);
        let runner = options.runner(&project)?;
        let warnings = runner.check(&Progress::start(options.quiet).listener())?;
        style::diagnostics(&project.warnings);
        style::diagnostics(&warnings);
        let doubts = project.warnings.len() + warnings.len();
        if !options.quiet {
            style::told(&format!(
                "{} in {}, {} ms\n",
                match doubts {
                    0 => "no errors".to_string(),
                    n => format!("no errors, {}", format::plural(n as u64, "warning")),
                },
                format::plural(project.file_count as u64, "file"),
                watch.elapsed().as_millis(),
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}
