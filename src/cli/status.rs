//! `kilde status`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::format;
use super::format::Align::{Left, Right};
use super::held;
use super::options::Options;
use super::style::{self, BAD, DOUBT, FAINT, STRONG, styled};
use crate::error::Result;
use crate::name::RunId;
use crate::project::Project;
use crate::release::{Builder, Lake};
use crate::run::{KeptReport, RunReport};

#[derive(Debug, Args)]
pub(super) struct Status {}

/// Runs shown.
const RUNS: usize = 7;

/// The last runs with what the lake has of their reports, the newest first.
async fn last_runs(lake: &Lake) -> Result<Vec<(RunId, KeptReport)>> {
    let mut last = Vec::new();
    for run in lake.run_reports().await?.into_iter().rev().take(RUNS) {
        let report = KeptReport::of(&run, lake).await?;
        last.push((run, report));
    }
    Ok(last)
}

/// How exports have differed from their contracts and were taken all the same, as a run reports it.
fn drift(report: &RunReport) -> String {
    let mut text = String::new();
    for source in &report.sources {
        let mut words: Vec<String> = source.drift.iter().cloned().collect();
        match source.ignored_columns.len() {
            0 => {}
            1 => words.push("1 column that its contract does not know is ignored".to_string()),
            n => words.push(format!(
                "{n} columns that its contract does not know are ignored"
            )),
        }
        if !words.is_empty() {
            let line = format!("  · {}  drift: {}", source.table, words.join(", "));
            text.push_str(&format!("{}\n", styled(FAINT, line)));
        }
    }
    text
}

/// The last runs, a line for each.
fn runs(last: &[(RunId, KeptReport)], project: &Project) -> String {
    let mut columns = format::Columns::new([Left, Left, Right, Left]);
    for (run, report) in last {
        columns.row(match report {
            KeptReport::Gone => continue,
            KeptReport::Unreadable(_) => vec![
                run.to_string(),
                "?".into(),
                String::new(),
                "unreadable report".into(),
            ],
            KeptReport::Whole(report) => vec![
                run.to_string(),
                format::moment(report.started_at, project.time_zone),
                format::seconds(report.seconds),
                match (&report.release, &report.failure) {
                    (Some(release), _) => format!("release {release}"),
                    (None, Some(failure)) => styled(BAD, failure),
                    (None, None) => "nothing to publish".to_string(),
                },
            ],
        });
    }
    format!("last runs\n{}", columns.render("  "))
}

impl Status {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let catalog = options.catalog(&project)?;
        let lake = catalog.lake();
        let status = lake.status().await?;
        let mut text = match status.newest {
            None => "no release yet\n".to_string(),
            Some(number) => {
                let release = lake.release(number).await?;
                let head = format!(
                    "{}, published {} · as of {} · {}\n",
                    styled(STRONG, format_args!("release {number}")),
                    format::moment(release.published_at, project.time_zone),
                    format::as_of(&release.as_of, project.time_zone),
                    format::plural(release.tables_of_project().count() as u64, "table"),
                );
                head + &held::of_release(&release)
            }
        };
        if let Some(pause) = &status.pause {
            text.push_str(&format!(
                "{}: {}; builds wait for `kilde resume`\n",
                styled(DOUBT, "paused"),
                pause.reason
            ));
        }
        if let Some(unsettled) = status.unsettled {
            text.push_str(&format!(
                "{}: release {unsettled} is decided and not yet seen; the next build finishes it, `kilde doctor` tells whether it can\n",
                styled(DOUBT, "unsettled"),
            ));
        }
        if let Some(claim) = &status.open_claim {
            let (run, since) = (&claim.run, format::moment(claim.since, project.time_zone));
            text.push_str(&match lake.builder(claim).await? {
                Builder::AtWork => format!("run {run} is at work since {since}\n"),
                Builder::Dead => format!(
                    "{}: run {run}, begun {since}, died; nothing was published, and the next build takes over\n",
                    styled(DOUBT, "dead")
                ),
                Builder::Unknown => format!(
                    "run {run} holds the lake since {since}: it builds, or was killed; a build that has work takes over from a dead one\n"
                ),
            });
        }
        let runner = options.runner(&project)?;
        for overdue in runner.overdue(&catalog).await? {
            text.push_str(&held::overdue_line(&overdue));
        }
        text.push_str(&held::unreadable(&runner.unreadable(&catalog).await?));
        let last = last_runs(lake).await?;
        if let Some((_, KeptReport::Whole(newest))) = last.first() {
            text.push_str(&drift(newest));
        }
        text.push_str(&runs(&last, &project));
        style::out(&text);
        Ok(ExitCode::SUCCESS)
    }
}
