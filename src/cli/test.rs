//! `kilde test`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::format;
use super::format::Align::Left;
use super::log;
use super::options::Options;
use super::progress::Progress;
use super::style::{self, BAD, FAINT, GOOD, STRONG, styled};
use crate::clock::Stopwatch;
use crate::error::{ErrorKind, Result};
use crate::plan::Selection;
use crate::quality::{Difference, RowDifference};
use crate::run::{UnitTestOutcome, UnitTestReport};

#[derive(Debug, Args)]
pub(super) struct Test {
    /// Steps to test, in dbt's grammar: gold.customers+ tag:nightly state:modified [default: all]
    #[arg(short, long, env = "KILDE_SELECT", value_name = "SELECTION", num_args = 1..)]
    select: Vec<String>,
    /// Steps to leave out, in the same grammar
    #[arg(long, env = "KILDE_EXCLUDE", value_name = "SELECTION", num_args = 1..)]
    exclude: Vec<String>,
}

impl Test {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let watch = Stopwatch::start();
        let project = Arc::new(options.project()?);
        let runner = options.runner(&project)?;
        let selection = Selection::parse(&self.select, &self.exclude)?;
        let progress = Progress::start(options.quiet);
        let reports = runner.test(&selection, &progress.listener()).await?;
        let failed = reports.iter().filter(|report| !report.has_passed()).count();
        for report in &reports {
            if log::is_json() {
                log::unit_test(report);
            } else if !(options.quiet && report.has_passed()) {
                style::out(&render(report));
            }
        }
        if !options.quiet {
            style::told(&foot(reports.len(), failed, watch.elapsed().as_secs_f64()));
        }
        Ok(match failed {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::from(ErrorKind::Quality.exit_code()),
        })
    }
}

fn foot(all: usize, failed: usize, seconds: f64) -> String {
    if all == 0 {
        return "no unit tests: write `unit_tests:` in a step's schema file\n".to_string();
    }
    let failures = match failed {
        0 => String::new(),
        n => format!(", {}", styled(BAD, format_args!("{n} failed"))),
    };
    format!(
        "{} passed{failures} · {}\n",
        format::plural((all - failed) as u64, "unit test"),
        format::seconds(seconds)
    )
}

/// One line for a test that passed; for one that did not, what differs below it.
pub(super) fn render(report: &UnitTestReport) -> String {
    let mark = match report.has_passed() {
        true => styled(GOOD, "✓"),
        false => styled(BAD, "✗"),
    };
    let head = format!(
        "{mark} {} {}   {}\n",
        styled(STRONG, &report.table),
        report.name,
        styled(FAINT, &report.declared_at)
    );
    match &report.outcome {
        UnitTestOutcome::Passed => head,
        UnitTestOutcome::Failed(reason) => format!("{head}    {reason}\n"),
        UnitTestOutcome::Differs(difference) => format!("{head}{}", table(difference)),
    }
}

/// `~` rows came out otherwise (expected → got), `-` rows are missing, `+` rows are too many.
fn table(difference: &Difference) -> String {
    let mut columns = format::Columns::new(vec![Left; difference.columns.len() + 2]);
    let mut head = vec![String::new()];
    head.extend(difference.columns.iter().cloned());
    head.push(String::new());
    columns.row(head);
    let texts = |cells: &[Option<String>]| cells.iter().map(text).collect::<Vec<_>>();
    for row in &difference.rows {
        let (mark, cells, note) = match row {
            RowDifference::Missing(cells) => (styled(BAD, "-"), texts(cells), "missing"),
            RowDifference::Extra(cells) => (styled(BAD, "+"), texts(cells), "not expected"),
            RowDifference::Changed { expected, got } => {
                let cells = expected.iter().zip(got).map(|(expected, got)| {
                    if expected == got {
                        text(expected)
                    } else {
                        styled(BAD, format_args!("{} → {}", text(expected), text(got)))
                    }
                });
                (styled(BAD, "~"), cells.collect(), "expected → got")
            }
        };
        let mut line = vec![mark];
        line.extend(cells);
        line.push(note.to_string());
        columns.row(line);
    }
    columns.render("    ")
}

fn text(cell: &Option<String>) -> String {
    match cell {
        None => "∅".to_string(),
        Some(text) => text.replace(['\n', '\r'], "⏎"),
    }
}
