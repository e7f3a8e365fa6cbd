//! Match steps: what they read of the records, what the tables that they make look like, and what is wrong with them.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::{DataType, Schema, SchemaRef};

use super::contract_check::published_schema;
use crate::diagnostic::{Code, Diagnostic, nearest};
use crate::engine::{InputTable, OutputColumn};
use crate::name::TableName;
use crate::project::{ColumnType, MatchTable, Matching, Meaning, Project, Spanned};

/// What one of the tables of a match step needs to be made.
#[derive(Clone, Debug)]
pub(crate) struct MatchPlan {
    pub(crate) matching: Matching,
    /// The column of the records for each meaning that is compared: the first that the contract lists.
    pub(crate) fields: Vec<(Meaning, String)>,
    /// What the columns that the step names itself mean, where they mean something.
    pub(crate) meanings: BTreeMap<String, Meaning>,
}

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

/// The tables that a match step makes, with their columns.
pub(super) type MatchTables = BTreeMap<TableName, (MatchPlan, SchemaRef)>;

/// Checks a match step against its records.
///
/// # Errors
/// Columns that the records lack, and records without a column that says who they are of.
pub(super) fn check(
    matching: &Matching,
    project: &Project,
    records: &InputTable,
) -> Result<MatchTables, Vec<Diagnostic>> {
    let mut found = unknown_columns(matching, records);
    let contract = project.contracts.get(&matching.records.value);
    let columns = || contract.into_iter().flat_map(|contract| &contract.columns);
    let column_of = |meaning: &Meaning| {
        let column = columns().find(|column| column.personal == Some(*meaning))?;
        Some((*meaning, column.name.value.clone()))
    };
    let fields: Vec<(Meaning, String)> = COMPARED.iter().filter_map(column_of).collect();
    if fields.is_empty() {
        found.push(nothing_to_compare(matching));
    }
    if !found.is_empty() {
        return Err(found);
    }
    let meanings = columns().filter_map(|c| Some((c.name.value.clone(), c.personal?)));
    let meanings: BTreeMap<String, Meaning> = meanings.collect();
    let mut tables = MatchTables::new();
    for (part, table) in &matching.tables {
        let output = output(matching, *part, &records.schema);
        let contract = project.contracts.get(table);
        let file = &matching.declared_at.file;
        match published_schema(table, file, &output, contract) {
            Ok(schema) => {
                let plan = MatchPlan {
                    matching: matching.clone(),
                    fields: fields.clone(),
                    meanings: meanings.clone(),
                };
                tables.insert(table.clone(), (plan, schema));
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

fn unknown_columns(matching: &Matching, records: &InputTable) -> Vec<Diagnostic> {
    let named = matching
        .record_key
        .iter()
        .chain(&matching.must)
        .chain(&matching.cannot);
    let named = named.chain(matching.block.iter().flatten());
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

/// The record that nothing makes.
pub(super) fn unknown_records<'a>(
    matching: &Matching,
    known: impl Iterator<Item = &'a TableName>,
) -> Diagnostic {
    let records = &matching.records;
    let names: Vec<String> = known.map(ToString::to_string).collect();
    let diagnostic = Diagnostic::error(
        Code(203),
        format!(
            "`{}` reads `{}`, which no source, seed or step makes",
            matching.table, records.value
        ),
    )
    .at(&matching.declared_at.file, records.span);
    match nearest(&records.value.to_string(), names.iter().map(String::as_str)) {
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
        MatchTable::Redirects => vec![text("old_id"), text("new_id")],
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
    let block: Vec<String> = matching.block.iter().map(|rule| list(rule)).collect();
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
    said
}
