//! `kilde ls`

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;

use super::format::Align::{Left, Right};
use super::format::{self, Columns};
use super::options::Options;
use super::style::{self, DOUBT, STRONG, styled};
use crate::error::Result;
use crate::name::ReleaseNumber;
use crate::plan::{ListedTable, Selection};
use crate::project::{Exposure, Owner, Project};
use crate::release::Release;

/// Characters of a description, or of a list of readers, in a line.
const MOST_CHARACTERS: usize = 60;

#[derive(Debug, Args)]
pub(super) struct Ls {
    /// Tables to list, in dbt's grammar, a schema among it: gold tag:nightly gold.customers+ [default: all]
    selection: Vec<String>,
    /// The same selection as a flag
    #[arg(short, long, value_name = "SELECTION", num_args = 1..)]
    select: Vec<String>,
    /// Also how fresh each is, who owns it, who reads it, and whether it is held
    #[arg(short, long)]
    long: bool,
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

/// A table, for those who want to read it.
#[derive(Debug, Serialize)]
struct Entry {
    table: String,
    kind: String,
    grain: Option<String>,
    description: Option<String>,
    owner: Option<String>,
    owner_email: Option<String>,
    tags: Vec<String>,
    /// Steps of the project.
    read_by: Vec<String>,
    /// Readers outside of it.
    exposures: Vec<Reader>,
    rows: Option<u64>,
    bytes: Option<u64>,
    /// Version in its Delta log.
    version: Option<u64>,
    /// The release whose build last changed it, and when that was published.
    changed_in: Option<u64>,
    changed_at: Option<DateTime<Utc>>,
    /// Why it is held at an older version.
    held: Option<String>,
}

/// Who reads a table outside of the project.
#[derive(Debug, Serialize)]
struct Reader {
    name: String,
    owner: Option<String>,
    owner_email: Option<String>,
    url: Option<String>,
}

impl Reader {
    fn of(exposure: &Exposure) -> Self {
        let owner = exposure.owner.as_ref();
        Self {
            name: exposure.name.clone(),
            owner: owner.map(|owner| owner.name.clone()),
            owner_email: owner.and_then(|owner| owner.email.clone()),
            url: exposure.url.clone(),
        }
    }
}

impl Ls {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let runner = options.runner(&project)?;
        let words = [self.selection.as_slice(), &self.select].concat();
        let listed = runner.list(&Selection::parse(&words, &[])?).await?;
        let changes = match &listed.release {
            Some(release) if self.long || self.json => runner.change_times(release).await?,
            _ => BTreeMap::new(),
        };
        let entries: Vec<Entry> = listed
            .tables
            .iter()
            .map(|table| entry(table, &project, listed.release.as_ref(), &changes))
            .collect();
        if self.json {
            style::out(&format::json(&entries)?);
        } else if self.long {
            style::out(&long(&entries, runner.clock.now()));
        } else {
            style::out(&short(&entries));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn entry(
    table: &ListedTable,
    project: &Project,
    release: Option<&Release>,
    changes: &BTreeMap<ReleaseNumber, DateTime<Utc>>,
) -> Entry {
    let contract = project.contracts.get(&table.name);
    let published = release.and_then(|release| release.table(&table.name));
    let held = release.and_then(|release| release.held.get(&table.name));
    let owner = owner(table, project);
    Entry {
        table: table.name.to_string(),
        kind: table.kind.to_string(),
        grain: contract.and_then(|contract| contract.grain.clone()),
        description: contract.and_then(|contract| contract.description.clone()),
        owner: owner.map(|owner| owner.name.clone()),
        owner_email: owner.and_then(|owner| owner.email.clone()),
        tags: project.tags(&table.name),
        read_by: table.readers.iter().map(ToString::to_string).collect(),
        exposures: project
            .readers_outside(&table.name)
            .map(Reader::of)
            .collect(),
        rows: published.map(|entry| entry.facts.rows),
        bytes: published.map(|entry| entry.facts.bytes),
        version: published.and_then(|entry| entry.version),
        changed_in: published.map(|entry| entry.written_in.0),
        changed_at: published.and_then(|entry| changes.get(&entry.written_in).copied()),
        held: held.map(|held| format!("since release {}: {}", held.since, held.reason)),
    }
}

/// The table's own, else its pipeline's.
fn owner<'a>(table: &ListedTable, project: &'a Project) -> Option<&'a Owner> {
    let own = project.contracts.get(&table.name);
    let own = own.and_then(|contract| contract.owner.as_ref());
    own.or_else(|| project.pipeline_of(&table.name)?.owner.as_ref())
}

fn short(entries: &[Entry]) -> String {
    let mut columns = Columns::new([Left, Left, Right, Right, Left]);
    for entry in entries {
        let words = entry.grain.as_ref().or(entry.description.as_ref());
        columns.row(vec![
            entry.table.clone(),
            entry.kind.clone(),
            entry
                .rows
                .map_or_else(String::new, |rows| format!("{} rows", format::count(rows))),
            entry.bytes.map_or_else(String::new, format::bytes),
            words.cloned().unwrap_or_default(),
        ]);
    }
    columns.render("")
}

fn long(entries: &[Entry], now: DateTime<Utc>) -> String {
    let head = [
        "table",
        "grain",
        "rows",
        "changed",
        "owner",
        "description",
        "read by",
        "held",
    ];
    let mut columns = Columns::new([Left, Left, Right, Right, Left, Left, Left, Left]);
    columns.row(head.map(|word| styled(STRONG, word)).to_vec());
    for entry in entries {
        let text = |text: &Option<String>| {
            format::cut(text.as_deref().unwrap_or_default(), MOST_CHARACTERS)
        };
        columns.row(vec![
            entry.table.clone(),
            text(&entry.grain),
            entry.rows.map_or_else(String::new, format::count),
            entry
                .changed_at
                .map_or_else(String::new, |at| format!("{} ago", format::age(now - at))),
            text(&entry.owner),
            text(&entry.description),
            format::cut(&read_by(entry), MOST_CHARACTERS),
            match &entry.held {
                Some(held) => styled(DOUBT, held),
                None => String::new(),
            },
        ]);
    }
    columns.render("")
}

/// People first: they cannot be found by reading the SQL.
fn read_by(entry: &Entry) -> String {
    let outside = entry.exposures.iter().map(|reader| reader.name.as_str());
    let all: Vec<&str> = outside
        .chain(entry.read_by.iter().map(String::as_str))
        .collect();
    all.join(", ")
}
