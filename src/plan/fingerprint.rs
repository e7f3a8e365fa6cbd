//! What a table's content, tests and words depend on, as hashes that no upgrade of kilde changes.
//!
//! *Content* is the hash of named parts, and the parts are kept: comparing them says not only that a table is stale but why.
//! Digests of inputs are not among them; these are compared when they are known, at run time. Everything is hashed field by
//! field with its length in front, so that no two different contents ever give the same bytes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};

use super::{Kind, MatchPlan, matching};
use crate::engine::{Analysis, FunctionRegistry};
use crate::name::TableName;
use crate::project::{
    ColumnType, Contract, Limit, OnDrift, Project, Source, TestKind, TestSeverity,
};

mod part;
mod source;
mod unit_test;

pub(crate) use part::ContentPart;
use part::Loaded;
pub(crate) use source::{EvolvedColumn, evolved_columns};
pub(super) use source::{Growth, growth};

/// Bumped by hand when the result of a kind of step may change with equal inputs.
fn semantics(kind: Kind) -> u32 {
    match kind {
        Kind::Source | Kind::Seed | Kind::Table | Kind::Ephemeral => 1,
        // 2: columns that `block`, `must` and `cannot` name are compared in the form of their meaning
        // 3: a decision `same` joins whole groups or nobody; records that it tore from their own come together again
        // 4: a rare e-mail or number is as rare as it looks; a record that knows an address alone speaks against nobody
        // 5: what pairs of two groups say is averaged comparison by comparison, and reaches `same_from` itself
        // 6: no two records that `cannot` or people keep apart are joined, however many `must` holds; redirects wait for lost ids
        Kind::Match | Kind::MatchSide => 6,
    }
}

/// Three hashes, and the parts of the first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Fingerprints {
    /// Changed: the table is computed again.
    pub(crate) content: String,
    /// Changed: it is tested again.
    pub(crate) tests: String,
    /// Changed: its metadata is committed again.
    pub(crate) words: String,
    /// What `content` is made of, by the names of [`ContentPart`]s, and of a source what tells whether its contract only grew.
    pub(crate) parts: BTreeMap<String, String>,
}

impl Fingerprints {
    pub(super) fn part(&self, part: ContentPart<'_>) -> Option<&String> {
        self.parts.get(&part.to_string())
    }

    /// Whether some parts are what they are in another.
    pub(super) fn agrees(&self, other: &Self, parts: &[ContentPart<'_>]) -> bool {
        parts
            .iter()
            .all(|part| self.part(*part) == other.part(*part))
    }

    /// Of a source: whether records replace each other by the same key, and rows lie in the same partitions.
    pub(crate) fn has_layout_of(&self, other: &Self) -> bool {
        let layout = [Loaded::Key, Loaded::PartitionBy].map(ContentPart::Loaded);
        self.agrees(other, &layout)
    }
}

/// What a step's fingerprint needs beside the project.
pub(super) struct StepInputs<'a> {
    pub(super) table: &'a TableName,
    pub(super) kind: Kind,
    pub(super) analysis: &'a Analysis,
    pub(super) schema: &'a SchemaRef,
    pub(super) schemas: &'a BTreeMap<TableName, SchemaRef>,
    /// Fingerprints of the ephemeral steps that it reads directly.
    pub(super) ephemerals: BTreeMap<&'a TableName, &'a Fingerprints>,
}

/// Of a SQL step.
pub(super) fn of_step(
    project: &Project,
    functions: &FunctionRegistry,
    as_of: DateTime<Utc>,
    step: &StepInputs<'_>,
) -> Fingerprints {
    let analysis = step.analysis;
    let contract = project.contracts.get(step.table);
    let mut parts = BTreeMap::from([
        (ContentPart::Sql.to_string(), hash(&[&analysis.canonical])),
        (
            ContentPart::Contract.to_string(),
            layout(step.schema, contract),
        ),
        (
            ContentPart::Kind.to_string(),
            semantics(step.kind).to_string(),
        ),
    ]);
    for input in &analysis.inputs {
        match step.ephemerals.get(input) {
            Some(fingerprints) => {
                parts.extend(parts_within(input, fingerprints));
            }
            None => {
                let columns = step.schemas.get(input).map(columns).unwrap_or_default();
                let part = ContentPart::Input(&input.to_string()).to_string();
                parts.insert(part, hash(&[&columns]));
            }
        }
    }
    for name in &analysis.vars {
        let value = project.vars.get(name).map_or("", String::as_str);
        parts.insert(ContentPart::Var(name).to_string(), hash(&[value]));
    }
    if analysis.uses_as_of {
        let instant = as_of.timestamp_micros().to_string();
        let zone = project.time_zone.name();
        parts.insert(ContentPart::AsOf.to_string(), hash(&[&instant, zone]));
    }
    parts.extend(parts_of_functions(functions, &analysis.functions));
    let mut tests = tests_hash(contract);
    for fingerprints in step.ephemerals.values() {
        tests = hash(&[&tests, &fingerprints.tests]);
    }
    Fingerprints {
        content: of_parts(&parts),
        tests,
        words: words_hash(project, step.table, contract),
        parts,
    }
}

/// Texts of the project's own functions among those called, and the numbers of the others.
fn parts_of_functions(
    functions: &FunctionRegistry,
    called: &BTreeSet<String>,
) -> BTreeMap<String, String> {
    let (texts, called) = functions.sql().within(called);
    let texts = texts.iter();
    let mut parts: BTreeMap<String, String> = texts
        .map(|(name, text)| (ContentPart::Function(name).to_string(), hash(&[text])))
        .collect();
    let numbers = functions.semantics(&called);
    if !numbers.is_empty() {
        let fields: Vec<String> = numbers.iter().map(|(f, n)| format!("{f} {n}")).collect();
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        parts.insert(ContentPart::Functions.to_string(), hash(&fields));
    }
    parts
}

/// The hash of a table's tests, with the functions written in SQL that they call.
pub(super) fn with_functions_of_tests(
    tests: &str,
    functions: &FunctionRegistry,
    analyses: &[Option<Analysis>],
) -> String {
    let called = analyses.iter().flatten();
    let called = called.flat_map(|analysis| analysis.functions.iter().cloned());
    let (texts, _) = functions.sql().within(&called.collect());
    if texts.is_empty() {
        return tests.to_string();
    }
    let mut fields = vec![tests];
    fields.extend(texts.iter().flat_map(|(name, text)| [*name, *text]));
    hash(&fields)
}

/// The parts of an ephemeral step, as parts of its reader.
fn parts_within(table: &TableName, fingerprints: &Fingerprints) -> BTreeMap<String, String> {
    let table = table.to_string();
    let parts = fingerprints.parts.iter().map(|(name, value)| {
        let name = match ContentPart::named(name) {
            // the same wherever it is read
            ContentPart::AsOf
            | ContentPart::Var(_)
            | ContentPart::Input(_)
            | ContentPart::Function(_)
            | ContentPart::Within(..) => name.clone(),
            _ => ContentPart::Within(&table, name).to_string(),
        };
        (name, value.clone())
    });
    parts.collect()
}

/// The content of a source that takes exports which lack columns, as it was before it did; `None` of any other.
pub(super) fn content_without_missing_columns(
    project: &Project,
    table: &TableName,
) -> Option<String> {
    let source = project.sources.get(table)?;
    let takes_them = source.drift.missing.value == OnDrift::Ignore;
    let mut strict = takes_them.then(|| source.clone())?;
    strict.drift.missing.value = OnDrift::RejectFile;
    Some(of_parts(&content_parts(project, table, Some(&strict))))
}

fn content_parts(
    project: &Project,
    table: &TableName,
    source: Option<&Source>,
) -> BTreeMap<String, String> {
    let contract = project.contracts.get(table);
    let kind = semantics(Kind::Source).to_string();
    let mut parts = BTreeMap::from([(ContentPart::Kind.to_string(), kind)]);
    if let (Some(contract), Some(source)) = (contract, source) {
        for (part, value) in [
            (
                ContentPart::Contract,
                source::contract_part(contract, source),
            ),
            (ContentPart::Read, source::read_part(source)),
            (ContentPart::Rules, source::rules_part(contract)),
        ] {
            parts.insert(part.to_string(), value);
        }
    }
    parts
}

/// Of a source.
pub(super) fn of_source(project: &Project, table: &TableName) -> Fingerprints {
    let contract = project.contracts.get(table);
    let source = project.sources.get(table);
    let mut parts = content_parts(project, table, source);
    let content = of_parts(&parts);
    if let (Some(contract), Some(source)) = (contract, source) {
        parts.extend(source::loaded_parts(contract, source));
    }
    Fingerprints {
        content,
        tests: tests_hash(contract),
        words: words_hash(project, table, contract),
        parts,
    }
}

/// Of a seed: its cells, however they are quoted, and its columns.
pub(super) fn of_seed(
    project: &Project,
    table: &TableName,
    schema: Option<&SchemaRef>,
) -> Fingerprints {
    let contract = project.contracts.get(table);
    let kind = semantics(Kind::Seed).to_string();
    let mut parts = BTreeMap::from([(ContentPart::Kind.to_string(), kind)]);
    if let Some(schema) = schema {
        parts.insert(ContentPart::Contract.to_string(), layout(schema, contract));
    }
    if let Some(seed) = project.seeds.get(table) {
        let lines = std::iter::once(&seed.header).chain(&seed.rows);
        let cells = lines.flatten().flat_map(|cell| match &cell.text {
            Some(text) => ["=", text.as_str()],
            None => ["null", ""],
        });
        parts.insert(
            ContentPart::Seed.to_string(),
            hash(&cells.collect::<Vec<_>>()),
        );
    }
    Fingerprints {
        content: of_parts(&parts),
        tests: tests_hash(contract),
        words: words_hash(project, table, contract),
        parts,
    }
}

/// Of a table that a match step makes.
pub(super) fn of_match(
    project: &Project,
    functions: &FunctionRegistry,
    table: &TableName,
    plan: &MatchPlan,
    schemas: &BTreeMap<TableName, SchemaRef>,
) -> Fingerprints {
    let contract = project.contracts.get(table);
    let said = matching::canonical(plan);
    let said: Vec<&str> = said.iter().map(String::as_str).collect();
    let mut parts = BTreeMap::from([
        (
            ContentPart::Kind.to_string(),
            semantics(Kind::Match).to_string(),
        ),
        (ContentPart::Match.to_string(), hash(&said)),
    ]);
    for input in plan.matching.inputs() {
        let columns = schemas.get(&input.value).map(columns).unwrap_or_default();
        let part = ContentPart::Input(&input.value.to_string()).to_string();
        parts.insert(part, hash(&[&columns]));
    }
    parts.extend(parts_of_functions(functions, &plan.functions));
    if let Some(schema) = schemas.get(table) {
        parts.insert(ContentPart::Contract.to_string(), layout(schema, contract));
    }
    Fingerprints {
        content: of_parts(&parts),
        tests: tests_hash(contract),
        words: words_hash(project, table, contract),
        parts,
    }
}

/// The parts of the content that differ; a part that only one side has differs.
pub(super) fn changed_parts<'a>(
    before: &'a Fingerprints,
    now: &'a Fingerprints,
) -> BTreeSet<ContentPart<'a>> {
    let names = before.parts.keys().chain(now.parts.keys());
    names
        .filter(|name| before.parts.get(*name) != now.parts.get(*name))
        .map(|name| ContentPart::named(name))
        .filter(|part| !matches!(part, ContentPart::Loaded(_)))
        .collect()
}

fn of_parts(parts: &BTreeMap<String, String>) -> String {
    let fields: Vec<&str> = parts
        .iter()
        .flat_map(|(name, value)| [name.as_str(), value.as_str()])
        .collect();
    hash(&fields)
}

/// 128 bits, hexadecimal.
fn hash(fields: &[&str]) -> String {
    let mut hasher = blake3::Hasher::new();
    for field in fields {
        hasher.update(&(field.len() as u64).to_le_bytes());
        hasher.update(field.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_string()
}

/// `name type`, one a line: types as contracts write them.
fn columns(schema: &SchemaRef) -> String {
    let lines = schema.fields().iter().map(|field| {
        let data_type = ColumnType::of_arrow(field.data_type());
        let data_type = data_type.map_or_else(|| field.data_type().to_string(), |t| t.to_string());
        format!("{} {data_type}\n", field.name())
    });
    lines.collect()
}

/// What decides how rows lie in files.
fn layout(schema: &SchemaRef, contract: Option<&Contract>) -> String {
    let columns = columns(schema);
    let mut fields = vec![columns.as_str()];
    if let Some(contract) = contract {
        fields.push("key");
        fields.extend(contract.key.iter().map(|column| column.value.as_str()));
        fields.push("partition_by");
        fields.extend(contract.partition_by.iter().map(|c| c.value.as_str()));
    }
    hash(&fields)
}

fn tests_hash(contract: Option<&Contract>) -> String {
    let Some(contract) = contract else {
        return hash(&[]);
    };
    let mut fields: Vec<String> = vec!["key".into()];
    fields.extend(contract.key.iter().map(|column| column.value.clone()));
    for test in &contract.tests {
        fields.push("test".into());
        fields.push(match test.severity {
            TestSeverity::Error => "error".into(),
            TestSeverity::Warn => "warn".into(),
        });
        fields.push(match test.at_most {
            None => String::new(),
            Some(Limit::Count(count)) => format!("{count} rows"),
            Some(Limit::Share(share)) => format!("{share} share"),
        });
        fields.push(test.condition.clone().unwrap_or_default());
        // nothing where nothing is said, so that older fingerprints stay what they were
        fields.extend(test.action.map(|action| action.name().to_string()));
        fields.extend(test_fields(&test.kind));
    }
    for test in &contract.unit_tests {
        fields.extend(unit_test::fields(test));
    }
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    hash(&fields)
}

fn test_fields(kind: &TestKind) -> Vec<String> {
    let optional = |value: &Option<String>| match value {
        Some(value) => format!("={value}"),
        None => String::new(),
    };
    let word = |word: &str| word.to_string();
    match kind {
        TestKind::NotNull { column } => vec![word("not_null"), column.clone()],
        TestKind::Unique { columns } => [vec![word("unique")], columns.clone()].concat(),
        TestKind::AcceptedValues { column, values } => [
            vec![word("accepted_values"), column.clone()],
            values.clone(),
        ]
        .concat(),
        TestKind::Matches { column, pattern } => {
            vec![word("matches"), column.clone(), pattern.clone()]
        }
        TestKind::Range { column, min, max } => {
            vec![word("range"), column.clone(), optional(min), optional(max)]
        }
        TestKind::Relationships {
            columns,
            to,
            fields,
        } => [
            vec![word("relationships")],
            columns.clone(),
            vec![to.to_string()],
            fields.clone(),
        ]
        .concat(),
        TestKind::RowCount { min, max, change } => {
            let mut fields = vec![word("row_count"), format!("{min:?} {max:?}")];
            // nothing where nothing is said, so that older fingerprints stay what they were
            fields.extend(change.map(|change| change.to_string()));
            fields
        }
        TestKind::Keeps { columns, keys_of } => [
            vec![word("keeps")],
            columns.clone(),
            vec![keys_of.to_string()],
        ]
        .concat(),
        TestKind::Sql { query, .. } => vec![word("sql"), query.clone()],
    }
}

fn words_hash(project: &Project, table: &TableName, contract: Option<&Contract>) -> String {
    let mut fields: Vec<String> = project.tags(table);
    let owner = contract
        .and_then(|contract| contract.owner.as_ref())
        .or_else(|| project.pipeline_of(table).and_then(|p| p.owner.as_ref()));
    if let Some(owner) = owner {
        fields.push(format!("owner {}", owner.name));
        fields.push(owner.email.clone().unwrap_or_default());
    }
    if let Some(contract) = contract {
        fields.push(contract.description.clone().unwrap_or_default());
        fields.push(contract.grain.clone().unwrap_or_default());
        fields.push(format!(
            "{:?} {:?}",
            contract.rollback, contract.on_error.value
        ));
        fields.extend(contract.purpose.iter().map(|p| p.value.clone()));
        for column in &contract.columns {
            fields.push(format!("column {}", column.name.value));
            fields.push(column.description.clone().unwrap_or_default());
            fields.push(
                column
                    .personal
                    .map(|m| format!("{m:?}"))
                    .unwrap_or_default(),
            );
            fields.extend(column.purpose.iter().map(|p| p.value.clone()));
        }
    }
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    hash(&fields)
}
