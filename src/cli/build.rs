//! `kilde build`

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::format::Align::{Left, Right};
use super::format::{self, Columns};
use super::held;
use super::log;
use super::options::{Options, SelectionOptions, WaitOptions};
use super::style::{self, BAD, DOUBT, FAINT, GOOD, STRONG, styled};
use crate::diagnostic::printable;
use crate::error::{Error, ErrorKind, Result};
use crate::name::{ReleaseNumber, TableName};
use crate::project::{Load, Project};
use crate::quality::Outcome;
use crate::run::{
    AllowBreaking, BrokenRule, BuildRequest, ExportReport, RunEvent, RunReport, Runner,
    SourceReport, StepReport, TableOutcome,
};

/// `--allow-breaking` without a table.
const ANY_TABLE: &str = "*";

#[derive(Debug, Args)]
pub(super) struct Build {
    #[command(flatten)]
    selection: SelectionOptions,
    /// Stop at the first table that fails
    #[arg(short = 'x', long, env = "KILDE_FAIL_FAST")]
    fail_fast: bool,
    /// Treat warnings of tests as failures, and leave out no export that cannot be read
    #[arg(long, env = "KILDE_WARN_ERROR")]
    warn_error: bool,
    /// Keep the published version of a table, whatever came for it; may be repeated
    #[arg(long, env = "KILDE_HOLD", value_name = "TABLE", value_delimiter = ',')]
    hold: Vec<String>,
    /// Publish even if columns or tables that people read are lost or retyped: of this table, or of any; may be repeated
    #[arg(
        long,
        env = "KILDE_ALLOW_BREAKING",
        value_name = "TABLE",
        value_delimiter = ',',
        num_args = 0..=1,
        default_missing_value = ANY_TABLE
    )]
    allow_breaking: Vec<String>,
    /// Accept a loss: the newest export of a `load: replace` source although it has under 80 % of the records of the last one;
    /// with `--rebuild`, what the table held and no build can make again; with `--give-up`, records whose exports are gone
    #[arg(
        long,
        env = "KILDE_ACCEPT",
        value_name = "TABLE",
        value_delimiter = ','
    )]
    accept: Vec<String>,
    /// Publish a table as kilde made it over what another tool changed in it; may be repeated
    #[arg(
        long,
        env = "KILDE_OVERRULE",
        value_name = "TABLE",
        value_delimiter = ','
    )]
    overrule: Vec<String>,
    /// Make a table anew whose folder, log or files are lost; may be repeated
    #[arg(
        long,
        env = "KILDE_REBUILD",
        value_name = "TABLE",
        value_delimiter = ','
    )]
    rebuild: Vec<String>,
    /// Give up a decided release of which a part is lost, so that nobody can finish it, and make the next one
    #[arg(long, env = "KILDE_GIVE_UP", value_name = "N")]
    give_up: Option<u64>,
    #[command(flatten)]
    wait: WaitOptions,
    /// Leave maintenance to `kilde maintain`, even where some is due
    #[arg(long, env = "KILDE_NO_MAINTAIN")]
    no_maintain: bool,
    /// Show what would be done, as `kilde plan` does
    #[arg(long)]
    dry_run: bool,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

impl Build {
    pub(super) async fn run(self, options: &Options) -> Result<ExitCode> {
        if self.dry_run {
            return super::plan::Plan::of(self.selection, self.hold)
                .run(options)
                .await;
        }
        let project = Arc::new(options.project()?);
        style::diagnostics(&project.warnings);
        let runner = options
            .runner(&project)?
            .verifying_exports(self.selection.verify_exports);
        let mut request = self.selection.request(&runner)?;
        request.fail_fast = self.fail_fast;
        request.warn_error = self.warn_error;
        request.wait = self.wait.time();
        request.overrule = self.overrule.iter().cloned().collect();
        let held = self.hold.iter().map(|name| project.table(name));
        request.hold = held.collect::<Result<_>>()?;
        request.allow_breaking = match self.allow_breaking.as_slice() {
            [] => AllowBreaking::Nothing,
            names if names.iter().any(|name| name == ANY_TABLE) => AllowBreaking::All,
            names => AllowBreaking::Of(names.iter().cloned().collect()),
        };
        let rebuilt = self.rebuild.iter().map(|name| published(&project, name));
        request.rebuild = rebuilt.collect::<Result<_>>()?;
        request.give_up = self.give_up.map(ReleaseNumber);
        let accepted = self
            .accept
            .iter()
            .map(|name| match published(&project, name) {
                Ok(table) if request.rebuild.contains(&table) || self.give_up.is_some() => {
                    Ok(table)
                }
                _ => replaced(&project, name),
            });
        request.accept = accepted.collect::<Result<_>>()?;
        let shown = Shown {
            json: self.json,
            maintains: !self.no_maintain,
        };
        run(&runner, &request, &project, options, shown).await
    }
}

/// What is done beside a build.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shown {
    /// The report is printed as JSON.
    pub(super) json: bool,
    /// What is due of maintenance is done too.
    pub(super) maintains: bool,
}

/// Builds, and shows the report.
pub(super) async fn run(
    runner: &Runner,
    request: &BuildRequest,
    project: &Project,
    options: &Options,
    shown: Shown,
) -> Result<ExitCode> {
    let progress = super::progress::Progress::start(options.quiet);
    let report = runner.build(request, progress.listener()).await;
    progress.finish();
    let report = report?;
    if shown.json {
        style::out(&format::json(&report)?);
    } else if !options.quiet && !log::is_json() {
        style::out(&render(&report, project));
    }
    if log::is_json() {
        log::report(&report);
    } else if report.failure.is_some() {
        style::note(&render_failure(&report));
    }
    if report.release.is_some()
        && shown.maintains
        && let Some(done) = runner.maintain_after_build().await
    {
        match options.quiet || shown.json || log::is_json() {
            false => style::out(&super::maintain::render(&done, project)),
            true => {
                let warn = progress.listener();
                let notes = done.notes.into_iter();
                notes.for_each(|note| warn(RunEvent::Warning(note)));
            }
        }
    }
    let failed = report.kind_of_failure().map(ErrorKind::exit_code);
    Ok(failed.map_or(ExitCode::SUCCESS, ExitCode::from))
}

/// A table of the project, or one of kilde's own.
fn published(project: &Project, name: &str) -> Result<TableName> {
    match name.parse::<TableName>() {
        Ok(table) if table.is_own() => Ok(table),
        _ => project.table(name),
    }
}

/// A table of which each export is the whole truth.
fn replaced(project: &Project, name: &str) -> Result<TableName> {
    let table = project.source(name)?;
    match project.sources.get(&table).map(|source| source.load) {
        Some(Load::Replace) => Ok(table),
        _ => Err(Error::config(format!(
            "there is nothing to accept of `{table}`"
        ))
        .help("`--accept` is for sources with `load: replace`: their exports must not shrink much")),
    }
}

/// The whole report as people read it.
pub(super) fn render(report: &RunReport, project: &Project) -> String {
    let mut text = head(report, project);
    text.push_str(&exports(report));
    text.push_str(&steps(report));
    text.push_str(&overruled(report));
    text.push_str(&foot(report));
    if let Some(latest) = &report.latest {
        text.push_str(&super::latest::render(latest));
    }
    text
}

fn head(report: &RunReport, project: &Project) -> String {
    let zone = project.time_zone;
    let target = project
        .target
        .as_ref()
        .map(|t| format!(" · {t}"))
        .unwrap_or_default();
    let last = report.base.as_ref().map_or_else(
        || "first release".to_string(),
        |base| {
            format!(
                "last release {}, {}",
                base.number,
                format::moment(base.published_at, zone)
            )
        },
    );
    format!(
        "{} · {}{target} · as of {} · {last}\n\n",
        styled(STRONG, format_args!("kilde {}", env!("CARGO_PKG_VERSION"))),
        report.project,
        format::moment(report.as_of, zone),
    )
}

fn exports(report: &RunReport) -> String {
    let busy: Vec<&SourceReport> = report
        .sources
        .iter()
        .filter(|s| s.outcome != TableOutcome::Unchanged)
        .collect();
    let idle = report.sources.len() - busy.len();
    let sum = |part: fn(&SourceReport) -> u64| busy.iter().map(|source| part(source)).sum::<u64>();
    let exports: u64 = sum(|source| source.exports.len() as u64);
    let mut text = styled(STRONG, "exports");
    if busy.is_empty() {
        text.push_str("   nothing new\n");
        text.push_str(&held::lines(report, true));
        text.push_str(&held::unreadable(&report.unreadable));
        text.push_str(&held::overdue(report));
        return text;
    }
    let retracted = match sum(|source| source.retracted.len() as u64) {
        0 => String::new(),
        n => format!("{} retracted, ", format::count(n)),
    };
    text.push_str(&format!(
        "   {} new, {retracted}{} · {} records = {} accepted + {} rejected\n",
        format::count(exports),
        format::bytes(sum(|source| source.bytes)),
        format::count(sum(|source| source.records)),
        format::count(sum(|source| source.accepted)),
        format::count(sum(|source| source.rejected)),
    ));
    let mut columns = Columns::new([Left, Left, Right, Right, Right, Right, Right, Left]);
    for source in busy.iter().filter(|source| !is_held(&source.outcome)) {
        columns.row(source_row(source));
    }
    text.push_str(&columns.render("  "));
    for source in &busy {
        text.push_str(&ignored(source));
        for drift in &source.newly_drifted {
            let words = format!("· {}: {drift}", source.table);
            text.push_str(&format!("  {}\n", styled(FAINT, words)));
        }
        // what was refused is explained where the errors are
        if !matches!(source.outcome, TableOutcome::Failed(_)) {
            text.push_str(&nothing_taken(source));
            text.push_str(&copies(source));
            for export in &source.exports {
                for rule in &export.warned {
                    text.push_str(&warned(export, rule));
                }
            }
            for doubt in source.exports.iter().filter_map(|e| e.doubt.as_ref()) {
                text.push_str(&format!("  {} {doubt}\n", styled(DOUBT, "!")));
            }
        }
    }
    text.push_str(&held::lines(report, true));
    for source in &busy {
        if let Some(path) = &source.remembered {
            let words = format!(
                "· {}: {} is the file that was refused before: not decoded again",
                source.table,
                printable(path)
            );
            text.push_str(&format!("    {}\n", styled(FAINT, words)));
        }
    }
    text.push_str(&held::unreadable(&report.unreadable));
    text.push_str(&held::overdue(report));
    if idle > 0 {
        text.push_str(&format!(
            "  · {}: nothing new\n",
            format::plural(idle as u64, "source")
        ));
    }
    text
}

/// Exports with the content of others: those that add nothing, and those whose path makes other records of it.
fn copies(source: &SourceReport) -> String {
    const SHOWN: usize = 3;
    let told = |of: fn(&ExportReport) -> Option<&String>, what: &str| {
        let all = source
            .exports
            .iter()
            .filter_map(|export| Some((export, of(export)?)));
        let count = all.clone().count();
        let mut text = String::new();
        for (export, of) in all.take(SHOWN) {
            let (path, of) = (printable(&export.path), printable(of));
            let words = format!("· {path} has the content of {of} and {what}");
            text.push_str(&format!("  {}\n", styled(FAINT, words)));
        }
        if count > SHOWN {
            let words = format!("· so have {} more", format::count((count - SHOWN) as u64));
            text.push_str(&format!("  {}\n", styled(FAINT, words)));
        }
        text
    };
    told(|export| export.duplicate_of.as_ref(), "adds nothing")
        + &told(
            |export| export.equal_to.as_ref(),
            "counts, since its path says other values",
        )
}

/// A mark where records came and every one was rejected.
fn nothing_taken(source: &SourceReport) -> String {
    if source.records == 0 || source.rejected < source.records {
        return String::new();
    }
    format!(
        "  {} {table}: every record was rejected: `kilde rejects {table}` says why\n",
        styled(BAD, "!"),
        table = source.table
    )
}

/// `! crm/people.csv:3: …`: records that break a rule and were taken.
fn warned(export: &ExportReport, rule: &BrokenRule) -> String {
    format!(
        "  {} {}:{}: {}, in {} of {} records: taken (action: warn)\n",
        styled(DOUBT, "!"),
        printable(&export.path),
        rule.first_line,
        rule.reason,
        format::count(rule.records),
        format::count(export.records),
    )
}

/// Columns that its contract does not know and that came for the first time; a sender who always sends more is no news.
fn ignored(source: &SourceReport) -> String {
    let columns = &source.newly_ignored;
    if columns.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = columns
        .iter()
        .take(5)
        .map(|name| format!("`{}`", printable(name)))
        .collect();
    let rest = if columns.len() > 5 { ", …" } else { "" };
    let words = format!(
        "{} has {}{rest}, which its contract does not know: ignored",
        source.table,
        shown.join(", ")
    );
    format!("  {}\n", styled(FAINT, format_args!("· {words}")))
}

fn source_row(source: &SourceReport) -> Vec<String> {
    let rejected = match source.rejected {
        0 => String::new(),
        n => format!(
            "{} rejected {}",
            format::count(n),
            format::share(n, source.records)
        ),
    };
    let retracted = match source.retracted.len() {
        0 => String::new(),
        n => format!(", {n} retracted"),
    };
    let hint = match (&source.outcome, source.rejected) {
        (TableOutcome::Failed(failure), _) => styled(BAD, &failure.brief),
        (_, 0) => String::new(),
        _ => styled(FAINT, format_args!("kilde rejects {}", source.table.name())),
    };
    let [exports, records, change] = match source.outcome {
        TableOutcome::Failed(_) => [const { String::new() }; 3],
        _ => [
            format::plural(source.exports.len() as u64, "export") + &retracted,
            format::plural(source.records, "record"),
            format!(
                "{} row{}",
                format::change(source.row_change),
                if source.row_change.abs() == 1 {
                    ""
                } else {
                    "s"
                }
            ),
        ],
    };
    vec![
        mark(&source.outcome),
        source.table.to_string(),
        exports,
        records,
        change,
        rejected,
        format::seconds(source.seconds),
        hint,
    ]
}

fn steps(report: &RunReport) -> String {
    let busy: Vec<&StepReport> = report
        .steps
        .iter()
        .filter(|s| s.outcome != TableOutcome::Unchanged)
        .collect();
    let idle = report.steps.len() - busy.len();
    let mut text = format!(
        "{}     {} of {} to do, {} unchanged\n",
        styled(STRONG, "steps"),
        busy.len(),
        report.steps.len(),
        idle
    );
    let mut columns = Columns::new([Left, Left, Right, Right, Right, Left]);
    for step in &busy {
        if !is_held(&step.outcome) {
            columns.row(step_row(step));
        }
        for verdict in report.verdicts.iter().filter(|v| v.table == step.table) {
            if verdict.outcome != Outcome::Passed {
                columns.row(verdict_row(verdict));
            }
        }
    }
    for source in &report.sources {
        for verdict in report.verdicts.iter().filter(|v| v.table == source.table) {
            if verdict.outcome != Outcome::Passed {
                columns.row(verdict_row(verdict));
            }
        }
    }
    text.push_str(&columns.render("  "));
    text.push_str(&held::lines(report, false));
    text
}

/// What other tools wrote in the moment of publishing, and what was given up.
fn overruled(report: &RunReport) -> String {
    let mut text = String::new();
    for overruled in &report.overruled {
        let words = printable(&overruled.text);
        text.push_str(&format!(
            "  {} release {}: {words}\n",
            styled(DOUBT, "!"),
            overruled.release
        ));
    }
    if let Some(number) = report.given_up {
        text.push_str(&format!(
            "  {} release {number} could not be finished and is given up: it holds what the one before held\n",
            styled(DOUBT, "!")
        ));
    }
    text
}

fn is_held(outcome: &TableOutcome) -> bool {
    matches!(outcome, TableOutcome::Held(_))
}

fn step_row(step: &StepReport) -> Vec<String> {
    let note = match &step.outcome {
        TableOutcome::Failed(failure) => styled(BAD, &failure.brief),
        TableOutcome::Skipped(input) => format!("not tried: {input} failed"),
        TableOutcome::SameResult => "same result, kept".to_string(),
        TableOutcome::Tested => "tested again".to_string(),
        _ => String::new(),
    };
    let said = [note, step.note.clone().unwrap_or_default()];
    let said: Vec<String> = said.into_iter().filter(|text| !text.is_empty()).collect();
    let note = said.join("; ");
    let rows = match step.outcome {
        TableOutcome::Failed(_) | TableOutcome::Skipped(_) => [String::new(), String::new()],
        _ => [
            format::plural(step.rows, "row"),
            format::change(step.row_change),
        ],
    };
    let [rows, change] = rows;
    let time = format::seconds(step.seconds);
    vec![
        mark(&step.outcome),
        step.table.to_string(),
        rows,
        change,
        time,
        note,
    ]
}

fn verdict_row(verdict: &crate::quality::Verdict) -> Vec<String> {
    let (mark, word) = match verdict.outcome {
        Outcome::Failed => (styled(BAD, "✗"), "failed"),
        _ => (styled(DOUBT, "!"), "warned"),
    };
    vec![
        mark,
        verdict.table.to_string(),
        String::new(),
        String::new(),
        String::new(),
        format!(
            "{} {} · {word} · {}",
            verdict.test,
            found(verdict),
            verdict.declared_at,
        ),
    ]
}

fn found(verdict: &crate::quality::Verdict) -> String {
    match &verdict.note {
        Some(note) => note.clone(),
        None => format!(
            "{} of {} rows",
            format::count(verdict.failures),
            format::count(verdict.rows)
        ),
    }
}

fn mark(outcome: &TableOutcome) -> String {
    match outcome {
        TableOutcome::Written => styled(GOOD, "✓"),
        TableOutcome::SameResult | TableOutcome::Tested => styled(GOOD, "="),
        TableOutcome::Unchanged | TableOutcome::Skipped(_) => "·".to_string(),
        TableOutcome::TestsFailed | TableOutcome::Failed(_) => styled(BAD, "✗"),
        TableOutcome::Held(_) => styled(DOUBT, held::MARK),
    }
}

fn foot(report: &RunReport) -> String {
    let unit_tests = match report.unit_tests.len() {
        0 => String::new(),
        n => format!("{}, ", format::plural(n as u64, "unit test")),
    };
    let tests = format!(
        "{unit_tests}{} passed{}, {} warned{}",
        format::plural(report.tests(Outcome::Passed) as u64, "test"),
        match report
            .verdicts
            .iter()
            .filter(|v| v.had_nothing_to_compare())
            .count()
        {
            0 => String::new(),
            n => format!(" ({n} had nothing published to compare with)"),
        },
        report.tests(Outcome::Warned),
        match report.tests(Outcome::Failed) {
            0 => String::new(),
            n => format!(", {n} failed"),
        }
    );
    let tests = format!("{tests}{}", held::counted(report));
    let cost = match report.peak_bytes {
        0 => format::seconds(report.seconds),
        peak => format!(
            "{} · {}",
            format::seconds(report.seconds),
            format::bytes(peak)
        ),
    };
    match (&report.release, &report.failure) {
        (Some(release), _) => format!(
            "\n{}: {} of {} tables changed, {tests} · {cost}\n",
            styled(STRONG, format_args!("Release {release} published")),
            report.changed_tables,
            report.tables,
        ),
        (None, Some(_)) => {
            format!(
                "\n{}: {tests} · {cost}\n",
                styled(BAD, "Nothing was published")
            )
        }
        (None, None) => match &report.base {
            Some(base) => format!(
                "\n{}: everything {}is up to date{} · {cost}\n",
                styled(STRONG, format_args!("Release {} stands", base.number)),
                if report.held.is_empty() { "" } else { "else " },
                held::counted(report),
            ),
            None => format!("\nNothing to build: no source has an export yet · {cost}\n"),
        },
    }
}

/// What failed, where it is declared, and the query that shows the rows.
fn render_failure(report: &RunReport) -> String {
    let sources = report.sources.iter().map(|source| &source.outcome);
    let steps = report.steps.iter().map(|step| &step.outcome);
    let failed: Vec<String> = sources
        .chain(steps)
        .filter_map(|outcome| match outcome {
            TableOutcome::Failed(failure) => Some(style::headed(&failure.text)),
            _ => None,
        })
        .collect();
    let mut text = match failed.is_empty() {
        false => format!("\n{}\n", failed.join("\n")),
        true => format!(
            "\n{}: {}\n",
            styled(BAD, "error"),
            report.failure.as_deref().unwrap_or("the build failed")
        ),
    };
    let unit_tests = report.unit_tests.iter().filter(|test| !test.has_passed());
    text.extend(unit_tests.map(super::test::render));
    for step in &report.steps {
        if let Some(sql) = &step.rows_sql {
            text.push_str(&format!(
                "  {}\n  help: see the rows with {}\n",
                step.table,
                held::query(report, sql)
            ));
        }
    }
    for verdict in report
        .verdicts
        .iter()
        .filter(|v| v.outcome == Outcome::Failed)
    {
        text.push_str(&format!(
            "  {} {}: {}\n    --> {}\n",
            verdict.table,
            verdict.test,
            found(verdict),
            verdict.declared_at,
        ));
        if report.candidates.contains_key(&verdict.table) {
            text.push_str(&format!(
                "  help: see the rows with kilde query --candidate {} \"{}\"\n",
                report.run,
                verdict.rows_sql.replace('"', "\\\""),
            ));
        }
    }
    text
}
