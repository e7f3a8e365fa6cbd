//! `- match:` of pipelines → [`Matching`]s.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::raw::{ColumnName, Mistake, RawMatch, RawPipelineFile, RawStep};
use super::super::{Limit, MatchTable, Matching, Spanned};
use super::{blame, pipeline_name};
use crate::diagnostic::{Diagnostic, Place, SourceFile, Span};
use crate::name::TableName;

const SAME_FROM: f64 = 1.0;
const REVIEW_FROM: f64 = -4.0;
const MAX_PAIRS: u64 = 200_000_000;
const MAX_BLOCK_SHARE: f64 = 0.25;
const ENTITY_ID: &str = "entity_id";

/// The match steps of a project.
#[derive(Debug, Default)]
pub(super) struct Matches {
    pub(super) by_table: BTreeMap<TableName, Matching>,
    /// Every table that they make → where that is written.
    pub(super) made: BTreeMap<TableName, Place>,
}

/// The match steps of every pipeline; a table that two of them make is a mistake.
pub(super) fn resolve(
    pipelines: &[(Arc<SourceFile>, Option<RawPipelineFile>)],
    found: &mut Vec<Diagnostic>,
) -> Matches {
    let mut matches = Matches::default();
    for (file, raw) in pipelines {
        let steps = raw.iter().flat_map(|raw| &raw.steps.items);
        for step in steps {
            if let RawStep::Match(raw) = &step.value {
                let matching = matching(file, step.span, &raw.0, found);
                if claim(&mut matches, &matching, found) {
                    matches.by_table.insert(matching.table.clone(), matching);
                }
            }
        }
    }
    matches
}

fn claim(matches: &mut Matches, matching: &Matching, found: &mut Vec<Diagnostic>) -> bool {
    let at = &matching.declared_at;
    for table in matching.tables.values() {
        if let Some(other) = matches.made.get(table) {
            let mistake = Mistake::new(140, format!("`{table}` is made twice"))
                .help(format!("{} makes it too: keep one", other.location()));
            found.push(blame(&at.file, at.span, mistake));
            return false;
        }
    }
    let tables = matching.tables.values();
    matches
        .made
        .extend(tables.map(|table| (table.clone(), at.clone())));
    true
}

fn matching(
    file: &Arc<SourceFile>,
    span: Span,
    raw: &RawMatch,
    found: &mut Vec<Diagnostic>,
) -> Matching {
    let names = |columns: &[Spanned<ColumnName>]| columns.iter().map(name).collect::<Vec<_>>();
    let decide = raw.decide.as_ref();
    let same_from = decide
        .and_then(|d| d.same_from)
        .map_or(SAME_FROM, |bits| bits.0);
    let review_from = decide.and_then(|d| d.review_from.as_ref());
    if let Some(review) = review_from.filter(|review| review.value.0 > same_from) {
        let mistake = Mistake::new(126, "`review_from` is above `same_from`")
            .help("pairs between the two are doubtful: let `review_from` be the smaller");
        found.push(blame(file, review.span, mistake));
    }
    let mut share = |limit: Option<&Spanned<Limit>>| match limit {
        Some(Spanned {
            value: Limit::Share(share),
            ..
        }) => Some(*share),
        Some(limit) => {
            let mistake = Mistake::new(103, "this is a share of all, not a count")
                .help("write a percentage: `25%`");
            found.push(blame(file, limit.span, mistake));
            None
        }
        None => None,
    };
    let limits = raw.limits.as_ref();
    let max_block_share = share(limits.and_then(|l| l.max_block_share.as_ref()));
    let max_churn = share(limits.and_then(|l| l.max_churn.as_ref()));
    let table = &raw.table.value;
    let beside = |part: MatchTable| {
        let name = format!("{}{}", table.name(), part.suffix());
        TableName::new(table.schema(), &name)
            .ok()
            .map(|name| (part, name))
    };
    Matching {
        table: table.clone(),
        records: raw.records.clone(),
        record_key: names(&raw.record_key.0),
        entity_id: raw.entity_id.as_ref().map_or_else(
            || Spanned {
                value: ENTITY_ID.to_string(),
                span: raw.table.span,
            },
            name,
        ),
        block: raw.block.0.iter().map(|rule| names(&rule.0)).collect(),
        must: names(&raw.must.0),
        cannot: names(&raw.cannot.0),
        same_from,
        review_from: review_from.map_or(REVIEW_FROM.min(same_from), |bits| bits.value.0),
        max_pairs: limits.and_then(|l| l.max_pairs).unwrap_or(MAX_PAIRS),
        max_block_share: max_block_share.unwrap_or(MAX_BLOCK_SHARE),
        max_churn,
        pipeline: pipeline_name(file),
        declared_at: Place {
            file: Arc::clone(file),
            span,
        },
        tables: MatchTable::ALL.into_iter().filter_map(beside).collect(),
    }
}

fn name(column: &Spanned<ColumnName>) -> Spanned<String> {
    Spanned {
        value: column.value.0.clone(),
        span: column.span,
    }
}
