//! `kilde diff [A] [B]`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::diff_page;
use super::format::Align::{Left, Right};
use super::format::{self, Columns};
use super::options::{JsonOptions, Options};
use super::page;
use super::style::{self, BAD, DOUBT, FAINT, GOOD, STRONG, styled};
use crate::catalog::{DifferentRow, RowChange, RowChanges};
use crate::error::{Error, Result};
use crate::name::ReleaseNumber;
use crate::plan::Selection;
use crate::project::Project;
use crate::run::{DiffRequest, ReleaseDiff, RowsAsked, TableDiff, TableDifference};

/// Rows of each kind shown of a table that was named.
const SAMPLE: usize = 10;
/// Columns counted in a line.
const MOST_COLUMNS: usize = 6;
/// Characters of a cell shown.
const MOST_CHARACTERS: usize = 40;

#[derive(Debug, Args)]
pub(super) struct Diff {
    /// The older release, then the newer one [default: the two newest; of one: it and the newest]
    #[arg(value_name = "RELEASE", num_args = 0..=2)]
    releases: Vec<u64>,
    /// Tables to compare, in dbt's grammar [default: all]
    #[arg(short, long, value_name = "SELECTION", num_args = 1..)]
    select: Vec<String>,
    /// Also compare rows, by the key of each table's contract; of one table, which shows some of them, or of all
    #[arg(long, value_name = "TABLE", num_args = 0..=1, default_missing_value = "")]
    rows: Option<String>,
    /// Rows of each kind to show [default: 10 where --rows names a table, else none]
    #[arg(long, value_name = "N", requires = "rows")]
    sample: Option<usize>,
    /// Show personal columns as they are
    #[arg(long, requires = "rows")]
    raw: bool,
    #[command(flatten)]
    json: JsonOptions,
    /// Write a page for people to a file: what changed, people, groups, key figures, what is held
    #[arg(long, value_name = "FILE", conflicts_with_all = ["rows", "json", "format"])]
    html: Option<PathBuf>,
}

impl Diff {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let runner = options.runner(&project)?;
        let mut request = self.request()?;
        if let Some(file) = &self.html {
            request.rows = RowsAsked::All;
            let page = runner.diff_page(&request).await?;
            page::write(file, &diff_page::render(&page, &project))?;
            if !options.quiet {
                style::out(&format!("{} written\n", file.display()));
            }
            return Ok(ExitCode::SUCCESS);
        }
        let diff = runner.diff(&request).await?;
        match self.json.is_asked() {
            true => style::out(&format::json(&diff)?),
            false => style::out(&render(&diff, &project)),
        }
        Ok(ExitCode::SUCCESS)
    }

    fn request(&self) -> Result<DiffRequest> {
        let mut releases = self.releases.clone();
        let mut rows = match self.rows.as_deref() {
            None => RowsAsked::Nobodys,
            Some("") => RowsAsked::All,
            Some(table) => RowsAsked::Of(table.to_string()),
        };
        // `--rows 41 42`: no table's name is a number
        if let RowsAsked::Of(word) = &rows
            && let Ok(number) = word.parse()
        {
            releases.insert(0, number);
            rows = RowsAsked::All;
        }
        if releases.len() > 2 {
            return Err(Error::config("two releases are compared, not three"));
        }
        let mut releases = releases.into_iter().map(ReleaseNumber);
        Ok(DiffRequest {
            before: releases.next(),
            now: releases.next(),
            selection: Selection::parse(&self.select, &[])?,
            sample: self.sample.unwrap_or(match rows {
                RowsAsked::Of(_) => SAMPLE,
                RowsAsked::Nobodys | RowsAsked::All => 0,
            }),
            rows,
            raw: self.raw,
        })
    }
}

fn render(diff: &ReleaseDiff, project: &Project) -> String {
    let mut text = head(diff, project);
    text.push_str(&tables(diff));
    text.push_str(&columns(diff));
    text.push_str(&rows(diff));
    text.push_str(&consents(diff));
    for table in &diff.different {
        text.push_str(&sample(table));
    }
    for table in &diff.different {
        if let Some(lost) = &table.lost {
            text.push_str(&format!(
                "{} {} is not compared in full: {lost}\n",
                styled(DOUBT, "lost"),
                table.table
            ));
        }
    }
    for held in &diff.held {
        text.push_str(&format!(
            "{} {}, since release {}: {}\n",
            styled(DOUBT, "held"),
            held.table,
            held.since,
            held.reason
        ));
    }
    text
}

fn head(diff: &ReleaseDiff, project: &Project) -> String {
    let moment = |at| format::moment(at, project.time_zone);
    let (before, now) = (&diff.before, &diff.now);
    format!(
        "{}   published {} → {} · as of {} → {}\n",
        styled(
            STRONG,
            format_args!("release {} → {}", before.release, now.release)
        ),
        moment(before.published_at),
        moment(now.published_at),
        format::as_of(&before.as_of, project.time_zone),
        format::as_of(&now.as_of, project.time_zone),
    )
}

fn tables(diff: &ReleaseDiff) -> String {
    if diff.different.is_empty() {
        return format!(
            "{}: nothing differs\n",
            format::plural(diff.tables, "table")
        );
    }
    let mut lines = Columns::new([Left, Left, Left, Right]);
    for table in &diff.different {
        let mark = match table.difference {
            TableDifference::Added => styled(GOOD, "+"),
            TableDifference::Removed => styled(BAD, "−"),
            TableDifference::Changed => "~".to_string(),
            TableDifference::SameRows => styled(FAINT, "="),
        };
        let unit = if table.rows == Some(1) { "row" } else { "rows" };
        let rows = format::before_and_after(table.rows_before, table.rows);
        lines.row(vec![
            mark,
            table.table.to_string(),
            match table.difference {
                TableDifference::Removed => "no longer in the release".to_string(),
                TableDifference::SameRows => {
                    format!("{rows} {unit}, the same; other words or files")
                }
                TableDifference::Added | TableDifference::Changed => format!("{rows} {unit}"),
            },
            format::relative(table.share),
        ]);
    }
    format!(
        "{} of {} {}\n{}",
        styled(STRONG, diff.different.len()),
        format::plural(diff.tables, "table"),
        if diff.different.len() == 1 {
            "differs"
        } else {
            "differ"
        },
        lines.render("  ")
    )
}

fn columns(diff: &ReleaseDiff) -> String {
    let mut lines = Columns::new([Left, Left]);
    for table in &diff.different {
        for change in &table.columns {
            lines.row(vec![table.table.to_string(), change.to_string()]);
        }
    }
    section("columns", &lines)
}

fn rows(diff: &ReleaseDiff) -> String {
    let mut lines = Columns::new([Left, Right, Right, Right, Left, Left]);
    for table in &diff.different {
        let Some(changes) = &table.row_changes else {
            continue;
        };
        let by_key = !changes.by.is_empty();
        lines.row(vec![
            table.table.to_string(),
            format!("+{}", format::count(changes.added)),
            format!("−{}", format::count(changes.removed)),
            match by_key {
                true => format!("~{}", format::count(changes.changed)),
                false => String::new(),
            },
            match by_key {
                true => format!("by {}", changes.by.join(", ")),
                false => "whole rows".to_string(),
            },
            changed_columns(changes),
        ]);
    }
    section("rows", &lines)
}

/// How many people agree, of purposes of which that changed.
fn consents(diff: &ReleaseDiff) -> String {
    let mut lines = Columns::new([Left, Left, Right]);
    for purpose in diff.consents.iter().filter(|one| one.before != one.now) {
        let moved = purpose.now as i64 - purpose.before as i64;
        lines.row(vec![
            purpose.name.clone(),
            format!(
                "{} agree",
                format::before_and_after(Some(purpose.before), Some(purpose.now))
            ),
            format::change(moved),
        ]);
    }
    section("consents", &lines)
}

/// `email 30, city 12, 3 more`: in how many of the changed rows.
fn changed_columns(changes: &RowChanges) -> String {
    let counted = changes.columns.iter().take(MOST_COLUMNS);
    let mut words: Vec<String> = counted
        .map(|column| format!("{} {}", column.column, format::count(column.rows)))
        .collect();
    let more = changes.columns.len().saturating_sub(MOST_COLUMNS);
    if more > 0 {
        words.push(format!("{more} more"));
    }
    words.join(", ")
}

fn sample(table: &TableDiff) -> String {
    let Some(changes) = &table.row_changes else {
        return String::new();
    };
    let mut text = String::new();
    for row in &changes.sample {
        text.push_str(&different_row(row));
    }
    if text.is_empty() {
        return text;
    }
    let title = format!("rows of {}", table.table);
    format!("{}\n{text}", styled(STRONG, title))
}

fn different_row(row: &DifferentRow) -> String {
    let named = row.row.iter();
    let named: Vec<String> = named
        .map(|(column, value)| format!("{column} {}", cell(value.as_deref())))
        .collect();
    let mark = match row.change {
        RowChange::Added => styled(GOOD, "+"),
        RowChange::Removed => styled(BAD, "−"),
        RowChange::Changed => "~".to_string(),
    };
    let times = match row.times {
        1 => String::new(),
        n => format!("  {} times", format::count(n)),
    };
    let mut text = format!("  {mark} {}{times}\n", named.join(", "));
    for changed in &row.cells {
        text.push_str(&format!(
            "      {}  {} → {}\n",
            changed.column,
            cell(changed.before.as_deref()),
            cell(changed.now.as_deref())
        ));
    }
    text
}

fn cell(value: Option<&str>) -> String {
    match value {
        Some(value) => format::cut(value, MOST_CHARACTERS),
        None => "∅".to_string(),
    }
}

fn section(title: &str, lines: &Columns) -> String {
    let lines = lines.render("  ");
    match lines.is_empty() {
        true => lines,
        false => format!("{}\n{lines}", styled(STRONG, title)),
    }
}
