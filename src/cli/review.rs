//! `kilde review [TABLE]`

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::format::Align::Left;
use super::format::{self, Columns};
use super::options::{Options, as_of};
use super::{page, review_page, style};
use crate::error::Result;
use crate::run::{Review as Queue, ReviewPair};
use crate::text::{guarded, guarded_key};

/// Pairs shown on a terminal.
const SHOWN: usize = 20;

#[derive(Debug, Args)]
pub(super) struct Review {
    /// The table of the ids, short where unique [default: that of the only match step]
    table: Option<String>,
    /// Instead of what waits, draw a random sample of so many pairs, some from every band of weights: what people say of it tells
    /// `match evaluate` how right the match is
    #[arg(long, value_name = "PAIRS", value_parser = clap::value_parser!(u16).range(1..))]
    sample: Option<u16>,
    /// Write a spreadsheet with a column for the decision; filled in, it is an export of the decisions' table
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write a page on which to decide, pair by pair; it saves such a spreadsheet
    #[arg(long, value_name = "FILE", conflicts_with = "csv")]
    html: Option<PathBuf>,
}

impl Review {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let table = self.table.as_deref().map(|name| project.table(name));
        let table = table.transpose()?;
        let runner = options.runner(&project)?;
        let as_of = as_of(None, &runner)?;
        let queue = runner
            .review(table.as_ref(), self.sample.map(usize::from), as_of)
            .await?;
        let written = match (&self.csv, &self.html) {
            (Some(file), _) => Some((file, spreadsheet(&queue))),
            (None, Some(file)) => Some((file, review_page::render(&queue, &project))),
            (None, None) => None,
        };
        match written {
            Some((file, text)) => {
                page::write(file, &text)?;
                if !options.quiet {
                    let pairs = format::plural(queue.pairs.len() as u64, "pair");
                    style::out(&format!(
                        "{} written: {pairs} to decide on\n",
                        file.display()
                    ));
                }
            }
            None => style::out(&list(&queue)),
        }
        if queue.decisions.is_none() && !options.quiet {
            style::note(&format!(
                "`{}` reads no decisions yet: declare their table as an `append` source and name it in `decisions:` \
                 (docs/identity.md)\n",
                queue.table
            ));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The pairs by their keys: what speaks for and against them is for those who have decided.
fn list(queue: &Queue) -> String {
    let mut text = format!(
        "{}: {} to decide on, release {}\n",
        queue.table,
        format::plural(queue.pairs.len() as u64, "pair"),
        queue.release
    );
    let mut columns = Columns::new([Left, Left, Left]);
    for pair in queue.pairs.iter().take(SHOWN) {
        columns.row(vec![
            pair.one.key.join(":"),
            pair.other.key.join(":"),
            pair.reason.clone(),
        ]);
    }
    text.push_str(&columns.render("  "));
    if queue.pairs.len() > SHOWN {
        text.push_str(&format!("  and {} more\n", queue.pairs.len() - SHOWN));
    }
    if !queue.pairs.is_empty() {
        text.push_str(
            "`--html FILE` writes a page on which to decide, `--csv FILE` a spreadsheet\n",
        );
    }
    text
}

/// The names of the columns of decisions, in order.
pub(super) fn decision_header(queue: &Queue) -> Vec<String> {
    let key = queue.key.iter();
    let mut header: Vec<String> = key.clone().cloned().collect();
    header.extend(key.map(|column| format!("other_{column}")));
    header.extend(["decision", "decided_by", "decided_on", "note"].map(String::from));
    header
}

/// One line for each pair, what is to be filled in empty, then the two records column by column; no weights, and nothing that a
/// spreadsheet computes.
fn spreadsheet(queue: &Queue) -> String {
    let mut header = decision_header(queue);
    for column in &queue.columns {
        header.push(column.clone());
        header.push(format!("other {column}"));
    }
    // with the mark a spreadsheet reads UTF-8
    let mut text = format!("\u{feff}{}", line(&header));
    for pair in &queue.pairs {
        text.push_str(&line(&cells(pair)));
    }
    text
}

fn cells(pair: &ReviewPair) -> Vec<String> {
    let keys = pair.one.key.iter().chain(&pair.other.key);
    let mut cells: Vec<String> = keys.map(|key| guarded_key(key).into_owned()).collect();
    cells.extend(std::iter::repeat_n(String::new(), 4));
    for (one, other) in pair.one.values.iter().zip(&pair.other.values) {
        let value = |value: &Option<String>| guarded(value.as_deref().unwrap_or("")).into_owned();
        cells.extend([one, other].map(value));
    }
    cells
}

/// A line of CSV (RFC 4180).
fn line(cells: &[String]) -> String {
    let quoted = cells
        .iter()
        .map(|cell| match cell.contains(['"', ',', '\n', '\r']) {
            true => format!("\"{}\"", cell.replace('"', "\"\"")),
            false => cell.clone(),
        });
    let mut line = quoted.collect::<Vec<_>>().join(",");
    line.push_str("\r\n");
    line
}
