//! `kilde rollback N`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::format;
use super::options::{Options, WaitOptions};
use super::progress::Progress;
use super::style::{self, STRONG, styled};
use crate::diagnostic::printable;
use crate::error::Result;
use crate::name::ReleaseNumber;

#[derive(Debug, Args)]
pub(super) struct Rollback {
    /// The release to publish again
    release: u64,
    #[command(flatten)]
    wait: WaitOptions,
}

impl Rollback {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let runner = options.runner(&project)?;
        let listener = Progress::start(options.quiet).listener();
        let to = ReleaseNumber(self.release);
        let report = runner.rollback(to, self.wait.time(), &listener).await?;
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
        for lost in &report.lost {
            let path = printable(&lost.path);
            let records = format::plural(lost.lost.records, "record");
            let went = format!("{records} of {} went back with it", lost.source);
            let without = format!("`kilde exports {} {path} --why TEXT`", lost.lost.verb());
            style::warning(&match lost.lost.were_adopted {
                true => format!(
                    "{went} that another tool had added, and no export has them: {without} before the next build"
                ),
                false => format!(
                    "{went}, and `{path}` is gone: put the file back, or {without}, before the next build"
                ),
            });
        }
        for warning in &report.warnings {
            style::warning(warning);
        }
        Ok(ExitCode::SUCCESS)
    }
}
