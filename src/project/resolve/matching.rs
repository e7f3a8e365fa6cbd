//! `- match:` of pipelines → [`Matching`]s.

use std::collections::BTreeMap;
use std::path::{Component, Path};
use std::sync::Arc;

use super::super::raw::{
    ColumnName, Expression, Mistake, Probability, RawBlockRule, RawCompare, RawLevelPin, RawMatch,
    RawPipelineFile, RawStep, Tried,
};
use super::super::{
    BlockRule, Compare, CompareBy, DuplicateFree, LevelPin, Limit, MatchTable, Matching, Meaning,
    ModelFile, NotAModel, PinnedModel, Pins, Spanned,
};
use super::{NO_MODEL, blame, pipeline_name};
use crate::diagnostic::{Diagnostic, Place, SourceFile, Span};
use crate::name::TableName;

const SAME_FROM: f64 = 1.25;
const REVIEW_FROM: f64 = -4.0;
const MAX_PAIRS: u64 = 200_000_000;
const MAX_BLOCK_SHARE: f64 = 0.25;
const REFINE_OVER: u64 = 500;
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
    root: &Path,
    pipelines: &[(Arc<SourceFile>, Option<RawPipelineFile>)],
    found: &mut Vec<Diagnostic>,
) -> Matches {
    let mut matches = Matches::default();
    for (file, raw) in pipelines {
        let steps = raw.iter().flat_map(|raw| &raw.steps.items);
        for step in steps {
            if let RawStep::Match(raw) = &step.value {
                let matching = matching(root, file, step.span, &raw.0, found);
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
    root: &Path,
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
    let compare = raw.compare.0.iter();
    let compare = compare
        .filter_map(|raw| comparison(file, raw, found))
        .collect();
    let model = raw.model.as_ref();
    let model = model.and_then(|path| match pinned(root, path, &raw.table.value) {
        Ok(model) => Some(model),
        Err(mistake) => {
            found.push(blame(file, path.span, mistake));
            None
        }
    });
    let pins = raw.pin.as_ref().map_or_else(Pins::default, |raw| {
        let prior = raw.probability_two_random_records_match;
        let levels = raw.levels.0.iter();
        Pins {
            prior: prior.map(|prior| prior.0),
            levels: levels
                .filter_map(|raw| level_pin(file, raw, found))
                .collect(),
        }
    });
    let record_key = names(&raw.record_key.0);
    let entity_id = raw.entity_id.as_ref().map_or_else(
        || Spanned {
            value: ENTITY_ID.to_string(),
            span: raw.table.span,
        },
        name,
    );
    clashes(file, &record_key, &entity_id, found);
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
        record_key,
        entity_id,
        block: raw
            .block
            .0
            .iter()
            .map(|rule| block_rule(file, rule, found))
            .collect(),
        compare,
        must: names(&raw.must.0),
        cannot: names(&raw.cannot.0),
        duplicate_free: raw.duplicate_free.as_ref().map(|raw| DuplicateFree {
            column: name(&raw.column),
            values: raw.values.0.clone(),
        }),
        decisions: raw.decisions.clone(),
        model,
        pins,
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

/// Columns that the tables of pairs have of their own, and those of what happens to ids.
const OF_PAIRS: [&str; 4] = ["weight", "verdict", "agreement", "reason"];
const OF_EVENTS: [&str; 4] = ["event", "other_id", "records_count", "occurred_at"];

/// Names of the key and of the id that a table of the match would have twice.
fn clashes(
    file: &Arc<SourceFile>,
    key: &[Spanned<String>],
    id: &Spanned<String>,
    found: &mut Vec<Diagnostic>,
) {
    let mut clash = |of: &Spanned<String>, whose: &str, help: &str| {
        let message = format!("`{}` is {whose}, and a table has each name once", of.value);
        found.push(blame(file, of.span, Mistake::new(454, message).help(help)));
    };
    let other_id = "name the id otherwise: `entity_id: person_id`";
    if key.iter().any(|column| column.value == id.value) {
        clash(id, "a column of the records' key", other_id);
    }
    if OF_EVENTS.contains(&&*id.value) {
        clash(id, "a column of the events of ids", other_id);
    }
    for column in key {
        let is_other = key
            .iter()
            .any(|other| column.value.strip_prefix("other_") == Some(&*other.value));
        if is_other || OF_PAIRS.contains(&&*column.value) {
            let help = "give the records another name for it, by a SQL step before the match";
            clash(column, "a column of the match's pairs", help);
        }
    }
}

/// A blocking rule; what splits its blocks is something else than what they agree on.
fn block_rule(
    file: &Arc<SourceFile>,
    raw: &RawBlockRule,
    found: &mut Vec<Diagnostic>,
) -> BlockRule {
    let refined = match raw {
        RawBlockRule::On(on) => {
            return BlockRule {
                on: on.0.iter().map(text).collect(),
                refine: Vec::new(),
                over: 0,
            };
        }
        RawBlockRule::Refined(refined) => refined,
    };
    let on: Vec<Spanned<String>> = refined.on.0.iter().map(text).collect();
    let refine: Vec<Spanned<String>> = refined.refine.0.iter().map(text).collect();
    for (at, key) in refine.iter().enumerate() {
        let before = on.iter().chain(&refine[..at]);
        if before.into_iter().any(|other| other.value == key.value) {
            let message = format!("`{}` splits no block: its records agree on it", key.value);
            let mistake = Mistake::new(451, message)
                .help("name a column that `on` and the keys before do not");
            found.push(blame(file, key.span, mistake));
        }
    }
    let over = refined.over.as_ref();
    if let Some(over) = over.filter(|over| over.value < 2) {
        let mistake = Mistake::new(
            451,
            "a block of one record makes no pair, and needs no split",
        )
        .help(format!("at least 2; the default is {REFINE_OVER}"));
        found.push(blame(file, over.span, mistake));
    }
    BlockRule {
        on,
        refine,
        over: usize::try_from(over.map_or(REFINE_OVER, |over| over.value)).unwrap_or(usize::MAX),
    }
}

/// What is given of a level; `None` after saying that nothing is, or too much.
fn level_pin(
    file: &Arc<SourceFile>,
    raw: &Spanned<RawLevelPin>,
    found: &mut Vec<Diagnostic>,
) -> Option<LevelPin> {
    let RawLevelPin {
        comparison,
        level,
        m_probability,
        u_probability,
        match_weight,
    } = &raw.value;
    let is_share = m_probability.is_some() || u_probability.is_some();
    let weight = match_weight.as_ref().and_then(|weight| weight.0.as_ref());
    if let Some(weight) = weight.filter(|_| is_share) {
        let mistake = Mistake::new(
            450,
            "a weight is pinned beside a probability of the same level",
        )
        .help("the weight is log2 of m / u: write both probabilities, or the weight alone");
        found.push(blame(file, weight.span, mistake));
        return None;
    }
    if match_weight.is_none() && !is_share {
        let mistake = Mistake::new(450, format!("nothing is pinned of `{}`", level.value))
            .help("write `m_probability`, `u_probability` or both, or `match_weight` in bits");
        found.push(blame(file, raw.span, mistake));
        return None;
    }
    let share = |share: &Option<Tried<Spanned<Probability>>>| {
        let share = share.as_ref().and_then(|share| share.0.as_ref());
        share.map(|share| Spanned {
            value: share.value.0,
            span: share.span,
        })
    };
    Some(LevelPin {
        comparison: comparison.clone(),
        level: level.clone(),
        m: share(m_probability),
        u: share(u_probability),
        weight: weight.map(|weight| Spanned {
            value: weight.value.0,
            span: weight.span,
        }),
    })
}

/// The model of a file of the project.
fn pinned(root: &Path, path: &Spanned<String>, table: &TableName) -> Result<PinnedModel, Mistake> {
    let name = &path.value;
    let is_within = Path::new(name)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    if !is_within {
        return Err(
            Mistake::new(NO_MODEL.0, format!("`{name}` is no file of the project"))
                .help("write its path from the folder of kilde.yaml: `matching/customer_ids.json`"),
        );
    }
    let text = std::fs::read_to_string(root.join(name)).map_err(|error| {
        Mistake::new(NO_MODEL.0, format!("the model `{name}` cannot be read: {error}"))
            .help(format!(
                "`kilde match train {table} --write {name}` writes one; before the first build take `model:` out"
            ))
    })?;
    let model = ModelFile::read(&text).map_err(|wrong| {
        let NotAModel { line, column, what } = wrong;
        Mistake::new(NO_MODEL.0, format!("{name}:{line}:{column} is not as a model is: {what}"))
            .help(format!(
                "`kilde match train {table} --write {name}` and `kilde match model --json` write what can stand there"
            ))
    })?;
    Ok(PinnedModel {
        path: name.clone(),
        digest: blake3::hash(text.as_bytes()).to_hex().to_string(),
        model: Arc::new(model),
    })
}

fn name(column: &Spanned<ColumnName>) -> Spanned<String> {
    Spanned {
        value: column.value.0.clone(),
        span: column.span,
    }
}

fn text(expression: &Spanned<Expression>) -> Spanned<String> {
    Spanned {
        value: expression.value.0.clone(),
        span: expression.span,
    }
}

const ALIKE: [f64; 2] = [0.95, 0.88];

/// A comparison whose settings make sense; `None` after saying why they do not.
fn comparison(
    file: &Arc<SourceFile>,
    raw: &Spanned<RawCompare>,
    found: &mut Vec<Diagnostic>,
) -> Option<Compare> {
    let mut wrong = |span: Span, message: &str, help: &str| {
        found.push(blame(file, span, Mistake::new(126, message).help(help)));
    };
    let meaning = |meaning: Meaning, column: &Spanned<ColumnName>| {
        CompareBy::Meaning(vec![(meaning, name(column))])
    };
    let several = |columns: [(Meaning, &Option<Spanned<ColumnName>>); 3]| {
        let columns = columns.into_iter();
        let columns = columns.filter_map(|(meaning, column)| Some((meaning, column.as_ref()?)));
        let columns: Vec<_> = columns.map(|(meaning, c)| (meaning, name(c))).collect();
        columns
    };
    let (called, by, term_frequency) = match &raw.value {
        RawCompare::Name(raw_name) => {
            let columns = several([
                (Meaning::GivenName, &raw_name.given),
                (Meaning::FamilyName, &raw_name.family),
                (Meaning::Name, &raw_name.full),
            ]);
            if columns.is_empty() {
                let help = "write `given` and `family`, or `full`";
                wrong(raw.span, "`name` compares no column", help);
                return None;
            }
            let by = CompareBy::Meaning(columns);
            ("name", by, raw_name.term_frequency)
        }
        RawCompare::Address(address) => {
            let columns = several([
                (Meaning::Address, &address.street),
                (Meaning::Postcode, &address.postcode),
                (Meaning::Address, &None),
            ]);
            if columns.is_empty() {
                let help = "write `street`, `postcode` or both";
                wrong(raw.span, "`address` compares no column", help);
                return None;
            }
            (
                "address",
                CompareBy::Meaning(columns),
                address.term_frequency,
            )
        }
        RawCompare::Date(day) => {
            let column = &day.column;
            (&*column.value.0, meaning(Meaning::BirthDate, column), None)
        }
        RawCompare::Email(one) => {
            let by = meaning(Meaning::Email, &one.column);
            (&*one.column.value.0, by, one.term_frequency)
        }
        RawCompare::Phone(one) => {
            let by = meaning(Meaning::Phone, &one.column);
            (&*one.column.value.0, by, one.term_frequency)
        }
        RawCompare::NationalId(one) => {
            let by = meaning(Meaning::NationalId, &one.column);
            (&*one.column.value.0, by, one.term_frequency)
        }
        RawCompare::Exact(one) => {
            let by = CompareBy::Exact(name(&one.column));
            (&*one.column.value.0, by, one.term_frequency)
        }
        RawCompare::Text(one) => {
            let bounds: Vec<f64> = one.alike.0.iter().map(|from| from.value.0).collect();
            if let Some(at) = bounds.windows(2).position(|two| two[1] >= two[0]) {
                let help = "the strongest level first: `[0.95, 0.88]`";
                wrong(one.alike.0[at + 1].span, "similarities do not fall", help);
                return None;
            }
            let by = CompareBy::Text {
                column: name(&one.column),
                alike: if bounds.is_empty() {
                    ALIKE.to_vec()
                } else {
                    bounds
                },
            };
            (&*one.column.value.0, by, one.term_frequency)
        }
        RawCompare::Number(one) => {
            let by = CompareBy::Number {
                column: name(&one.column),
                within: one.within.0.iter().map(|within| within.value).collect(),
            };
            (&*one.column.value.0, by, None)
        }
        RawCompare::Distance(one) => {
            let bounds: Vec<f64> = one.within.0.iter().map(|within| within.value.0).collect();
            if let Some(at) = bounds.windows(2).position(|two| two[1] <= two[0]) {
                let help = "the nearest first: `[1 km, 10 km]`";
                wrong(one.within.0[at + 1].span, "distances do not rise", help);
                return None;
            }
            let by = CompareBy::Distance {
                latitude: name(&one.latitude),
                longitude: name(&one.longitude),
                kilometres: bounds,
            };
            ("distance", by, None)
        }
        RawCompare::Levels(one) => {
            let levels = one.equal.0.iter().map(text).collect();
            let by = CompareBy::Levels(levels);
            (&*one.name.value.0, by, one.term_frequency)
        }
    };
    Some(Compare {
        name: called.to_string(),
        by,
        term_frequency: term_frequency.unwrap_or(true),
        span: raw.span,
    })
}
