//! `kilde maintain`

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::format::Align::{Left, Right};
use super::format::{self, Columns};
use super::options::{Options, duration};
use super::style::{self, DOUBT, FAINT, STRONG, styled};
use crate::error::{Error, Result};
use crate::name::TableName;
use crate::project::Project;
use crate::run::{MaintainReport, MaintainRequest};

#[derive(Debug, Args)]
pub(super) struct Maintain {
    /// Only say what would be done, and how much space it gives back
    #[arg(long)]
    dry_run: bool,
    /// Begin nothing new after so long, such as 5m [default: as long as it takes]
    #[arg(long, env = "KILDE_BUDGET", value_name = "TIME", value_parser = duration)]
    budget: Option<Duration>,
    /// Also give up the rows of a table that left the project; may be repeated
    #[arg(long, value_name = "TABLE", value_delimiter = ',')]
    drop: Vec<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Maintain {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let runner = options.runner(&project)?;
        let request = MaintainRequest {
            dry_run: self.dry_run,
            budget: self.budget,
            drop: self
                .drop
                .iter()
                .map(|name| table(name))
                .collect::<Result<_>>()?,
            is_after_build: false,
        };
        let report = runner.maintain(&request).await?;
        if self.json {
            style::out(&format::json(&report)?);
        } else if !options.quiet {
            style::out(&render(&report, &project));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn table(name: &str) -> Result<TableName> {
    name.parse().map_err(|reason: String| {
        Error::config(format!("--drop: {reason}")).help("write the whole name: `gold.old_segments`")
    })
}

/// What was done, for `kilde maintain` and at the end of a build.
pub(super) fn render(report: &MaintainReport, project: &Project) -> String {
    let mut text = format!(
        "{}   releases {} to {} are kept ({})",
        styled(
            STRONG,
            if report.is_dry_run {
                "would do"
            } else {
                "maintained"
            }
        ),
        report.oldest_kept,
        report.newest,
        project.keep,
    );
    if report.retired > 0 {
        let verb = if report.is_dry_run { "would be" } else { "was" };
        let verb = if report.retired > 1 && verb == "was" {
            "were"
        } else {
            verb
        };
        text.push_str(&format!(
            ", {} {verb} retired",
            format::plural(report.retired, "release")
        ));
    }
    text.push('\n');
    text.push_str(&compacted(report));
    for table in &report.dropped {
        text.push_str(&format!(
            "  {table}: its rows {} once no kept release has them\n",
            if report.is_dry_run { "would go" } else { "go" }
        ));
    }
    if let Some(release) = report.release {
        text.push_str(&format!("  release {release} published: the same rows\n"));
    }
    if !report.checkpoints.is_empty() {
        text.push_str(&format!(
            "  {} written\n",
            format::plural(report.checkpoints.len() as u64, "checkpoint")
        ));
    }
    if report.misleading > 0 {
        text.push_str(&format!(
            "  {} of tables' logs that other readers stumble over, deleted\n",
            format::plural(report.misleading, "object")
        ));
    }
    text.push_str(&freed(report));
    if report.orphans > 0 {
        text.push_str(&format!(
            "  {} left by runs that published nothing, {}\n",
            format::plural(report.orphans, "file"),
            format::bytes(report.orphan_bytes)
        ));
    }
    if report.records > 0 {
        text.push_str(&format!(
            "  {} of retired releases and old runs\n",
            format::plural(report.records, "record")
        ));
    }
    if report.is_dry_run {
        for table in &report.droppable {
            text.push_str(&format!(
                "  {} left the project: `--drop {}` gives up its {}\n",
                table.table,
                table.table,
                format::bytes(table.bytes)
            ));
        }
    }
    if !report.has_news() {
        text.push_str(&format!("  {}\n", styled(FAINT, "nothing to do")));
    }
    for note in &report.notes {
        text.push_str(&format!("{} {note}\n", styled(DOUBT, "!")));
    }
    text
}

fn compacted(report: &MaintainReport) -> String {
    let mut columns = Columns::new([Left, Left, Right]);
    for table in &report.compacted {
        let before = format::plural(table.files_before, "small file");
        columns.row(vec![
            table.table.to_string(),
            match table.files {
                Some(files) => format!("{before} → {}", format::count(files)),
                None => before,
            },
            format::bytes(table.bytes),
        ]);
    }
    columns.render("  ")
}

fn freed(report: &MaintainReport) -> String {
    if report.freed.is_empty() {
        return String::new();
    }
    let bytes: u64 = report.freed.iter().map(|table| table.bytes).sum();
    let mut text = format!(
        "{}   {} of {}\n",
        styled(
            STRONG,
            if report.is_dry_run {
                "would free"
            } else {
                "freed"
            }
        ),
        format::bytes(bytes),
        format::plural(report.freed.len() as u64, "table"),
    );
    let mut columns = Columns::new([Left, Right, Right]);
    for table in &report.freed {
        columns.row(vec![
            table.table.to_string(),
            format::plural(table.files, "file"),
            format::bytes(table.bytes),
        ]);
    }
    text.push_str(&columns.render("  "));
    text
}
