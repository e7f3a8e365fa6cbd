//! `- golden:` of pipelines → SQL steps: the best-known values, where they come from, and what a person should look at.
//!
//! A golden record is a query over the ids and the records, so it is one here too: planned, tested, explained and kept up to
//! date as SQL that somebody wrote.

mod field;
mod sql;

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono_tz::Tz;

use super::super::raw::{ColumnName, Mistake, RawGolden, RawPipelineFile, RawStep, Take};
use super::super::{ColumnType, Contract, Matching, Spanned};
use super::blame;
use super::contract::Contracts;
use super::correction::{Landing, misfit};
use super::matching::Matches;
use super::ownership::Owned;
use super::source::Sources;
use crate::diagnostic::{Diagnostic, Place, SourceFile, Span, nearest};
use crate::name::TableName;
use field::Field;
use sql::{Corrections, Golden};

/// The column of corrections that says when.
const ON: &str = "corrected_on";

/// What a golden record is made of.
pub(super) struct Known<'a> {
    pub(super) matches: &'a Matches,
    pub(super) sources: &'a Sources,
    pub(super) contracts: &'a Contracts,
    /// The project's.
    pub(super) zone: Tz,
}

/// Adds the steps of every golden record.
pub(super) fn resolve(
    pipelines: &[(Arc<SourceFile>, Option<RawPipelineFile>)],
    known: &Known<'_>,
    owned: &mut Owned,
    found: &mut Vec<Diagnostic>,
) {
    for (file, raw) in pipelines {
        let steps = raw.iter().flat_map(|raw| &raw.steps.items);
        for step in steps {
            if let RawStep::Golden(golden) = &step.value {
                let declared_at = Place {
                    file: Arc::clone(file),
                    span: step.span,
                };
                let mistakes = add(&golden.0, &declared_at, known, owned);
                found.extend(mistakes.into_iter().map(|(span, m)| blame(file, span, m)));
            }
        }
    }
}

type Mistakes = Vec<(Span, Mistake)>;

fn add(golden: &RawGolden, declared_at: &Place, known: &Known<'_>, owned: &mut Owned) -> Mistakes {
    let matches = known.matches;
    let Some(matching) = matches.by_table.get(&golden.of.value) else {
        return vec![(golden.of.span, no_ids(golden, matches))];
    };
    let mut mistakes = twice(golden, matching);
    mistakes.extend(golden.fields.0.iter().flat_map(misfits));
    let corrections = corrections(golden, matching, known, &mut mistakes);
    let fields = golden.fields.0.iter();
    let whole = Golden {
        matching,
        fields: fields.map(|field| Field::of(&field.value)).collect(),
        corrections,
    };
    let table = &golden.table.value;
    let beside = |suffix: &str| {
        let name = format!("{}_{suffix}", table.name());
        TableName::new(table.schema(), &name).ok()
    };
    let mut made = vec![(Some(table.clone()), whole.values_sql())];
    if whole.best().next().is_some() {
        made.push((beside("sources"), whole.sources_sql()));
        made.push((beside("review"), whole.review_sql()));
    }
    for (table, sql) in made {
        let Some(table) = table else { continue };
        if !owned.add_made(table.clone(), sql, declared_at, matches) {
            let mistake = Mistake::new(140, format!("`{table}` is made twice"))
                .help("another step makes it too: give the golden record another name");
            mistakes.push((golden.table.span, mistake));
        }
    }
    mistakes
}

/// What people know better, if anything of the golden record can be put right.
fn corrections(
    golden: &RawGolden,
    matching: &Matching,
    known: &Known<'_>,
    mistakes: &mut Mistakes,
) -> Option<Corrections> {
    let table = golden.corrections.as_ref()?;
    let records = known.contracts.drafts.get(&matching.records.value);
    let records = records.map(|draft| &draft.contract);
    mistakes.extend(not_of_corrections(table, matching, known.contracts));
    mistakes.extend(untyped(golden, matching, records));
    let mut fields = golden.fields.0.iter();
    if fields.all(|field| field.value.take.unwrap_or_default() != Take::Best) {
        let mistake = Mistake::new(
            859,
            "a correction is the best value, and no field takes that",
        )
        .help("leave `corrections` out, or `take` of a field");
        mistakes.push((table.span, mistake));
        return None;
    }
    Some(Corrections {
        table: table.value.clone(),
        landing: Landing::of(&table.value, known.sources),
        zone: known.zone,
        types: types(records),
    })
}

fn no_ids(golden: &RawGolden, matches: &Matches) -> Mistake {
    let names: Vec<String> = matches.by_table.keys().map(ToString::to_string).collect();
    let message = format!("`{}` is no table of ids", golden.of.value);
    let near = nearest(
        &golden.of.value.to_string(),
        names.iter().map(String::as_str),
    );
    Mistake::new(203, message).help(match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "name the `table` of a match step".to_string(),
    })
}

/// Columns that would stand twice in one row.
fn twice(golden: &RawGolden, matching: &Matching) -> Mistakes {
    let mut seen: BTreeSet<&str> = BTreeSet::from([matching.entity_id.value.as_str()]);
    let fields = golden.fields.0.iter().map(|field| &field.value);
    let columns = fields.flat_map(|field| match field.as_.0.is_empty() {
        true => &field.columns.0,
        false => &field.as_.0,
    });
    let again = columns.filter(|column| !seen.insert(&column.value.0));
    let mistakes = again.map(|column| {
        let message = format!("`{}` is in the golden record twice", column.value.0);
        let help = "`as: NAME` calls a column otherwise; the id is there already";
        (column.span, Mistake::new(858, message).help(help))
    });
    mistakes.collect()
}

/// Settings of a field that do not go together.
fn misfits(field: &Spanned<super::super::raw::RawGoldenField>) -> Mistakes {
    let raw = &field.value;
    let columns = raw.columns.0.len();
    let mut mistakes = Mistakes::new();
    if !raw.as_.0.is_empty() && raw.as_.0.len() != columns {
        let message = format!("{columns} columns, and {} names for them", raw.as_.0.len());
        let mistake = Mistake::new(859, message).help("`as` names each column, in their order");
        mistakes.push((raw.as_.0[0].span, mistake));
    }
    let take = raw.take.unwrap_or_default();
    if take != Take::Best && columns > 1 {
        let mistake = Mistake::new(859, "only the best is taken of several columns together")
            .help("write a field for each column");
        mistakes.push((raw.columns.0[1].span, mistake));
    }
    if !matches!(take, Take::Best | Take::List) && !raw.rules.0.is_empty() {
        let mistake = Mistake::new(859, "rules choose between values, and here all are taken")
            .help("leave `rules` out");
        mistakes.push((field.span, mistake));
    }
    mistakes
}

/// Corrections without the columns that say of which record, which field and what, or without a day.
fn not_of_corrections(
    table: &Spanned<TableName>,
    matching: &Matching,
    contracts: &Contracts,
) -> Mistakes {
    let key = matching.record_key.iter();
    let key = key.map(|column| column.value.as_str());
    let wanted: Vec<&str> = key.chain(["field", "value", ON]).collect();
    let must_say = "a correction says of a record's person which field has which value";
    let mistake = misfit(&table.value, &wanted, ON, contracts, (860, must_say));
    let mistakes = mistake.into_iter();
    mistakes.map(|mistake| (table.span, mistake)).collect()
}

/// Columns of which nothing says what a text must become.
fn untyped(golden: &RawGolden, matching: &Matching, records: Option<&Contract>) -> Mistakes {
    let fields = golden.fields.0.iter().map(|field| &field.value);
    let best = fields.filter(|field| field.take.unwrap_or_default() == Take::Best);
    let columns = best.flat_map(|field| &field.columns.0);
    let unknown = columns.filter(|column: &&Spanned<ColumnName>| {
        records.is_none_or(|records| records.column(&column.value.0).is_none())
    });
    let mistakes = unknown.map(|column| {
        let message = format!(
            "nothing says of which type a correction of `{}` is",
            column.value.0
        );
        let help = format!(
            "declare the column in schemas/{}.yaml",
            matching.records.value.location()
        );
        (column.span, Mistake::new(861, message).help(help))
    });
    mistakes.collect()
}

fn types(records: Option<&Contract>) -> Vec<(String, ColumnType)> {
    let columns = records.into_iter().flat_map(|contract| &contract.columns);
    columns
        .map(|column| (column.name.value.clone(), column.data_type.clone()))
        .collect()
}
