//! Tables that are held, and sources that nothing new came for, as every command names them.

use super::format;
use super::style::{BAD, DOUBT, FAINT, styled};
use crate::diagnostic::printable;
use crate::name::TableName;
use crate::release::Release;
use crate::run::{HeldReport, OverdueReport, RunReport, UnreadableReport};

/// Before a table that is held.
pub(super) const MARK: &str = "‖";
/// Names listed before the rest is counted.
const LISTED: usize = 6;

/// The held sources of a run, or its held steps: a line each, and one for what stands on it.
pub(super) fn lines(report: &RunReport, sources: bool) -> String {
    let held = report
        .held
        .iter()
        .filter(|held| is_source(report, &held.table) == sources);
    held.map(|held| line(report, held)).collect()
}

fn line(report: &RunReport, held: &HeldReport) -> String {
    let step = report.steps.iter().find(|step| step.table == held.table);
    let source = report.sources.iter().find(|one| one.table == held.table);
    let hint = if source.is_some_and(|source| source.withheld_rejects > 0) {
        format!(
            "kilde rejects {} --candidate {}",
            held.table.name(),
            report.run
        )
    } else if is_source(report, &held.table) {
        format!("kilde exports {}", held.table)
    } else if let Some(sql) = step.and_then(|step| step.rows_sql.as_ref()) {
        query(report, sql)
    } else {
        match report.verdicts.iter().find(|verdict| {
            verdict.table == held.table
                && verdict.failures > 0
                && report.candidates.contains_key(&verdict.table)
        }) {
            Some(verdict) => format!(
                "kilde query --candidate {} \"{}\"",
                report.run,
                verdict.rows_sql.replace('"', "\\\"")
            ),
            None => String::new(),
        }
    };
    let mut text = format!(
        "  {} {}  held at release {}: {}   {}",
        styled(DOUBT, MARK),
        held.table,
        held.at,
        held.reason,
        styled(FAINT, hint),
    );
    text.truncate(text.trim_end().len());
    text.push('\n');
    if !held.readers.is_empty() {
        text.push_str(&format!(
            "    built on that version: {}\n",
            names(&held.readers)
        ));
    }
    text
}

/// A query over what a run made; where the run published, its inputs are in the release.
pub(super) fn query(report: &RunReport, sql: &str) -> String {
    let sql = sql.replace('"', "\\\"");
    match report.failure {
        Some(_) => format!("kilde query --candidate {} \"{sql}\"", report.run),
        None => format!("kilde query \"{sql}\""),
    }
}

fn is_source(report: &RunReport, table: &TableName) -> bool {
    report.sources.iter().any(|source| source.table == *table)
}

fn names(tables: &[TableName]) -> String {
    let mut names: Vec<String> = tables
        .iter()
        .take(LISTED)
        .map(ToString::to_string)
        .collect();
    if tables.len() > LISTED {
        names.push(format!("{} more", tables.len() - LISTED));
    }
    names.join(", ")
}

/// `, 1 source held`, for the last line of a report.
pub(super) fn counted(report: &RunReport) -> String {
    let (sources, steps): (Vec<_>, Vec<_>) = report
        .held
        .iter()
        .partition(|held| is_source(report, &held.table));
    let count = |held: &[&HeldReport], noun| match held.len() {
        0 => None,
        n => Some(format::plural(n as u64, noun)),
    };
    let parts: Vec<String> = [count(&sources, "source"), count(&steps, "step")]
        .into_iter()
        .flatten()
        .collect();
    if parts.is_empty() {
        String::new()
    } else {
        format!(", {} held", parts.join(" and "))
    }
}

/// Sources of a run whose newest export is too old, but for those that are held for it.
pub(super) fn overdue(report: &RunReport) -> String {
    let is_held = |table: &TableName| report.held.iter().any(|held| held.table == *table);
    let told = report
        .overdue
        .iter()
        .filter(|overdue| !is_held(&overdue.table));
    told.map(|overdue| format!("  {}", overdue_line(overdue)))
        .collect()
}

/// Exports that cannot be read and are left out.
pub(super) fn unreadable(exports: &[UnreadableReport]) -> String {
    let mut text = String::new();
    for export in exports.iter().take(LISTED) {
        let stays = match export.has_rows {
            true => ": what it had before stays",
            false => "",
        };
        text.push_str(&format!(
            "  {} {}  {} cannot be read and is left out{stays}: {}   {}\n",
            styled(BAD, "!"),
            export.table,
            printable(&export.path),
            export.reason,
            styled(
                FAINT,
                format_args!(
                    "deliver it again, or kilde exports skip {} --why …",
                    printable(&export.path)
                )
            ),
        ));
    }
    if exports.len() > LISTED {
        text.push_str(&format!(
            "  … and {} more: kilde exports\n",
            exports.len() - LISTED
        ));
    }
    text
}

/// One source whose newest export is too old.
pub(super) fn overdue_line(overdue: &OverdueReport) -> String {
    let style = if overdue.fails { BAD } else { DOUBT };
    format!(
        "{} {}  {}\n",
        styled(style, "!"),
        overdue.table,
        overdue.reason
    )
}

/// What a release holds, for `kilde status`.
pub(super) fn of_release(release: &Release) -> String {
    if release.held.is_empty() {
        return String::new();
    }
    let count = release.held.len() as u64;
    let mut text = format!("{} held\n", format::plural(count, "table"));
    for (table, held) in &release.held {
        text.push_str(&format!(
            "  {} {table}  held at release {}: {}   {}\n",
            styled(DOUBT, MARK),
            held.last_good(),
            held.reason,
            styled(FAINT, format_args!("since run {}", held.run)),
        ));
    }
    text
}
