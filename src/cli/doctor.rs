//! `kilde doctor`

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::format::Align::Left;
use super::format::Columns;
use super::options::Options;
use super::style::{self, BAD, DOUBT, FAINT, GOOD, styled};
use crate::error::{Error, ErrorKind, Result};
use crate::run::{Finding, Health};

#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Form of the output
    #[arg(long, value_enum, default_value = "text")]
    format: Form,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    Text,
    Json,
}

impl Doctor {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        style::diagnostics(&project.warnings);
        let findings = options.runner(&project)?.doctor().await;
        match self.format {
            Form::Json => {
                let text = serde_json::to_string_pretty(&findings).map_err(|error| {
                    Error::internal("what was found cannot be written").caused_by(error)
                })?;
                style::out(&format!("{text}\n"));
            }
            Form::Text => style::out(&render(&findings)),
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
