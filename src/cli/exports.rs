//! `kilde exports [TABLE]`, and `skip`, `retract`, `reload`

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;

use chrono_tz::Tz;
use clap::{Args, Subcommand};

use super::format::Align::{Left, Right};
use super::format::{self, Columns};
use super::options::Options;
use super::style::{self, BAD, DOUBT, FAINT, GOOD, STRONG, styled};
use crate::diagnostic::printable;
use crate::error::{Error, Result};
use crate::run::{
    Decided, DecisionRequest, ExportStatus, Exports as Found, ListedExport, SourceExports, Verb,
};

/// Files that no source matches, before the rest is counted.
const LISTED: usize = 20;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Exports {
    #[command(subcommand)]
    command: Option<Command>,
    /// The source's table, short where unique: each of its exports [default: of every source what is not simply loaded]
    table: Option<String>,
    /// List each export of every source
    #[arg(long)]
    all: bool,
    /// Read every export that is known to see whether its content changed, whatever its size and times say
    #[arg(long)]
    verify: bool,
    /// Print all that is known as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Keep exports from being read
    Skip(Decision),
    /// Take the rows of loaded exports out of their table with the next build
    Retract(Decision),
    /// Read exports, or all of a table, again with the next build, under the present contract
    Reload(Reload),
}

#[derive(Debug, Args)]
struct Decision {
    /// Paths, as `kilde exports` lists them or on this machine
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The reason, for those who look later
    #[arg(long, value_name = "TEXT", required_unless_present = "undo")]
    why: Option<String>,
    /// Take the decision back: they count again
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, Args)]
struct Reload {
    /// Paths, or the tables of sources
    #[arg(required = true, value_name = "FILE|TABLE")]
    names: Vec<String>,
    /// The reason, for those who look later
    #[arg(long, value_name = "TEXT")]
    why: Option<String>,
    /// Take the wish back, if no build has followed it yet
    #[arg(long)]
    undo: bool,
    #[command(flatten)]
    who: Who,
}

#[derive(Debug, Args)]
pub(super) struct Who {
    /// Who decides [default: the user of this machine]
    #[arg(long, env = "KILDE_BY", value_name = "NAME")]
    by: Option<String>,
}

impl Who {
    pub(super) fn name(self) -> Result<String> {
        let of_machine = || {
            let names = ["USER", "LOGNAME", "USERNAME"];
            names.iter().find_map(|name| std::env::var(name).ok())
        };
        let name = self.by.or_else(of_machine).or_else(user_of_process);
        name.filter(|name| !name.trim().is_empty()).ok_or_else(|| {
            Error::config("nobody knows who decides this")
                .help("say it with `--by NAME`, or set KILDE_BY")
        })
    }
}

/// Of a container, whose environment names nobody: the name of the user as whom this process runs, or the number.
#[cfg(target_os = "linux")]
fn user_of_process() -> Option<String> {
    use std::os::unix::fs::MetadataExt;
    let number = std::fs::metadata("/proc/self").ok()?.uid().to_string();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_string())
    });
    Some(name.unwrap_or_else(|| format!("user {number}")))
}

#[cfg(not(target_os = "linux"))]
fn user_of_process() -> Option<String> {
    None
}

impl Exports {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        match self.command {
            Some(Command::Skip(decision)) => decision.run(Verb::Skip, options).await,
            Some(Command::Retract(decision)) => decision.run(Verb::Retract, options).await,
            Some(Command::Reload(reload)) => reload.run(options).await,
            None => self.list(options).await,
        }
    }

    async fn list(self, options: &Options) -> Result<ExitCode> {
        let project = Arc::new(options.project()?);
        let table = match &self.table {
            Some(name) => Some(project.source(name)?),
            None => None,
        };
        let runner = options.runner(&project)?.verifying_exports(self.verify);
        let found = runner.exports(table.as_ref()).await?;
        if self.json {
            style::out(&format::json(&found)?);
        } else {
            let each = self.all || table.is_some();
            style::out(&render(&found, each, project.time_zone));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Decision {
    async fn run(self, verb: Verb, options: &Options) -> Result<ExitCode> {
        let request = DecisionRequest {
            verb,
            undo: self.undo,
            names: self.files,
            why: self.why,
            by: self.who.name()?,
        };
        decide(&request, options).await
    }
}

impl Reload {
    async fn run(self, options: &Options) -> Result<ExitCode> {
        let request = DecisionRequest {
            verb: Verb::Reload,
            undo: self.undo,
            names: self.names,
            why: self.why,
            by: self.who.name()?,
        };
        decide(&request, options).await
    }
}

pub(super) async fn decide(request: &DecisionRequest, options: &Options) -> Result<ExitCode> {
    let project = Arc::new(options.project()?);
    let runner = options.runner(&project)?;
    let decided = runner.decide(request).await?;
    if !options.quiet {
        style::told(&told(request, &decided));
    }
    if let Some(lost) = &decided.lost {
        style::warning(&format!(
            "{lost}; this one stands in the missing place now, and builds go on: decide once more what else was said"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn told(request: &DecisionRequest, decided: &Decided) -> String {
    let done = match (request.verb, request.undo) {
        (Verb::Skip, false) => "skipped: no build reads it until `--undo`",
        (Verb::Retract, false) => "retracted: its rows leave with the next build",
        (Verb::Reload, false) => "the next build reads it again",
        (Verb::Replay, false) => "the next build reads it again: what is good now joins the table",
        (Verb::Reload | Verb::Replay, true) => "not to be read again",
        (_, true) | (Verb::Undo, false) => "counts again with the next build",
    };
    let mut text = String::new();
    for export in &decided.exports {
        let path = printable(&export.path);
        text.push_str(&format!("{}  {path}  {done}\n", export.source));
    }
    for source in &decided.sources {
        let done = match request.undo {
            false => "the next build reads every export again that is there",
            true => done,
        };
        text.push_str(&format!("{source}  {done}\n"));
    }
    for (export, why) in &decided.left {
        text.push_str(&format!(
            "{} {}  {}  left as it is: {why}\n",
            styled(DOUBT, "!"),
            export.source,
            printable(&export.path)
        ));
    }
    for heir in &decided.heirs {
        text.push_str(&format!(
            "{} {}  has the same content and counts in its place: decide the same about it, if the content is wrong\n",
            styled(DOUBT, "!"),
            printable(&heir.path)
        ));
    }
    text
}

fn render(found: &Found, each: bool, zone: Tz) -> String {
    let mut text = String::new();
    for source in &found.sources {
        text.push_str(&head(source));
        if let Some(overdue) = &source.overdue {
            text.push_str(&format!("  {} {overdue}\n", styled(DOUBT, "!")));
        }
        let mut columns = Columns::new([Left, Left, Right, Right, Right, Right, Left, Left, Left]);
        for export in source
            .exports
            .iter()
            .filter(|export| each || !is_settled(export))
        {
            columns.row(row(export, zone));
        }
        text.push_str(&columns.render("  "));
    }
    if !found.unmatched.is_empty() {
        let count = found.unmatched.len() as u64;
        text.push_str(&format!(
            "{} that no source matches\n",
            styled(STRONG, format::plural(count, "file"))
        ));
        let mut columns = Columns::new([Left, Right, Left]);
        for file in found.unmatched.iter().take(LISTED) {
            columns.row(vec![
                printable(&file.path).into_owned(),
                format::bytes(file.bytes),
                format::moment(file.modified_at, zone),
            ]);
        }
        text.push_str(&columns.render("  "));
        if found.unmatched.len() > LISTED {
            let rest = found.unmatched.len() - LISTED;
            text.push_str(&format!("  and {rest} more: `--json` lists all\n"));
        }
    }
    if !found.unreadable.is_empty() {
        let count = found.unreadable.len() as u64;
        text.push_str(&format!(
            "{} that cannot be read and no source needs\n",
            styled(STRONG, format::plural(count, "file"))
        ));
        let mut columns = Columns::new([Left, Left]);
        for file in found.unreadable.iter().take(LISTED) {
            columns.row(vec![
                printable(&file.path).into_owned(),
                file.reason.clone(),
            ]);
        }
        text.push_str(&columns.render("  "));
    }
    text
}

/// `bronze.nps  3 exports: 2 loaded, 1 refused`.
fn head(source: &SourceExports) -> String {
    let mut counts: BTreeMap<ExportStatus, u64> = BTreeMap::new();
    for export in &source.exports {
        *counts.entry(export.status).or_default() += 1;
    }
    let table = styled(STRONG, &source.table);
    if counts.is_empty() {
        return format!("{table}  no export\n");
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|(status, count)| format!("{} {}", format::count(*count), status.name()))
        .collect();
    format!(
        "{table}  {}: {}\n",
        format::plural(source.exports.len() as u64, "export"),
        parts.join(", ")
    )
}

/// Whether nobody needs to know more of it.
fn is_settled(export: &ListedExport) -> bool {
    match export.status {
        ExportStatus::Loaded => export.decision.is_none(),
        ExportStatus::Duplicate | ExportStatus::Adopted => true,
        _ => false,
    }
}

fn row(export: &ListedExport, zone: Tz) -> Vec<String> {
    let style = match export.status {
        ExportStatus::New | ExportStatus::Changed => GOOD,
        ExportStatus::Late | ExportStatus::Waiting => DOUBT,
        ExportStatus::Refused | ExportStatus::Missing | ExportStatus::Unreadable => BAD,
        _ => FAINT,
    };
    let counted = |count: Option<u64>, word: &str| {
        count.map_or_else(String::new, |count| {
            format!("{} {word}", format::count(count))
        })
    };
    let release = export.release.map(|release| format!("release {release}"));
    vec![
        styled(style, export.status.name()),
        printable(&export.path).into_owned(),
        format::bytes(export.bytes),
        export
            .records
            .map_or_else(String::new, |count| format::plural(count, "record")),
        counted(export.accepted, "accepted"),
        counted(export.rejected, "rejected"),
        release.unwrap_or_default(),
        format::moment(export.loaded_at.unwrap_or(export.modified_at), zone),
        printable(export.note.as_deref().unwrap_or_default()).into_owned(),
    ]
}
