//! Sources, SQL files and contracts against each other.

use std::collections::{BTreeMap, BTreeSet};

use super::super::raw::{Mistake, listed, nearest_word};
use super::super::{
    Column, ColumnType, Contract, CsvRead, DataTest, FixedRead, GOLD, Load, Materialization,
    OnError, Read, Source, Spanned, TestKind, XlsxRead,
};
use super::contract::{Contracts, Draft};
use super::data_test::Reference;
use super::matching::Matches;
use super::ownership::Owned;
use super::seed::Seeds;
use super::source::{Sources, WrittenAt};
use super::{NO_CONTRACT, blame, explode};
use crate::diagnostic::{Diagnostic, Span};
use crate::name::{PUBLISHED_SCHEMA, TableName};

/// Schemas that are kilde's own: folders of the lake, and names in queries.
const RESERVED: &[&str] = &["ops", "latest", PUBLISHED_SCHEMA];

/// Checks what no file can check alone; gives the contracts with their tests complete.
pub(super) fn check(
    contracts: Contracts,
    sources: &Sources,
    owned: &Owned,
    seeds: &Seeds,
    matches: &Matches,
    found: &mut Vec<Diagnostic>,
) -> BTreeMap<TableName, Contract> {
    let Contracts { mut drafts, unread } = contracts;
    let made = sources.by_table.keys().chain(owned.files.keys());
    // golden records are steps without a file
    let made = made.chain(owned.steps.keys()).chain(seeds.files.keys());
    let made = made.chain(matches.made.keys());
    let tables: BTreeSet<&TableName> = made.collect();
    for (table, source) in &sources.by_table {
        if let Some(at) = sources.written_at.get(table) {
            check_source(source, at, drafts.get(table), &unread, owned, found);
        }
    }
    for (table, file) in owned.files.iter().chain(&seeds.files) {
        if RESERVED.contains(&table.schema()) {
            found.push(blame(file, Span::default(), reserved(table)));
        }
        let described = drafts.contains_key(table) || unread.contains(table);
        if table.schema() == GOLD && !described {
            let mistake = Mistake::new(NO_CONTRACT.0, format!("`{table}` has no contract"))
                .help(format!("people read `{GOLD}`: `kilde contract {table} --write` drafts schemas/{}.yaml, you say what it means", table.location()));
            found.push(blame(file, Span::default(), mistake));
        }
    }
    for (table, at) in &matches.made {
        if RESERVED.contains(&table.schema()) {
            found.push(blame(&at.file, at.span, reserved(table)));
        }
        let source = sources.by_table.get(table).map(|source| &source.file);
        let other = source.or(owned.files.get(table)).or(seeds.files.get(table));
        if let Some(other) = other {
            let mistake = Mistake::new(140, format!("`{table}` is made twice"))
                .help(format!("{} makes it too: keep one", other.path));
            found.push(blame(&at.file, at.span, mistake));
        }
    }
    check_made(sources, owned, seeds, found);
    for (table, draft) in &drafts {
        if matches.made.contains_key(table) {
            check_match_contract(draft, found);
        }
        if tables.contains(table) && !sources.by_table.contains_key(table) {
            check_step_contract(draft, found);
        }
        if seeds.files.contains_key(table) {
            check_seed_contract(draft, found);
        }
        if !tables.contains(table) && sources.whole {
            found.push(orphan(table, draft, &tables, &drafts));
        }
    }
    let fields: BTreeMap<TableName, Vec<Vec<String>>> = drafts
        .iter()
        .map(|(table, draft)| {
            (
                table.clone(),
                check_references(draft, &drafts, &tables, sources.whole, found),
            )
        })
        .collect();
    for (table, fields) in fields {
        if let Some(draft) = drafts.get_mut(&table) {
            complete(draft, fields);
        }
    }
    drafts
        .into_iter()
        .map(|(table, draft)| (table, draft.contract))
        .collect()
}

fn reserved(table: &TableName) -> Mistake {
    Mistake::new(146, format!("`{}` is kilde's own schema", table.schema()))
        .help("call it something else, for example `silver`")
}

/// A schema file that describes nothing.
fn orphan(
    table: &TableName,
    draft: &Draft,
    tables: &BTreeSet<&TableName>,
    drafts: &BTreeMap<TableName, Draft>,
) -> Diagnostic {
    let known: Vec<String> = tables.iter().map(ToString::to_string).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let mistake = Mistake::new(
        144,
        format!("nothing makes `{table}`, which this file describes"),
    );
    let made = format!(
        "write sql/{}.sql, or a source with `table: {table}`",
        table.location()
    );
    let help = match nearest_word(&table.to_string(), &known) {
        Some(near) => {
            let file = format!("schemas/{}.yaml", near.replacen('.', "/", 1));
            match drafts.keys().any(|other| other.to_string() == near) {
                true => format!("did you mean `{near}`? {file} describes it already; else {made}"),
                false => format!("did you mean `{near}`? then call it {file}"),
            }
        }
        None => made,
    };
    let mistake = mistake.help(help);
    blame(&draft.contract.file, Span::default(), mistake)
}

/// Tables that a key of a pipeline stands for: that no export and no seed brings them too.
fn check_made(sources: &Sources, owned: &Owned, seeds: &Seeds, found: &mut Vec<Diagnostic>) {
    let made = owned.steps.iter();
    for (table, step) in made.filter(|(table, _)| !owned.files.contains_key(*table)) {
        let at = &step.declared_at;
        if RESERVED.contains(&table.schema()) {
            found.push(blame(&at.file, at.span, reserved(table)));
        }
        let source = sources.by_table.get(table).map(|source| &source.file);
        if let Some(other) = source.or(seeds.files.get(table)) {
            let mistake = Mistake::new(140, format!("`{table}` is made twice"))
                .help(format!("{} makes it too: keep one", other.path));
            found.push(blame(&at.file, at.span, mistake));
        }
    }
}

fn check_source(
    source: &Source,
    at: &WrittenAt,
    draft: Option<&Draft>,
    unread: &[TableName],
    owned: &Owned,
    found: &mut Vec<Diagnostic>,
) {
    let table = &source.table;
    if RESERVED.contains(&table.schema()) {
        found.push(blame(&source.file, at.table, reserved(table)));
    }
    if let Some(file) = owned.files.get(table) {
        let mistake = Mistake::new(140, format!("`{table}` is made twice"))
            .help(format!("{} makes it too: keep one", file.path));
        found.push(blame(&source.file, at.table, mistake));
    }
    let Some(draft) = draft else {
        if !unread.contains(table) {
            let mistake =
                Mistake::new(NO_CONTRACT.0, format!("source `{table}` has no contract")).help(
                    format!("write schemas/{}.yaml with its `columns`", table.location()),
                );
            found.push(blame(&source.file, at.table, mistake));
        }
        return;
    };
    if draft.whole && draft.clean {
        check_whole_contract(source, draft, at, found);
    }
    check_source_columns(source, draft, found);
    explode::check(source, &draft.contract, found);
    if let (Some(span), Materialization::Ephemeral) =
        (draft.materialized_at, draft.contract.materialized)
    {
        let mistake = Mistake::new(126, "a source is always a table").help("remove `materialized`");
        found.push(blame(&draft.contract.file, span, mistake));
    }
    if draft.contract.on_error != Spanned::default() {
        let mistake = Mistake::new(126, "`on_error` of a source stands where the source does")
            .help(format!("move it to {}, beside `files`", source.file.path));
        found.push(blame(
            &draft.contract.file,
            draft.contract.on_error.span,
            mistake,
        ));
    }
}

/// What the contract of a source must have.
fn check_whole_contract(
    source: &Source,
    draft: &Draft,
    at: &WrittenAt,
    found: &mut Vec<Diagnostic>,
) {
    let contract = &draft.contract;
    if contract.columns.is_empty() {
        let mistake = Mistake::new(
            130,
            format!("the contract of source `{}` has no columns", source.table),
        )
        .help("an export is read as its contract says: `columns: [{name: …, data_type: …}]`");
        found.push(blame(&contract.file, Span::default(), mistake));
        return;
    }
    if source.load == Load::Changes && contract.key.is_empty() {
        let mistake = Mistake::new(
            130,
            format!(
                "`load: changes` needs a key, and `{}` has none",
                source.table
            ),
        )
        .help(format!(
            "the newest record per key wins: add `key: […]` to {}",
            contract.file.path
        ));
        found.push(blame(&source.file, at.table, mistake));
    }
    for (pattern, span) in source.patterns.iter().zip(&at.patterns) {
        for capture in &pattern.captures {
            if capture.format.is_some() || contract.column(&capture.column).is_some() {
                continue;
            }
            let known: Vec<&str> = contract
                .columns
                .iter()
                .map(|column| column.name.value.as_str())
                .collect();
            let mistake = Mistake::new(
                131,
                format!(
                    "`{{{}}}` captures a column that the contract does not have",
                    capture.column
                ),
            );
            let mistake = match nearest_word(&capture.column, &known) {
                Some(near) => mistake.help(format!("did you mean `{{{near}}}`?")),
                None => mistake.help(format!(
                    "declare it in {}, or write `*` where the text does not matter",
                    contract.file.path
                )),
            };
            found.push(blame(&source.file, *span, mistake));
        }
    }
}

/// Columns that the format or the path cannot fill.
fn check_source_columns(source: &Source, draft: &Draft, found: &mut Vec<Diagnostic>) {
    let file = &draft.contract.file;
    check_aliases(source, draft, found);
    for column in &draft.contract.columns {
        let name = &column.name.value;
        let capture = source
            .patterns
            .iter()
            .flat_map(|pattern| &pattern.captures)
            .find(|capture| capture.column == *name);
        let nested = matches!(
            column.data_type,
            ColumnType::List(_) | ColumnType::Struct(_)
        );
        let mistake = match (&source.read, capture, column.from.first()) {
            (_, Some(_), Some(from)) => Some((
                from.span,
                format!("`{name}` comes from the path, and `from` says otherwise"),
                "remove one of them",
            )),
            (_, Some(capture), None)
                if capture.format.is_some() && !holds_time(&column.data_type) =>
            {
                Some((
                    column.name.span,
                    format!(
                        "`{name}` is a time captured from the path, and `{}` holds none",
                        column.data_type
                    ),
                    "make it `date`, `timestamp` or `varchar`",
                ))
            }
            (
                Read::Csv(CsvRead { header_rows: 0, .. })
                | Read::Xlsx(XlsxRead { header_rows: 0, .. }),
                None,
                Some(from),
            ) => Some((
                from.span,
                "an export without a header has no names to take a column from".to_string(),
                "columns come in contract order: remove `from`",
            )),
            (Read::Csv(_) | Read::Fixed(_), None, _) if nested => Some((
                column.name.span,
                format!("`{name}` is `{}`, which CSV cannot hold", column.data_type),
                "read it as `varchar`, or take NDJSON or Parquet",
            )),
            (Read::Xlsx(_), None, _) if nested => Some((
                column.name.span,
                format!(
                    "`{name}` is `{}`, which no cell of a sheet holds",
                    column.data_type
                ),
                "read it as `varchar`",
            )),
            (Read::Fixed(fixed), None, _) if !is_field(fixed, column) => Some((
                column
                    .from
                    .first()
                    .map_or(column.name.span, |from| from.span),
                format!("`{name}` is none of the `fields` of the source"),
                "add it with its width, or name its field in `from`",
            )),
            _ => None,
        };
        if let Some((span, message, help)) = mistake {
            found.push(blame(file, span, Mistake::new(126, message).help(help)));
        }
    }
}

/// Whether a field of the source is what the column takes.
fn is_field(fixed: &FixedRead, column: &Column) -> bool {
    fixed
        .fields
        .iter()
        .any(|(field, _)| column.is_called(field))
}

/// An alias is a name that no other column has, in an export that says names.
fn check_aliases(source: &Source, draft: &Draft, found: &mut Vec<Diagnostic>) {
    let file = &draft.contract.file;
    let is_nameless = matches!(
        source.read,
        Read::Csv(CsvRead { header_rows: 0, .. }) | Read::Xlsx(XlsxRead { header_rows: 0, .. })
    );
    for column in &draft.contract.columns {
        let captures = source.patterns.iter().flat_map(|p| &p.captures);
        let is_captured = captures
            .into_iter()
            .any(|capture| capture.column == column.name.value);
        for alias in &column.aliases {
            let others = draft.contract.columns.iter();
            let mut others = others.filter(|other| other.name.value != column.name.value);
            let mistake = if is_nameless {
                Mistake::new(
                    465,
                    "an export without a header has no names to know a column by",
                )
                .help("columns come in contract order: remove `aliases`")
            } else if is_captured {
                Mistake::new(465, format!("`{}` comes from the path", column.name.value))
                    .help("remove `aliases`")
            } else if let Some(other) = others.find(|other| other.is_called(&alias.value)) {
                let name = &other.name.value;
                Mistake::new(465, format!("`{}` is a name of `{name}` too", alias.value))
                    .help("a name in an export can mean one column only")
            } else {
                continue;
            };
            found.push(blame(file, alias.span, mistake));
        }
    }
}

fn holds_time(data_type: &ColumnType) -> bool {
    matches!(
        data_type,
        ColumnType::Date | ColumnType::Timestamp | ColumnType::Varchar
    )
}

/// Only what comes in can be rejected record by record.
fn refuse_actions(draft: &Draft, found: &mut Vec<Diagnostic>) {
    let tests = draft.contract.tests.iter();
    for test in tests.filter(|test| test.action.is_some()) {
        let mistake = Mistake::new(
            464,
            "`action` is of records that come in, and this table is no source",
        )
        .help("a test has `severity: warn`, `at_most` and `where`");
        found.push(blame(&draft.contract.file, test.span, mistake));
    }
}

/// What a seed cannot be or hold.
fn check_seed_contract(draft: &Draft, found: &mut Vec<Diagnostic>) {
    refuse_actions(draft, found);
    let file = &draft.contract.file;
    if let (Some(span), super::super::Materialization::Ephemeral) =
        (draft.materialized_at, draft.contract.materialized)
    {
        let mistake = Mistake::new(126, "a seed is always a table").help("remove `materialized`");
        found.push(blame(file, span, mistake));
    }
    let nested = draft.contract.columns.iter().filter(|column| {
        matches!(
            column.data_type,
            ColumnType::List(_) | ColumnType::Struct(_)
        )
    });
    for column in nested {
        let message = format!(
            "`{}` is `{}`, which CSV cannot hold",
            column.name.value, column.data_type
        );
        let mistake = Mistake::new(126, message)
            .help("keep it as `varchar`, and take it apart in a step: `string_split(…, '|')`");
        found.push(blame(file, column.name.span, mistake));
    }
}

/// What only the contract of a source can say.
fn check_step_contract(draft: &Draft, found: &mut Vec<Diagnostic>) {
    refuse_actions(draft, found);
    let contract = &draft.contract;
    if contract.materialized == Materialization::Ephemeral
        && contract.on_error.value == OnError::Hold
    {
        let mistake = Mistake::new(126, "an ephemeral step has no version that could be held")
            .help("write `on_error: hold` to the tables that read it");
        found.push(blame(&contract.file, contract.on_error.span, mistake));
    }
    let compares = |test: &&DataTest| match &test.kind {
        TestKind::RowCount { change, .. } => change.is_some(),
        TestKind::Keeps { keys_of, .. } => *keys_of == contract.table,
        _ => false,
    };
    if contract.materialized == Materialization::Ephemeral {
        for test in contract.tests.iter().filter(compares) {
            let mistake = Mistake::new(
                127,
                "an ephemeral step has no published version to compare with",
            )
            .help("test the tables that read it");
            found.push(blame(&contract.file, test.span, mistake));
        }
    }
    for column in &draft.contract.columns {
        let names = [("from", &column.from), ("aliases", &column.aliases)];
        for (key, names) in names {
            let Some(first) = names.first() else { continue };
            let mistake = Mistake::new(
                126,
                format!("`{key}` names a column of an export, and this table is made by SQL"),
            )
            .help(format!("write `… as name` in the SQL and remove `{key}`"));
            found.push(blame(&draft.contract.file, first.span, mistake));
        }
    }
}

/// A table that a match step makes is always a table.
fn check_match_contract(draft: &Draft, found: &mut Vec<Diagnostic>) {
    refuse_actions(draft, found);
    if let (Some(span), Materialization::Ephemeral) =
        (draft.materialized_at, draft.contract.materialized)
    {
        let mistake =
            Mistake::new(126, "what a match makes is always a table").help("remove `materialized`");
        found.push(blame(&draft.contract.file, span, mistake));
    }
}

/// Columns of the other table that each reference means, in the order of the references.
fn check_references(
    draft: &Draft,
    drafts: &BTreeMap<TableName, Draft>,
    tables: &BTreeSet<&TableName>,
    whole: bool,
    found: &mut Vec<Diagnostic>,
) -> Vec<Vec<String>> {
    let mut all = Vec::new();
    for reference in &draft.references {
        let to = &reference.to;
        if !tables.contains(&to.value) && whole {
            let known: Vec<String> = tables.iter().map(ToString::to_string).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let mistake = Mistake::new(147, format!("nothing makes `{}`", to.value));
            let mistake = match nearest_word(&to.value.to_string(), &known) {
                Some(near) => mistake.help(format!("did you mean `{near}`?")),
                None => mistake.help("name a source or a table that a SQL file makes"),
            };
            found.push(blame(&draft.contract.file, to.span, mistake));
        }
        let fields = fields_of(reference, draft, drafts.get(&to.value));
        check_fields(reference, &fields, draft, drafts.get(&to.value), found);
        all.push(fields);
    }
    all
}

/// As written; else the other table's key where it has as many columns; else the same names.
fn fields_of(reference: &Reference, draft: &Draft, other: Option<&Draft>) -> Vec<String> {
    if !reference.fields.is_empty() {
        return reference
            .fields
            .iter()
            .map(|field| field.value.0.clone())
            .collect();
    }
    let columns = match draft
        .contract
        .tests
        .get(reference.test)
        .map(|test| &test.kind)
    {
        Some(TestKind::Relationships { columns, .. }) => columns.clone(),
        _ => Vec::new(),
    };
    match other {
        Some(other) if other.contract.key.len() == columns.len() => other
            .contract
            .key_names()
            .into_iter()
            .map(str::to_string)
            .collect(),
        _ => columns,
    }
}

fn check_fields(
    reference: &Reference,
    fields: &[String],
    draft: &Draft,
    other: Option<&Draft>,
    found: &mut Vec<Diagnostic>,
) {
    let file = &draft.contract.file;
    let to = &reference.to;
    if fields.len() != reference.types.len() {
        let message = format!(
            "{} columns are held against {}",
            reference.types.len(),
            fields.len()
        );
        let span = reference.fields.first().map_or(to.span, |field| field.span);
        found.push(blame(
            file,
            span,
            Mistake::new(127, message).help("name as many on both sides"),
        ));
        return;
    }
    let Some(other) = other.filter(|other| other.whole && !other.contract.columns.is_empty())
    else {
        return;
    };
    for (index, field) in fields.iter().enumerate() {
        let span = reference
            .fields
            .get(index)
            .map_or(to.span, |field| field.span);
        let Some(column) = other.contract.column(field) else {
            let known: Vec<&str> = other
                .contract
                .columns
                .iter()
                .map(|column| column.name.value.as_str())
                .collect();
            let mistake = Mistake::new(124, format!("`{}` has no column `{field}`", to.value));
            let mistake = match nearest_word(field, &known) {
                Some(near) => mistake.help(format!("did you mean `{near}`?")),
                None => mistake.help(format!("it has {}", listed(&known))),
            };
            found.push(blame(file, span, mistake));
            continue;
        };
        if let Some(Some(own)) = reference.types.get(index)
            && kind(own) != kind(&column.data_type)
        {
            let mistake = Mistake::new(
                127,
                format!(
                    "`{own}` is held against `{}.{field}`, which is `{}`",
                    to.value, column.data_type
                ),
            );
            found.push(blame(
                file,
                span,
                mistake.help("values of different kinds are never equal: give both one type"),
            ));
        }
    }
}

/// Types whose values can be equal.
fn kind(data_type: &ColumnType) -> u8 {
    match data_type {
        ColumnType::Varchar => 0,
        ColumnType::Boolean => 1,
        ColumnType::Integer
        | ColumnType::Bigint
        | ColumnType::Double
        | ColumnType::Decimal { .. } => 2,
        ColumnType::Date | ColumnType::Timestamp => 3,
        ColumnType::List(_) => 4,
        ColumnType::Struct(_) => 5,
    }
}

fn complete(draft: &mut Draft, fields: Vec<Vec<String>>) {
    for (reference, meant) in draft.references.iter().zip(fields) {
        if let Some(test) = draft.contract.tests.get_mut(reference.test)
            && let TestKind::Relationships { fields, .. } = &mut test.kind
        {
            *fields = meant;
        }
    }
}
