//! `- correct:` of pipelines → SQL steps: a table as stewards corrected it, and what became of each correction.
//!
//! What exports brought stays in its table as it came. Beside it stands the same with corrections applied, for statements to read: a query
//! like any other, so that it is planned, explained and kept up to date as SQL that somebody wrote. It reads the table of what became of
//! each correction and not the corrections themselves: one of another table, or one that changes nothing, makes nothing stale.

mod report;
mod sql;

use std::sync::Arc;

use chrono_tz::Tz;

use super::super::raw::{Mistake, RawCorrect, RawPipelineFile, RawStep};
use super::super::{Contract, Materialization};
use super::blame;
use super::contract::Contracts;
use super::correction::{Landing, meant, misfit};
use super::matching::Matches;
use super::ownership::Owned;
use super::source::Sources;
use crate::diagnostic::{Diagnostic, Place, SourceFile, Span};
use crate::name::TableName;
use report::{draft, draft_of_report, outcomes};
use sql::{CORRECTED, Corrected, can_be_corrected};

/// The column of corrections that says when.
const ON: &str = "on";

/// Columns that say what a correction is.
const WANTED: [&str; 5] = ["table", "key", "column", "value", ON];

/// What corrected tables are made of, besides contracts.
pub(super) struct Known<'a> {
    pub(super) matches: &'a Matches,
    pub(super) sources: &'a Sources,
    /// The project's.
    pub(super) zone: Tz,
}

/// Adds the steps of every corrected table.
pub(super) fn resolve(
    pipelines: &[(Arc<SourceFile>, Option<RawPipelineFile>)],
    known: &Known<'_>,
    contracts: &mut Contracts,
    owned: &mut Owned,
    found: &mut Vec<Diagnostic>,
) {
    let asked = asked(pipelines);
    for (at, one) in asked.iter().enumerate() {
        let before = &asked[..at];
        let misfits = [one.misfit(contracts), one.misfit_of_corrections(contracts)];
        let is_fit = misfits.iter().all(Option::is_none);
        let mut mistakes: Mistakes = misfits.into_iter().flatten().collect();
        mistakes.extend(one.again(before));
        if is_fit {
            mistakes.extend(one.add(&asked, before, known, contracts, owned));
        }
        let mistakes = mistakes.into_iter();
        found.extend(mistakes.map(|(span, mistake)| blame(&one.place.file, span, mistake)));
    }
}

/// A step as written, and where.
struct Asked<'a> {
    correct: &'a RawCorrect,
    place: Place,
}

type Mistakes = Vec<(Span, Mistake)>;

/// Every such step, by the table that it makes.
fn asked(pipelines: &[(Arc<SourceFile>, Option<RawPipelineFile>)]) -> Vec<Asked<'_>> {
    let mut asked = Vec::new();
    for (file, raw) in pipelines {
        let steps = raw.iter().flat_map(|raw| &raw.steps.items);
        for step in steps {
            if let RawStep::Correct(correct) = &step.value {
                let place = Place {
                    file: Arc::clone(file),
                    span: step.span,
                };
                asked.push(Asked {
                    correct: &correct.0,
                    place,
                });
            }
        }
    }
    asked.sort_by(|one, other| one.correct.table.value.cmp(&other.correct.table.value));
    asked
}

impl Asked<'_> {
    fn of(&self) -> &TableName {
        &self.correct.of.value
    }

    fn corrections(&self) -> &TableName {
        &self.correct.corrections.value
    }

    /// Why the table cannot be corrected.
    fn misfit(&self, contracts: &Contracts) -> Option<(Span, Mistake)> {
        let of = self.of();
        let (message, help) = match contract_of(of, contracts) {
            Some(contract) if contract.column(CORRECTED).is_some() => (
                format!("`{of}` has a column `{CORRECTED}` of its own"),
                "it says which columns of a row were corrected: call the other otherwise"
                    .to_string(),
            ),
            Some(contract) if !can_be_corrected(contract) => (
                format!("`{of}` has no column beside its key that a text can correct"),
                "a key names a record, and lists and structs hold more than one value".to_string(),
            ),
            Some(_) => return None,
            None => (
                format!("nothing says how a record of `{of}` is named"),
                format!(
                    "{}declare its `key` and its columns in schemas/{}.yaml: a correction names a record by them",
                    meant(of, contracts),
                    of.location()
                ),
            ),
        };
        Some((self.correct.of.span, Mistake::new(452, message).help(help)))
    }

    fn misfit_of_corrections(&self, contracts: &Contracts) -> Option<(Span, Mistake)> {
        let must_say = "a correction says of which table, record and column which value stands, and since when";
        let mistake = misfit(self.corrections(), &WANTED, ON, contracts, (453, must_say))?;
        Some((self.correct.corrections.span, mistake))
    }

    /// Whether a step before corrects the same table.
    fn again(&self, before: &[Asked<'_>]) -> Option<(Span, Mistake)> {
        let is_again = before.iter().any(|other| other.of() == self.of());
        is_again.then(|| {
            let message = format!("`{}` is corrected twice", self.of());
            let mistake = Mistake::new(452, message).help("keep one: several steps can read it");
            (self.correct.of.span, mistake)
        })
    }

    /// Adds the report and the corrected table, with what their contracts say where nobody wrote one.
    fn add(
        &self,
        asked: &[Asked<'_>],
        before: &[Asked<'_>],
        known: &Known<'_>,
        contracts: &mut Contracts,
        owned: &mut Owned,
    ) -> Mistakes {
        let table = &self.correct.table.value;
        let report = format!("{}_corrections", table.name());
        let (Some(of), Ok(report)) = (
            contract_of(self.of(), contracts),
            // a name with letters behind it is one
            TableName::new(table.schema(), &report),
        ) else {
            return Mistakes::new();
        };
        let said = contract_of_any(self.corrections(), contracts);
        let has = |name: &str| said.is_some_and(|said| said.column(name).is_some());
        let optional = ["by", "reason"].map(|name| has(name).then_some(name));
        let corrected = self.corrected(asked, before, known);
        let made = [
            (&report, corrected.report_sql(of, optional)),
            (table, corrected.values_sql(of, &report)),
        ];
        let mut mistakes = Mistakes::new();
        for (table, sql) in made {
            if !owned.add_made(table.clone(), sql, &self.place, known.matches) {
                let mistake = Mistake::new(140, format!("`{table}` is made twice"))
                    .help("another step makes it too: give the corrected table another name");
                mistakes.push((self.correct.table.span, mistake));
            }
        }
        let on = said.and_then(|said| said.column(ON));
        let drafted = draft_of_report(&report, of, on, &self.place);
        let draft_of_report = contracts.drafts.entry(report).or_insert(drafted);
        draft_of_report
            .contract
            .tests
            .push(outcomes(self.correct.table.span));
        let drafted = draft(table, &self.place, Materialization::Ephemeral);
        let draft = contracts.drafts.entry(table.clone()).or_insert(drafted);
        if draft.materialized_at.is_none() {
            // a copy of the table is kept only where its contract says so
            draft.contract.materialized = Materialization::Ephemeral;
        }
        mistakes
    }

    fn corrected<'a>(
        &'a self,
        asked: &'a [Asked<'_>],
        before: &[Asked<'_>],
        known: &Known<'_>,
    ) -> Corrected<'a> {
        let is_of_same = |other: &&Asked<'_>| other.corrections() == self.corrections();
        let all = asked.iter().filter(is_of_same).map(Asked::of);
        let source = known.sources.by_table.get(self.of());
        Corrected {
            of: self.of(),
            corrections: self.corrections(),
            // corrections of tables that nobody corrects are told once
            known: (!before.iter().any(|other| is_of_same(&other))).then(|| all.collect()),
            landing: Landing::of(self.corrections(), known.sources),
            zone: source.map_or(known.zone, |source| source.read.conversions().zone),
        }
    }
}

fn contract_of_any<'a>(table: &TableName, contracts: &'a Contracts) -> Option<&'a Contract> {
    contracts.drafts.get(table).map(|draft| &draft.contract)
}

/// The contract of a table of which it says how records are named.
fn contract_of<'a>(table: &TableName, contracts: &'a Contracts) -> Option<&'a Contract> {
    let contract = contract_of_any(table, contracts);
    contract.filter(|contract| !contract.key.is_empty() && !contract.columns.is_empty())
}
