//! Match steps: what they read of the records, what the tables that they make look like, and what is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::check::Surroundings;
use super::contract_check::published_schema;
use super::pin;
use crate::comparison_shape::{Kind, Shape};
use crate::diagnostic::{Code, Diagnostic, SourceFile, Span, nearest};
use crate::engine::{Analysis, InputTable, OutputColumn, Statement};
use crate::name::{TableName, is_identifier};
use crate::project::{ColumnType, Compare, CompareBy, MatchTable, Matching, Meaning, Spanned};

/// What one of the tables of a match step needs to be made.
#[derive(Clone, Debug)]
pub(crate) struct MatchPlan {
    pub(crate) matching: Matching,
    /// The column of the records for each meaning that is compared: the first that the contract lists, or the one that
    /// `compare` names.
    pub(crate) fields: Vec<(Meaning, String)>,
    /// Meanings in which a rare value counts no more than a common one.
    pub(crate) without_rarity: Vec<Meaning>,
    /// Comparisons besides those of the fields.
    pub(crate) asked: Vec<Compare>,
    /// What the columns that the step names itself mean, where they mean something.
    pub(crate) meanings: BTreeMap<String, Meaning>,
    /// The column of decisions that says when each was made.
    pub(crate) decided: Option<String>,
    /// The canonical text of each expression over one record.
    expressions: Vec<String>,
    /// The functions that these call.
    pub(super) functions: BTreeSet<String>,
}

impl MatchPlan {
    /// The column of the records that is compared as a meaning, where one is.
    pub(crate) fn column_of(&self, meaning: Meaning) -> Option<&str> {
        let mut fields = self.fields.iter();
        let (_, column) = fields.find(|(of, _)| *of == meaning)?;
        Some(column)
    }
}

/// Columns that say when a decision was made.
const DECIDED: &[&str] = &["decided_at", "decided_on"];

/// A pattern of levels is one number: this many comparisons, each of this many levels.
const MOST_COMPARISONS: usize = 16;
const MOST_LEVELS: usize = 14;

/// Meanings that say who a record is of.
const COMPARED: &[Meaning] = &[
    Meaning::GivenName,
    Meaning::FamilyName,
    Meaning::Name,
    Meaning::BirthDate,
    Meaning::Email,
    Meaning::Phone,
    Meaning::Address,
    Meaning::Postcode,
    Meaning::NationalId,
];

/// Words at the end of names of columns that are part of an address and hold no street.
const TOWNS: &[&str] = &[
    "city",
    "town",
    "ort",
    "postort",
    "stad",
    "by",
    "sted",
    "poststed",
    "kommun",
    "municipality",
    "region",
    "county",
    "lan",
    "state",
    "country",
    "land",
];

/// Whether a column says where somebody lives no nearer than by the town: it is never compared as an address.
fn is_town(column: &str) -> bool {
    column
        .rsplit('_')
        .next()
        .is_some_and(|word| TOWNS.contains(&word))
}

/// The tables that a match step makes, with their columns.
pub(super) type MatchTables = BTreeMap<TableName, (MatchPlan, SchemaRef)>;

/// A match step against its records.
pub(super) struct Checker<'a> {
    pub(super) matching: &'a Matching,
    pub(super) surroundings: &'a Surroundings<'a>,
    pub(super) known: &'a BTreeSet<TableName>,
    pub(super) tables: &'a BTreeMap<TableName, InputTable>,
    pub(super) records: &'a InputTable,
    pub(super) decisions: Option<&'a InputTable>,
}

impl Checker<'_> {
    /// The tables that the step makes.
    ///
    /// # Errors
    /// Columns that the records lack, SQL that is not of one record, comparisons that do not go together, and records
    /// without a column that says who they are of.
    pub(super) fn check(&self) -> Result<MatchTables, Vec<Diagnostic>> {
        let Self {
            matching, records, ..
        } = self;
        let project = self.surroundings.project;
        let mut found = unknown_columns(matching, records);
        found.extend(
            self.decisions
                .and_then(|table| not_of_decisions(matching, table)),
        );
        let mut expressions = Vec::new();
        let mut functions = BTreeSet::new();
        for text in matching.expressions().filter(|e| !is_identifier(&e.value)) {
            match self.expression(text) {
                Ok(analysis) => {
                    expressions.push(analysis.canonical);
                    functions.extend(analysis.functions);
                }
                Err(mistakes) => found.extend(mistakes),
            }
        }
        let contract = project.contracts.get(&matching.records.value);
        let columns = || contract.into_iter().flat_map(|contract| &contract.columns);
        let mut compared = Comparisons::default();
        if matching.compare.is_empty() {
            let column_of = |meaning: &Meaning| {
                let mut named = columns().filter(|column| column.personal == Some(*meaning));
                let column = named
                    .find(|column| *meaning != Meaning::Address || !is_town(&column.name.value))?;
                Some((*meaning, column.name.value.clone()))
            };
            compared.fields = COMPARED.iter().filter_map(column_of).collect();
            if compared.fields.is_empty() {
                found.push(nothing_to_compare(matching));
            }
        } else {
            found.extend(compared.take(matching));
            if compared.fields.is_empty() && matching.block.is_empty() {
                found.push(nothing_to_block_on(matching));
            }
        }
        found.extend(pin::mistakes(matching, &compared.fields, &compared.asked));
        if !found.is_empty() {
            return Err(found);
        }
        let meanings = columns().filter_map(|c| Some((c.name.value.clone(), c.personal?)));
        let plan = MatchPlan {
            matching: (*matching).clone(),
            fields: compared.fields,
            without_rarity: compared.without_rarity,
            asked: compared.asked,
            meanings: meanings.collect(),
            decided: self
                .decisions
                .and_then(decided)
                .map(|(name, _)| name.to_string()),
            expressions,
            functions,
        };
        let mut tables = MatchTables::new();
        for (part, table) in &matching.tables {
            let output = output(matching, *part, &records.schema);
            let contract = project.contracts.get(table);
            let file = &matching.declared_at.file;
            match published_schema(table, file, &output, contract) {
                Ok(schema) => {
                    tables.insert(table.clone(), (plan.clone(), schema));
                }
                Err(mistakes) => found.extend(mistakes),
            }
        }
        if found.is_empty() {
            Ok(tables)
        } else {
            Err(found)
        }
    }

    /// SQL over the columns of one record.
    fn expression(&self, text: &Spanned<String>) -> Result<Analysis, Vec<Diagnostic>> {
        let file = &self.matching.declared_at.file;
        let before = format!(
            "select * from {} where cast((\n",
            self.matching.records.value
        );
        let query = Arc::new(SourceFile {
            path: file.path.clone(),
            text: format!("{before}{}\n) as varchar) is not null", text.value),
        });
        // YAML may have folded or unescaped the text; where it did not, each byte of it has its own place
        let written = file.text.get(text.span.start..text.span.end);
        let shift = written.unwrap_or_default().find(&text.value);
        let relocate = |mut diagnostic: Diagnostic| {
            let within = before.len()..=before.len() + text.value.len();
            let place = diagnostic.place.take().map(|place| place.span);
            let place =
                place.filter(|span| within.contains(&span.start) && within.contains(&span.end));
            let exact = place.zip(shift).map(|(place, shift)| Span {
                start: place.start - before.len() + text.span.start + shift,
                end: place.end - before.len() + text.span.start + shift,
            });
            diagnostic.at(file, exact.unwrap_or(text.span))
        };
        let analysed = Statement::parse(&query)
            .map_err(|mistake| vec![mistake])
            .and_then(|statement| {
                let uses = statement.tables(self.known)?;
                if uses.len() > 1 {
                    return Err(vec![not_of_one_record()]);
                }
                let surroundings = self.surroundings;
                surroundings.analyse(&statement, &uses, self.tables, false)
            });
        let analysis = analysed.and_then(|analysis| {
            let is_fixed = analysis.vars.is_empty() && !analysis.uses_as_of;
            match is_fixed && analysis.is_row_by_row() {
                true => Ok(analysis),
                false => Err(vec![not_of_one_record()]),
            }
        });
        analysis.map_err(|found| found.into_iter().map(relocate).collect())
    }
}

fn not_of_one_record() -> Diagnostic {
    let message = "blocking rules and levels look at the columns of one record";
    Diagnostic::error(Code(853), message).help(
        "leave out other tables, aggregates, variables and `$as_of`: make a column of it where the records are made",
    )
}

/// What is compared, and how.
#[derive(Default)]
struct Comparisons {
    fields: Vec<(Meaning, String)>,
    without_rarity: Vec<Meaning>,
    asked: Vec<Compare>,
}

impl Comparisons {
    /// Sorts out what `compare` asks for; the mistakes in it.
    fn take(&mut self, matching: &Matching) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let mut names: BTreeSet<String> = BTreeSet::new();
        let mut wrong = |span: Span, message: String, help: &str| {
            let at = &matching.declared_at.file;
            found.push(
                Diagnostic::error(Code(851), message)
                    .at(at, span)
                    .help(help),
            );
        };
        for compare in &matching.compare {
            let levels = match &compare.by {
                CompareBy::Meaning(_) | CompareBy::Exact(_) => 0,
                CompareBy::Text { alike, .. } => alike.len(),
                CompareBy::Number { within, .. } => within.len(),
                CompareBy::Distance { kilometres, .. } => kilometres.len(),
                CompareBy::Levels(levels) => levels.len(),
            };
            if levels > MOST_LEVELS - 2 {
                let message = format!("{levels} levels are too many");
                wrong(compare.span, message, "at most 12: more teach nothing");
            }
            if let CompareBy::Meaning(columns) = &compare.by {
                let is_taken = columns
                    .iter()
                    .any(|(meaning, _)| self.fields.iter().any(|(field, _)| field == meaning));
                if !is_taken {
                    let of_fields = columns.iter().flat_map(|(meaning, _)| kinds(*meaning));
                    names.extend(of_fields.map(|kind| kind.name().to_string()));
                    let fields = columns.iter();
                    let fields = fields.map(|(meaning, column)| (*meaning, column.value.clone()));
                    self.fields.extend(fields);
                    if !compare.term_frequency {
                        let meanings = columns.iter().map(|(meaning, _)| *meaning);
                        self.without_rarity.extend(meanings);
                    }
                    continue;
                }
                if matches!(compare.name.as_str(), "name" | "address") {
                    let message = format!("`{}` is compared twice", compare.name);
                    let help = "a second one is compared as `text` or `exact`";
                    wrong(compare.span, message, help);
                    continue;
                }
            }
            if !names.insert(compare.name.clone()) {
                let message = format!("two comparisons are called `{}`", compare.name);
                let help = "compare a column once: `levels` gives it several levels";
                wrong(compare.span, message, help);
                continue;
            }
            self.asked.push(compare.clone());
        }
        let all = names.len();
        if all > MOST_COMPARISONS {
            let message = format!("{all} comparisons are too many");
            let help = "at most 16; columns that say the same make one comparison";
            wrong(matching.declared_at.span, message, help);
        }
        found
    }
}

/// The comparisons that a column of a meaning makes.
fn kinds(meaning: Meaning) -> &'static [Kind] {
    match meaning {
        Meaning::GivenName => &[Kind::GivenName],
        Meaning::FamilyName => &[Kind::FamilyName],
        Meaning::Name => &[Kind::GivenName, Kind::FamilyName],
        Meaning::BirthDate => &[Kind::BirthDate],
        Meaning::Email => &[Kind::Email],
        Meaning::Phone => &[Kind::Phone],
        Meaning::Address | Meaning::Postcode => &[Kind::Address],
        Meaning::NationalId => &[Kind::NationalId],
        _ => &[],
    }
}

/// What is compared by name and levels: the comparisons of the fields, and those besides.
pub(super) fn shapes(fields: &[(Meaning, String)], asked: &[Compare]) -> Vec<Shape> {
    let of_fields = fields.iter().flat_map(|(meaning, _)| kinds(*meaning));
    let of_fields: BTreeSet<Kind> = of_fields.copied().collect();
    let of_fields = of_fields.into_iter().map(Shape::of);
    let asked = asked.iter();
    let asked = asked.map(|compare| Shape::asked(&compare.name, &compare.how()));
    of_fields.chain(asked).collect()
}

fn unknown_columns(matching: &Matching, records: &InputTable) -> Vec<Diagnostic> {
    let named = matching
        .record_key
        .iter()
        .chain(&matching.must)
        .chain(&matching.cannot);
    let named = named.chain(matching.expressions().filter(|e| is_identifier(&e.value)));
    let named = named.chain(matching.compare.iter().flat_map(Compare::columns));
    let named = named.chain(matching.duplicate_free.iter().map(|free| &free.column));
    let unknown = named.filter(|column| records.schema.column_with_name(&column.value).is_none());
    unknown
        .map(|column| unknown_column(matching, column, records))
        .collect()
}

fn unknown_column(
    matching: &Matching,
    column: &Spanned<String>,
    records: &InputTable,
) -> Diagnostic {
    let known = records
        .schema
        .fields()
        .iter()
        .map(|field| field.name().as_str());
    let diagnostic = Diagnostic::error(
        Code(212),
        format!(
            "`{}` has no column `{}`",
            matching.records.value, column.value
        ),
    )
    .at(&matching.declared_at.file, column.span);
    match nearest(&column.value, known) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

fn nothing_to_compare(matching: &Matching) -> Diagnostic {
    let records = &matching.records;
    Diagnostic::error(
        Code(213),
        format!("nothing says what the columns of `{}` mean", records.value),
    )
    .at(&matching.declared_at.file, records.span)
    .help(format!(
        "in schemas/{}.yaml write `personal: email`, `given_name`, `family_name`, `birth_date`, `phone`, `address`, \
         `postcode` or `national_id` beside the columns that are",
        records.value.location()
    ))
}

fn nothing_to_block_on(matching: &Matching) -> Diagnostic {
    let first = matching.compare.first().map(|compare| compare.span);
    Diagnostic::error(Code(850), "nothing says which records are worth comparing")
        .at(&matching.declared_at.file, first.unwrap_or(matching.declared_at.span))
        .help("write `block`: columns, or SQL over them, on which two records of one entity often agree")
}

/// Decisions without the columns that say of which records they are, and what was decided.
fn not_of_decisions(matching: &Matching, table: &InputTable) -> Option<Diagnostic> {
    let decisions = matching.decisions.as_ref()?;
    let wanted = decision_columns(matching);
    let missing = wanted
        .iter()
        .filter(|name| table.schema.column_with_name(name).is_none());
    let missing: Vec<String> = missing.map(|name| format!("`{name}`")).collect();
    let (message, help) = if missing.is_empty() {
        timeless(decisions, table)?
    } else {
        (
            format!("`{}` lacks {}", decisions.value, missing.join(", ")),
            format!(
                "a row says of two records what they are: {}; `kilde review --csv` writes such rows",
                wanted.join(", ")
            ),
        )
    };
    let mistake = Diagnostic::error(Code(854), message);
    Some(
        mistake
            .at(&matching.declared_at.file, decisions.span)
            .help(help),
    )
}

/// What is wrong with the column that says when a decision was made: as text, none is the latest.
fn timeless(decisions: &Spanned<TableName>, table: &InputTable) -> Option<(String, String)> {
    let (name, field) = decided(table)?;
    let data_type = field.data_type();
    let is_time = matches!(
        data_type,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)
    );
    if is_time {
        return None;
    }
    let written = ColumnType::of_arrow(data_type);
    let written = written.map_or_else(|| data_type.to_string(), |written| written.to_string());
    Some((
        format!(
            "`{name}` of `{}` is `{written}`, by which nothing is the latest",
            decisions.value
        ),
        "declare it as `date` or `timestamp`: as texts, 31.01. comes after 01.03.".to_string(),
    ))
}

/// The column of decisions that says when each was made, where there is one.
fn decided(table: &InputTable) -> Option<(&'static str, &Field)> {
    let mut names = DECIDED.iter();
    names.find_map(|name| Some((*name, table.schema.column_with_name(name)?.1)))
}

/// The columns of decisions: both keys, and what was decided.
pub(crate) fn decision_columns(matching: &Matching) -> Vec<String> {
    let key = matching.record_key.iter().map(|column| &column.value);
    let mut columns: Vec<String> = key.clone().cloned().collect();
    columns.extend(key.map(|column| format!("other_{column}")));
    columns.push("decision".to_string());
    columns
}

/// An input that nothing makes.
pub(super) fn unknown_input<'a>(
    matching: &Matching,
    input: &Spanned<TableName>,
    known: impl Iterator<Item = &'a TableName>,
) -> Diagnostic {
    let names: Vec<String> = known.map(ToString::to_string).collect();
    let diagnostic = Diagnostic::error(
        Code(203),
        format!(
            "`{}` reads `{}`, which no source, seed or step makes",
            matching.table, input.value
        ),
    )
    .at(&matching.declared_at.file, input.span);
    match nearest(&input.value.to_string(), names.iter().map(String::as_str)) {
        Some(near) => diagnostic.help(format!("did you mean `{near}`?")),
        None => diagnostic,
    }
}

/// The columns of a table that a match step makes.
fn output(matching: &Matching, part: MatchTable, records: &Schema) -> Vec<OutputColumn> {
    let span = matching.declared_at.span;
    let key = |prefix: &str| {
        let columns = matching.record_key.iter();
        let columns = columns.filter_map(|column| {
            let field = records.field_with_name(&column.value).ok()?;
            Some((
                format!("{prefix}{}", column.value),
                field.data_type().clone(),
            ))
        });
        columns.collect::<Vec<_>>()
    };
    let text = |name: &str| (name.to_string(), ColumnType::Varchar.arrow());
    let number = |name: &str| (name.to_string(), ColumnType::Double.arrow());
    let count = |name: &str| (name.to_string(), ColumnType::Bigint.arrow());
    let columns: Vec<(String, DataType)> = match part {
        MatchTable::Ids => [key(""), vec![text(&matching.entity_id.value)]].concat(),
        MatchTable::Edges => {
            let said = vec![number("weight"), text("verdict"), text("agreement")];
            [key(""), key("other_"), said].concat()
        }
        MatchTable::Review => {
            let said = vec![number("weight"), text("reason"), text("agreement")];
            [key(""), key("other_"), said].concat()
        }
        MatchTable::Events => vec![
            text(&matching.entity_id.value),
            text("event"),
            text("other_id"),
            count("records_count"),
            ("occurred_at".to_string(), ColumnType::Timestamp.arrow()),
        ],
        MatchTable::Redirects => vec![
            text("old_id"),
            text("new_id"),
            text("lost_id"),
            text("lost_records"),
        ],
        MatchTable::Model => vec![
            text("part"),
            text("name"),
            count("position"),
            text("level"),
            number("same_share"),
            number("stranger_share"),
            number("relative_share"),
            number("weight"),
            count("pairs_count"),
        ],
    };
    let columns = columns.into_iter().map(|(name, data_type)| OutputColumn {
        name,
        data_type,
        span,
    });
    columns.collect()
}

/// What the tables of a match depend on, beside their columns and those of the records.
pub(super) fn canonical(plan: &MatchPlan) -> Vec<String> {
    let matching = &plan.matching;
    let list = |columns: &[Spanned<String>]| {
        let names: Vec<&str> = columns.iter().map(|column| column.value.as_str()).collect();
        names.join(",")
    };
    let fields = plan
        .fields
        .iter()
        .map(|(meaning, column)| format!("{meaning:?} {column}"));
    let block = matching.block.iter().map(|rule| {
        let on = list(&rule.on);
        match rule.refine.is_empty() {
            true => on,
            false => format!("{on} over {} by {}", rule.over, list(&rule.refine)),
        }
    });
    let block: Vec<String> = block.collect();
    let mut said = vec![
        matching.records.value.to_string(),
        list(&matching.record_key),
        matching.entity_id.value.clone(),
        block.join(";"),
        list(&matching.must),
        list(&matching.cannot),
        format!("{} {}", matching.same_from, matching.review_from),
    ];
    said.extend(fields);
    // what is not written leaves no trace, so that a new key makes no table stale
    said.extend(plan.without_rarity.iter().map(|m| format!("plain {m:?}")));
    said.extend(plan.asked.iter().map(said_of));
    // since full names give the parts that records lack, the tables of before are stale
    let is_named_in_full = plan.column_of(Meaning::Name).is_some();
    said.extend(is_named_in_full.then(|| "full names give what is missing".to_string()));
    // since it makes pairs of its own, the tables of before are stale
    said.extend(
        matching
            .must
            .first()
            .map(|_| "must makes pairs".to_string()),
    );
    said.extend(
        matching
            .model
            .iter()
            .map(|model| format!("model {}", model.digest)),
    );
    said.extend(pinned(matching));
    said.extend(plan.expressions.iter().cloned());
    said.extend(
        matching
            .duplicate_free
            .iter()
            .map(|free| format!("once {} {}", free.column.value, free.values.join("\u{1f}"))),
    );
    said
}

/// What is pinned of the model, in an order that is not the project's.
fn pinned(matching: &Matching) -> Vec<String> {
    let pins = &matching.pins;
    let share = |share: &Option<Spanned<f64>>| share.as_ref().map(|share| share.value);
    let levels = pins.levels.iter().map(|pin| {
        let given = (share(&pin.m), share(&pin.u), share(&pin.weight));
        let (comparison, level) = (&pin.comparison.value, &pin.level.value);
        format!("pin {comparison}\u{1f}{level} {given:?}")
    });
    let mut said: Vec<String> = levels.collect();
    said.extend(pins.prior.map(|prior| format!("pin {prior}")));
    said.sort_unstable();
    said
}

/// A comparison in words that no other has.
pub(crate) fn said_of(compare: &Compare) -> String {
    let how = match &compare.by {
        CompareBy::Meaning(columns) => format!("{:?}", columns.first().map(|(m, _)| m)),
        CompareBy::Exact(_) => "exact".to_string(),
        CompareBy::Text { alike, .. } => format!("text {alike:?}"),
        CompareBy::Number { within, .. } => format!("number {within:?}"),
        CompareBy::Distance { kilometres, .. } => format!("distance {kilometres:?}"),
        CompareBy::Levels(levels) => {
            let levels: Vec<&str> = levels.iter().map(|level| level.value.as_str()).collect();
            format!("levels {levels:?}")
        }
    };
    let columns = compare.columns().into_iter();
    let columns: Vec<&str> = columns.map(|column| column.value.as_str()).collect();
    let rarity = compare.term_frequency;
    format!("{} {how} {columns:?} {rarity}", compare.name)
}
