//! `kilde doctor`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::format::Align::Left;
use super::format::{self, Columns};
use super::options::{JsonOptions, Options};
use super::style::{self, BAD, DOUBT, FAINT, GOOD, styled};
use crate::error::{ErrorKind, Result};
use crate::run::{Finding, Health};

#[derive(Debug, Args)]
pub(super) struct Doctor {
    #[command(flatten)]
    json: JsonOptions,
}

impl Doctor {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        style::diagnostics(&project.warnings);
        let findings = options.runner(&project)?.doctor().await;
        match self.json.is_asked() {
            true => style::out(&format::json(&findings)?),
            false => style::out(&render(&findings)),
        }
        Ok(ExitCode::from(exit_code(&findings)))
    }
}

fn render(findings: &[Finding]) -> String {
    let mut lines = Columns::new([Left, Left, Left]);
    for finding in findings {
        let mark = match finding.health {
            Health::Ok => styled(GOOD, "✓"),
            Health::Warn => styled(DOUBT, "!"),
            Health::Fail => styled(BAD, "✗"),
        };
        lines.row(vec![mark, finding.check.to_string(), finding.text.clone()]);
        if let Some(help) = &finding.help {
            lines.row(vec![
                String::new(),
                String::new(),
                styled(FAINT, format_args!("→ {help}")),
            ]);
        }
    }
    lines.render("")
}

/// That of the first thing that fails; warnings are no failure.
fn exit_code(findings: &[Finding]) -> u8 {
    let mut failed = findings.iter().filter_map(|finding| finding.kind);
    failed.next().map_or(0, ErrorKind::exit_code)
}
