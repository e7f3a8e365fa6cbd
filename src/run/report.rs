//! What a run did, as data: rendered by `cli`, kept as `_kilde/runs/<run>.json`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::UnitTestReport;
use crate::catalog::Candidate;
use crate::diagnostic::Code;
use crate::error::{Error, ErrorKind};
use crate::ingest::{Drift, ExportReport as DecodedReport, Flaw, LedgerEntry};
use crate::name::{ReleaseNumber, RunId, TableName};
use crate::plan::Overdue;
use crate::quality::{Outcome, Verdict};
use crate::release::Release;

/// What a run did. Holds no cell value.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RunReport {
    /// The run.
    pub(crate) run: RunId,
    /// Name of the project.
    pub(crate) project: String,
    /// The date and time the tables speak of.
    pub(crate) as_of: DateTime<Utc>,
    /// When the run started.
    pub(crate) started_at: DateTime<Utc>,
    /// The release that it built on.
    pub(crate) base: Option<BaseRelease>,
    /// One per source of the plan, in order of name.
    pub(crate) sources: Vec<SourceReport>,
    /// One per selected step, in order of the plan.
    pub(crate) steps: Vec<StepReport>,
    /// Unit tests of what was changed, run before data is read.
    #[serde(default)]
    pub(crate) unit_tests: Vec<UnitTestReport>,
    /// Tables at their last good version when the run ended.
    #[serde(default)]
    pub(crate) held: Vec<HeldReport>,
    /// Sources whose newest export is older than `freshness` allows.
    #[serde(default)]
    pub(crate) overdue: Vec<OverdueReport>,
    /// Exports that cannot be read and are left out, by this run or one before.
    #[serde(default)]
    pub(crate) unreadable: Vec<UnreadableReport>,
    /// What other tools wrote while a release was being published, which went over it: by this run, or of a dead one that it
    /// finished.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) overruled: Vec<OverruledReport>,
    /// A decided release that could not be finished and was given up by this run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) given_up: Option<ReleaseNumber>,
    /// Every test that ran.
    pub(crate) verdicts: Vec<Verdict>,
    /// The release published, if any.
    pub(crate) release: Option<ReleaseNumber>,
    /// Tables of the project written or created by the release.
    pub(crate) changed_tables: u64,
    /// Tables of the project in the release.
    pub(crate) tables: u64,
    /// Why nothing was published, where something should have been.
    pub(crate) failure: Option<String>,
    /// Who has to act on it: a name of [`ErrorKind`].
    #[serde(default)]
    pub(crate) failure_kind: Option<String>,
    /// What was done below `latest/`, where anything was.
    #[serde(default)]
    pub(crate) latest: Option<super::LatestReport>,
    /// Candidates that stay readable when the run failed.
    pub(crate) candidates: BTreeMap<TableName, Candidate>,
    /// Wall time.
    pub(crate) seconds: f64,
    /// Peak resident memory of the process, bytes; 0 where the system does not tell.
    pub(crate) peak_bytes: u64,
}

/// The release a run built on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BaseRelease {
    pub(crate) number: ReleaseNumber,
    pub(crate) published_at: DateTime<Utc>,
    /// The run that published it; not part of a report.
    #[serde(skip)]
    pub(crate) run: Option<RunId>,
}

impl BaseRelease {
    pub(super) fn of(release: &Release) -> Self {
        Self {
            number: release.number,
            published_at: release.published_at,
            run: Some(release.run.clone()),
        }
    }
}

/// What another tool wrote to a table, and a release was published over without anybody's word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OverruledReport {
    pub(crate) table: TableName,
    /// Of the table's log, where it stays.
    pub(crate) version: u64,
    /// Name and version, where its entry says so.
    pub(crate) tool: Option<String>,
    pub(crate) written_at: Option<DateTime<Utc>>,
    /// The release that went over it.
    pub(crate) release: ReleaseNumber,
    /// All of it in words.
    pub(crate) text: String,
}

impl OverruledReport {
    /// Of a release; nobody need be told of tables that a person answered for.
    pub(super) fn unasked(release: &Release, answered: &BTreeSet<TableName>) -> Vec<Self> {
        let unasked = release.overruled.iter();
        let unasked = unasked.filter(|o| !o.is_adopted && !answered.contains(&o.table));
        unasked
            .map(|overruled| Self {
                table: overruled.table.clone(),
                version: overruled.version,
                tool: overruled.tool.clone(),
                written_at: overruled.written_at,
                release: release.number,
                text: overruled.told(),
            })
            .collect()
    }
}

/// A table that is held.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeldReport {
    pub(crate) table: TableName,
    /// The last release in which it was good.
    pub(crate) at: ReleaseNumber,
    /// The first release that holds it.
    pub(crate) since: ReleaseNumber,
    pub(crate) reason: String,
    /// The run that gave the reason.
    pub(crate) run: RunId,
    /// The tables that stand on it, near or far: built on the older version.
    pub(crate) readers: Vec<TableName>,
}

/// A source whose newest export is too old.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OverdueReport {
    pub(crate) table: TableName,
    /// `None`: there never was one.
    pub(crate) newest_at: Option<DateTime<Utc>>,
    /// Whether the source fails by it.
    pub(crate) fails: bool,
    pub(crate) reason: String,
}

/// An export that cannot be read and is left out, while its source goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct UnreadableReport {
    pub(crate) table: TableName,
    /// Below `raw`.
    pub(crate) path: String,
    pub(crate) size: u64,
    #[serde(default)]
    pub(crate) modified_at: DateTime<Utc>,
    pub(crate) hash: String,
    pub(crate) reason: String,
    /// Byte of its content at which reading ended, where that is known.
    pub(crate) byte: Option<u64>,
    /// The run that tried it.
    pub(crate) run: RunId,
    /// Whether rows of what lay under its path before are in the table.
    pub(crate) has_rows: bool,
}

impl UnreadableReport {
    /// What the ledger says of an export; `None` where it can be read.
    pub(super) fn of(entry: &LedgerEntry) -> Option<Self> {
        let unread = entry.unread.as_ref()?;
        Some(Self {
            table: entry.source.clone(),
            path: entry.path.clone(),
            size: entry.size,
            modified_at: entry.modified_at,
            hash: entry.hash.clone(),
            reason: unread.to_string(),
            byte: unread.byte,
            run: entry.run_id.clone(),
            has_rows: entry.counts_in_table(),
        })
    }
}

/// What happened to a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TableOutcome {
    /// Written as a candidate.
    Written,
    /// Computed; the result equals the published one, so nothing was written over it.
    SameResult,
    /// Nothing to do.
    Unchanged,
    /// Tests only.
    Tested,
    /// A test failed.
    TestsFailed,
    /// Could not be computed.
    Failed(FailureReport),
    /// Keeps its last good version: the reason.
    Held(String),
    /// Not tried, since this table failed, on which it stands.
    Skipped(TableName),
}

impl TableOutcome {
    /// As stored, and as logs write it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::SameResult => "same_result",
            Self::Unchanged => "unchanged",
            Self::Tested => "tested",
            Self::TestsFailed => "tests_failed",
            Self::Failed(_) => "failed",
            Self::Held(_) => "held",
            Self::Skipped(_) => "skipped",
        }
    }
}

/// Why a table could not be made; never with a cell value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailureReport {
    /// Who has to act: a name of [`ErrorKind`]; empty in reports of older versions.
    #[serde(default)]
    pub(crate) kind: String,
    /// Where and what, in one line.
    pub(crate) brief: String,
    /// The whole error over several lines: code, table, place, causes, help.
    pub(crate) text: String,
}

/// One source in a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SourceReport {
    pub(crate) table: TableName,
    pub(crate) outcome: TableOutcome,
    pub(crate) exports: Vec<ExportReport>,
    /// Bytes of the exports as they lie in `raw`.
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    pub(crate) accepted: u64,
    pub(crate) rejected: u64,
    /// Exports whose rows left the table.
    #[serde(default)]
    pub(crate) retracted: Vec<String>,
    /// Exports for which the source could not be loaded.
    #[serde(default)]
    pub(crate) refused: Vec<RefusedExport>,
    /// The one of them that was refused before and is as it was then: it was not decoded again.
    #[serde(default)]
    pub(crate) remembered: Option<String>,
    /// Records of the exports that were read and not taken, since the source is held, which broke its contract.
    #[serde(default)]
    pub(crate) withheld_rejects: u64,
    /// Rows after the run.
    pub(crate) rows: u64,
    /// Rows more (or fewer) than before.
    pub(crate) row_change: i64,
    /// When work on it began, if any did.
    #[serde(default)]
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) seconds: f64,
    /// Columns that the contract does not know, in this run's exports and in those before it.
    #[serde(default)]
    pub(crate) ignored_columns: BTreeSet<String>,
    /// Those that an export of this run brought for the first time.
    #[serde(default)]
    pub(crate) newly_ignored: BTreeSet<String>,
    /// How else exports differed from the contract and were taken all the same, in words; likewise.
    #[serde(default)]
    pub(crate) drift: BTreeSet<String>,
    #[serde(default)]
    pub(crate) newly_drifted: BTreeSet<String>,
}

/// An export that was not taken, as it was then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RefusedExport {
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) modified_at: DateTime<Utc>,
    pub(crate) reason: String,
    /// The same without what to do about it, which is not for its sender.
    #[serde(default)]
    pub(crate) message: String,
    /// What it holds, as far as it was read; none of it is in the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) found: Option<ExportReport>,
    /// What storage said of its content.
    #[serde(default)]
    pub(crate) tag: Option<String>,
    /// The refusal, where the same file would be refused again for as long as nothing else changes.
    #[serde(default)]
    pub(crate) refusal: Option<Refusal>,
}

impl RefusedExport {
    /// One that was left out alone.
    pub(super) fn left_out(export: &UnreadableReport) -> Self {
        Self {
            path: export.path.clone(),
            size: export.size,
            modified_at: export.modified_at,
            reason: export.reason.clone(),
            message: export.reason.clone(),
            found: None,
            tag: None,
            refusal: None,
        }
    }
}

/// Why an export cannot be read, and under what it was tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Refusal {
    /// Contract, settings and version; anything else may come to another verdict.
    pub(crate) judged_by: String,
    pub(crate) code: u16,
    pub(crate) message: String,
    pub(crate) place: Option<String>,
    pub(crate) help: Option<String>,
}

impl Refusal {
    /// What an error says of an export that has it whenever it is read; `None` for what may pass, or depends on more.
    pub(super) fn of(error: &Error, judged_by: &str) -> Option<Self> {
        let flaw = Flaw::of(error).filter(|flaw| flaw.is_lasting());
        let code = flaw.and(error.number())?.0;
        Some(Self {
            judged_by: judged_by.to_string(),
            code,
            message: error.to_string(),
            place: error.location().map(str::to_string),
            help: error.advice().map(str::to_string),
        })
    }

    /// The error as it was.
    pub(super) fn error(&self) -> Error {
        let mut error = Error::input(&self.message).code(Code(self.code));
        if let Some(place) = &self.place {
            error = error.at(place);
        }
        if let Some(help) = &self.help {
            error = error.help(help);
        }
        error
    }
}

/// One export in a run; `records` is the sum of what follows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExportReport {
    pub(crate) path: String,
    pub(crate) records: u64,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) superseded: u64,
    /// Came before under another name.
    pub(crate) duplicate: u64,
    pub(crate) rejected: u64,
    /// The export with the same content that counted instead.
    pub(crate) duplicate_of: Option<String>,
    /// One that has the same content, and does not count in its place: their paths give columns other values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) equal_to: Option<String>,
    /// Columns that the contract does not know.
    #[serde(default)]
    pub(crate) ignored_columns: Vec<String>,
    /// How else it differs from the contract, in words.
    #[serde(default)]
    pub(crate) drift: Vec<String>,
    /// Rules that records break which were taken all the same.
    #[serde(default)]
    pub(crate) warned: Vec<BrokenRule>,
    /// Rules by which records were rejected.
    #[serde(default)]
    pub(crate) rejects: Vec<BrokenRule>,
    /// Bytes as they lie in `raw`, and blake3 of them.
    #[serde(default)]
    pub(crate) bytes: u64,
    #[serde(default)]
    pub(crate) hash: String,
    /// Why it is most likely read in another way than it was written.
    #[serde(default)]
    pub(crate) doubt: Option<String>,
}

impl ExportReport {
    /// What an export holds, before it is known what became of its records.
    pub(super) fn found(report: &DecodedReport) -> Self {
        let told = report.drift.iter().filter(|drift| is_told(drift));
        Self {
            records: report.records,
            rejected: report.rejected,
            ignored_columns: report.ignored_columns.clone(),
            drift: told.map(ToString::to_string).collect(),
            rejects: rejects(report),
            warned: warned(report),
            ..Self::unread(&report.path, report.size, &report.hash)
        }
    }

    /// Of an export of which no record was read.
    pub(super) fn unread(path: &str, bytes: u64, hash: &str) -> Self {
        Self {
            path: path.to_string(),
            bytes,
            hash: hash.to_string(),
            ..Self::default()
        }
    }
}

/// Whether a difference is told beside the columns that are ignored. Of columns that come in another order nobody needs to
/// know where that is accepted.
fn is_told(drift: &Drift) -> bool {
    !matches!(drift, Drift::Added { .. } | Drift::Reordered)
}

fn rejects(report: &DecodedReport) -> Vec<BrokenRule> {
    let rules = report.first_rejects.iter();
    let told = rules.map(|(rule, first)| BrokenRule {
        rule: rule.to_string(),
        reason: first.reason.clone(),
        records: report.rejects_by_rule.get(rule).copied().unwrap_or(0),
        first_line: first.line,
    });
    told.collect()
}

fn warned(report: &DecodedReport) -> Vec<BrokenRule> {
    let rules = report.warned.iter();
    let told = rules.map(|((_, rule), broken)| BrokenRule {
        rule: rule.to_string(),
        reason: broken.first.reason.clone(),
        records: broken.records,
        first_line: broken.first.line,
    });
    told.collect()
}

/// A rule, and the records of one export that break it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BrokenRule {
    pub(crate) rule: String,
    /// In words, as the first record has it; names the column.
    pub(crate) reason: String,
    pub(crate) records: u64,
    pub(crate) first_line: i64,
}

/// One step in a run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StepReport {
    pub(crate) table: TableName,
    pub(crate) outcome: TableOutcome,
    /// Why it ran, in words.
    pub(crate) reasons: Vec<String>,
    pub(crate) rows: u64,
    pub(crate) row_change: i64,
    /// When work on it began, if any did.
    #[serde(default)]
    pub(crate) started_at: Option<DateTime<Utc>>,
    pub(crate) seconds: f64,
    /// What else it found, in words.
    #[serde(default)]
    pub(crate) note: Option<String>,
    /// A query that shows the rows on which it failed.
    #[serde(default)]
    pub(crate) rows_sql: Option<String>,
}

impl FailureReport {
    /// The error that befell a table.
    pub(super) fn of(table: &TableName, error: &Error) -> Self {
        let text = error.render();
        Self {
            kind: error.kind().name().to_string(),
            brief: error.brief(),
            text: match text.split_once(": ") {
                Some((head, rest)) => format!("{head}: `{table}`: {rest}"),
                None => text,
            },
        }
    }
}

impl OverdueReport {
    pub(super) fn of(table: &TableName, overdue: &Overdue) -> Self {
        Self {
            table: table.clone(),
            newest_at: overdue.newest_at,
            fails: overdue.fails,
            reason: overdue.to_string(),
        }
    }
}

impl SourceReport {
    /// A source without a new export.
    pub(crate) fn unchanged(table: &TableName) -> Self {
        Self {
            table: table.clone(),
            outcome: TableOutcome::Unchanged,
            exports: Vec::new(),
            bytes: 0,
            records: 0,
            accepted: 0,
            rejected: 0,
            retracted: Vec::new(),
            refused: Vec::new(),
            remembered: None,
            withheld_rejects: 0,
            rows: 0,
            row_change: 0,
            started_at: None,
            seconds: 0.0,
            ignored_columns: BTreeSet::new(),
            newly_ignored: BTreeSet::new(),
            drift: BTreeSet::new(),
            newly_drifted: BTreeSet::new(),
        }
    }
}

impl StepReport {
    /// A step with nothing to do.
    pub(crate) fn unchanged(table: &TableName) -> Self {
        Self {
            table: table.clone(),
            outcome: TableOutcome::Unchanged,
            reasons: Vec::new(),
            rows: 0,
            row_change: 0,
            started_at: None,
            seconds: 0.0,
            note: None,
            rows_sql: None,
        }
    }
}

impl RunReport {
    /// The release published, if any.
    #[must_use]
    pub fn release(&self) -> Option<ReleaseNumber> {
        self.release
    }

    /// Why nothing was published, where something should have been.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    /// Who has to act on the failure, if there was one.
    pub(crate) fn kind_of_failure(&self) -> Option<ErrorKind> {
        self.failure.as_ref()?;
        let kind = self.failure_kind.as_deref().and_then(ErrorKind::named);
        Some(kind.unwrap_or(ErrorKind::Quality))
    }

    /// Tells apart what came before and what came first in this run: columns that the contract does not know, and other
    /// drift.
    pub(super) fn compare_drift(&mut self, before: Option<&Self>) {
        let split = |known: BTreeSet<String>, came: Vec<String>| {
            let new: BTreeSet<String> = came.into_iter().filter(|c| !known.contains(c)).collect();
            (known.union(&new).cloned().collect(), new)
        };
        for source in &mut self.sources {
            let mut reports = before.into_iter().flat_map(|before| &before.sources);
            let known = reports.find(|report| report.table == source.table);
            let (ignored, drift) = known.map_or_else(Default::default, |report| {
                (report.ignored_columns.clone(), report.drift.clone())
            });
            let exports = source.exports.iter();
            let came = exports
                .clone()
                .flat_map(|e| e.ignored_columns.iter().cloned());
            (source.ignored_columns, source.newly_ignored) = split(ignored, came.collect());
            let came = exports.flat_map(|e| e.drift.iter().cloned());
            (source.drift, source.newly_drifted) = split(drift, came.collect());
        }
    }

    /// Number of tests that ended so.
    pub(crate) fn tests(&self, outcome: Outcome) -> usize {
        self.verdicts
            .iter()
            .filter(|verdict| verdict.outcome == outcome)
            .count()
    }
}
