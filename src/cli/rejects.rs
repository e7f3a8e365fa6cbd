//! `kilde rejects [TABLE]`, `kilde rejects replay TABLE`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::exports::{self, Who};
use super::format::Align::{Left, Right};
use super::format::{self, Columns};
use super::options::Options;
use super::rows::{self, RowFormat};
use super::style::{self, STRONG, styled};
use crate::catalog::{RejectGroup, View};
use crate::error::Result;
use crate::name::TableName;
use crate::run::{DecisionRequest, Verb};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Rejects {
    #[command(subcommand)]
    command: Option<Command>,
    /// The source's table, short where unique; without one, every source
    table: Option<String>,
    /// Release to read [default: the newest]
    #[arg(long, value_name = "N", conflicts_with = "candidate")]
    release: Option<u64>,
    /// Read the rejects of a run that failed, or that held the source
    #[arg(long, value_name = "RUN")]
    candidate: Option<String>,
    /// Write every record with its text to a file: personal data as delivered
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Print the reasons as JSON
    #[arg(long, conflicts_with = "csv")]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read the exports with rejects again with the next build, under the contract of now, and no others
    Replay(Replay),
}

#[derive(Debug, Args)]
struct Replay {
    /// The source's table, short where unique
    table: String,
    /// The reason, for those who look later
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    #[command(flatten)]
    who: Who,
}

impl Replay {
    async fn run(self, options: &Options) -> Result<ExitCode> {
        let request = DecisionRequest {
            verb: Verb::Replay,
            undo: false,
            names: vec![self.table],
            why: self.why,
            by: self.who.name()?,
        };
        exports::decide(&request, options).await
    }
}

impl Rejects {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        if let Some(Command::Replay(replay)) = self.command {
            return replay.run(options).await;
        }
        let project = Arc::new(options.project()?);
        let catalog = options.catalog(&project)?;
        let view = View::of(self.release, self.candidate);
        let wanted = match &self.table {
            Some(name) => vec![project.source(name)?],
            None => project.sources.keys().cloned().collect(),
        };
        if let Some(file) = &self.csv {
            let rows = catalog.rows(&records_sql(&wanted), &view).await?;
            rows::print(rows, RowFormat::Csv, Some(file)).await?;
            return Ok(ExitCode::SUCCESS);
        }
        let groups = catalog.rejects(&view).await?;
        if self.json {
            let wanted =
                |group: &&RejectGroup| wanted.iter().any(|t| t.to_string() == group.source);
            let groups: Vec<&RejectGroup> = groups.iter().filter(wanted).collect();
            style::out(&format::json(&groups)?);
            return Ok(ExitCode::SUCCESS);
        }
        let totals = catalog.record_counts(&view).await?;
        let mut has_rejects = false;
        for table in wanted {
            let mine: Vec<&RejectGroup> = groups
                .iter()
                .filter(|group| group.source == table.to_string())
                .collect();
            has_rejects |= !mine.is_empty();
            let rejected: u64 = mine.iter().map(|group| group.records).sum();
            let records = totals.get(&table.to_string()).copied().unwrap_or(0);
            style::out(&format!(
                "{}  {} of {} records rejected, {}\n",
                styled(STRONG, &table),
                format::count(rejected),
                format::count(records),
                format::share(rejected, records),
            ));
            let mut columns = Columns::new([Right, Left, Left, Left]);
            for group in mine {
                columns.row(vec![
                    format::count(group.records),
                    group.reason.clone(),
                    match group.files {
                        1 => String::new(),
                        n => format!("in {} exports", format::count(n)),
                    },
                    match group.records {
                        1 => format!("{}:{}", group.first_file, group.first_line),
                        _ => format!("first {}:{}", group.first_file, group.first_line),
                    },
                ]);
            }
            style::out(&columns.render("  "));
        }
        if !has_rejects {
            return Ok(ExitCode::SUCCESS);
        }
        let of_run = match &view {
            View::Candidates(run) => format!("--candidate {run} "),
            View::Newest | View::Release(_) => String::new(),
        };
        style::out(&format!(
            "help: every record with its text: `--csv FILE`, or kilde query {of_run}\"select * from ops.rejects\"\n"
        ));
        Ok(ExitCode::SUCCESS)
    }
}

/// Every reject of these sources, in order of place.
fn records_sql(sources: &[TableName]) -> String {
    if sources.is_empty() {
        return "select * from ops.rejects where false".to_string();
    }
    // names of tables hold no quote
    let names: Vec<String> = sources.iter().map(|name| format!("'{name}'")).collect();
    format!(
        "select * from ops.rejects where source in ({}) order by source, file, line, byte",
        names.join(", ")
    )
}
