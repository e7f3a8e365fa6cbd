//! `- correct:` of pipelines → SQL steps: a table as stewards corrected it, and what became of each correction.
//!
//! What exports brought stays in its table as it came. Beside it stands the same with corrections applied, for statements to read: a query
//! like any other, so that it is planned, explained and kept up to date as SQL that somebody wrote. It reads the table of what became of
//! each correction and not the corrections themselves: one of another table, or one that changes nothing, makes nothing stale.

mod sql;

use std::collections::BTreeSet;
use std::sync::Arc;

use super::super::raw::{Mistake, RawCorrect, RawPipelineFile, RawStep, listed};
use super::super::{
    Contract, DataTest, Materialization, OnError, RollbackClass, Spanned, TestKind, TestSeverity,
};
use super::blame;
use super::contract::{Contracts, Draft};
use super::matching::Matches;
use super::ownership::Owned;
use crate::diagnostic::{Diagnostic, Place, SourceFile, Span};
use crate::name::TableName;
use sql::{CORRECTED, Corrected, FINE, can_be_corrected};

/// Columns that say what a correction is.
const WANTED: [&str; 5] = ["table", "key", "column", "value", "on"];

/// Adds the steps of every corrected table.
pub(super) fn resolve(
    pipelines: &[(Arc<SourceFile>, Option<RawPipelineFile>)],
    matches: &Matches,
    contracts: &mut Contracts,
    owned: &mut Owned,
    found: &mut Vec<Diagnostic>,
) {
    let mut asked = Vec::new();
    let mut landed = BTreeSet::new();
    for (file, raw) in pipelines {
        let Some(raw) = raw else { continue };
        let sources = raw.sources.items.iter();
        landed.extend(sources.map(|source| &source.value.table.value));
        for step in &raw.steps.items {
            if let RawStep::Correct(correct) = &step.value {
                asked.push(Asked {
                    correct: &correct.0,
                    place: Place {
                        file: Arc::clone(file),
                        span: step.span,
                    },
                });
            }
        }
    }
    asked.sort_by(|one, other| one.correct.table.value.cmp(&other.correct.table.value));
    for (at, Asked { correct, place }) in asked.iter().enumerate() {
        let before = &asked[..at];
        let is_of_same =
            |other: &Asked<'_>| other.correct.corrections.value == correct.corrections.value;
        let known = asked.iter().filter(|other| is_of_same(other));
        let known = known.map(|other| &other.correct.of.value);
        let corrected = Corrected {
            of: &correct.of.value,
            corrections: &correct.corrections.value,
            // corrections of tables that nobody corrects are told once
            known: (!before.iter().any(is_of_same)).then(|| known.collect()),
            is_landed: landed.contains(&correct.corrections.value),
        };
        let mut mistakes = add(correct, place, &corrected, matches, contracts, owned);
        let of = |other: &Asked<'_>| other.correct.of.value == correct.of.value;
        if before.iter().any(of) {
            let message = format!("`{}` is corrected twice", correct.of.value);
            let mistake = Mistake::new(452, message).help("keep one: several steps can read it");
            mistakes.push((correct.of.span, mistake));
        }
        let mistakes = mistakes.into_iter();
        found.extend(mistakes.map(|(span, mistake)| blame(&place.file, span, mistake)));
    }
}

/// A step as written, and where.
struct Asked<'a> {
    correct: &'a RawCorrect,
    place: Place,
}

type Mistakes = Vec<(Span, Mistake)>;

fn add(
    correct: &RawCorrect,
    place: &Place,
    corrected: &Corrected<'_>,
    matches: &Matches,
    contracts: &mut Contracts,
    owned: &mut Owned,
) -> Mistakes {
    let contract_of = |table: &TableName| contracts.drafts.get(table).map(|draft| &draft.contract);
    let Some(of) =
        contract_of(corrected.of).filter(|of| !of.key.is_empty() && !of.columns.is_empty())
    else {
        let message = format!("nothing says how a record of `{}` is named", corrected.of);
        let mistake = Mistake::new(452, message).help(format!(
            "declare its `key` and its columns in schemas/{}.yaml: a correction names a record by them",
            corrected.of.location()
        ));
        return vec![(correct.of.span, mistake)];
    };
    if of.column(CORRECTED).is_some() {
        let message = format!("`{}` has a column `{CORRECTED}` of its own", corrected.of);
        let help = "it says which columns of a row were corrected: call the other otherwise";
        return vec![(correct.of.span, Mistake::new(452, message).help(help))];
    }
    if !can_be_corrected(of) {
        let message = format!(
            "`{}` has no column beside its key that a text can correct",
            corrected.of
        );
        let help = "a key names a record, and lists and structs hold more than one value";
        return vec![(correct.of.span, Mistake::new(452, message).help(help))];
    }
    let said = contract_of(corrected.corrections);
    let said = said.filter(|said| !said.columns.is_empty());
    let missing = said.map(|said| {
        let missing = WANTED.iter().filter(|name| said.column(name).is_none());
        missing.map(|name| format!("`{name}`")).collect::<Vec<_>>()
    });
    if let Some(missing) = missing.filter(|missing| !missing.is_empty()) {
        let message = format!("`{}` lacks {}", corrected.corrections, missing.join(", "));
        let mistake = Mistake::new(453, message).help(format!(
            "a correction says of which table, record and column which value stands, and since when: {}",
            listed(&WANTED)
        ));
        return vec![(correct.corrections.span, mistake)];
    }
    let has = |name: &str| said.is_some_and(|said| said.column(name).is_some());
    let optional = ["by", "reason"].map(|name| has(name).then_some(name));
    let table = &correct.table.value;
    let name = format!("{}_corrections", table.name());
    let Ok(report) = TableName::new(table.schema(), &name) else {
        return Mistakes::new();
    };
    let made = [
        (report.clone(), corrected.report_sql(of, optional)),
        (table.clone(), corrected.values_sql(of, &report)),
    ];
    let mut mistakes = Mistakes::new();
    for (table, sql) in made {
        if !owned.add_made(table.clone(), sql, place, matches) {
            let mistake = Mistake::new(140, format!("`{table}` is made twice"))
                .help("another step makes it too: give the corrected table another name");
            mistakes.push((correct.table.span, mistake));
        }
    }
    // a copy of the table is kept only where its contract says so
    let ephemeral = contract(table, place, Materialization::Ephemeral);
    contracts.drafts.entry(table.clone()).or_insert(ephemeral);
    let draft = contract(&report, place, Materialization::Table);
    let draft = contracts.drafts.entry(report).or_insert(draft);
    draft.contract.tests.push(DataTest {
        kind: TestKind::AcceptedValues {
            column: "outcome".to_string(),
            values: FINE.map(String::from).to_vec(),
        },
        severity: TestSeverity::Warn,
        action: None,
        at_most: None,
        condition: None,
        span: correct.table.span,
    });
    mistakes
}

/// What stands where nobody wrote a contract.
fn contract(table: &TableName, place: &Place, materialized: Materialization) -> Draft {
    Draft {
        contract: Contract {
            table: table.clone(),
            file: Arc::clone(&place.file),
            description: None,
            grain: None,
            key: Vec::new(),
            materialized,
            partition_by: Vec::new(),
            rollback: RollbackClass::Follows,
            on_error: Spanned {
                value: OnError::Stop,
                span: place.span,
            },
            owner: None,
            tags: Vec::new(),
            purpose: Vec::new(),
            subject: None,
            columns: Vec::new(),
            evolved: Vec::new(),
            tests: Vec::new(),
            unit_tests: Vec::new(),
        },
        whole: true,
        clean: true,
        materialized_at: None,
        references: Vec::new(),
    }
}
