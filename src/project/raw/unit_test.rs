//! `unit_tests:` as written: rows stay text, and are typed by the columns that they stand for.

use schemars::{Schema, SchemaGenerator, json_schema};

use super::super::Spanned;
use super::super::unit_test::{Cell, FixtureCell, FixtureRow};
use super::declare::section;
use super::decode::{Decode, Mistake, Named, Sink};
use super::tree::{Entry, Node, Value};

section! {
    /// A step, given rows and expected rows.
    RawUnitTest {
        /// Its name.
        name: Spanned<String>,
        /// What it shows.
        description: Option<String>,
        /// The date or time that the test speaks of (`$as_of`); needed where the step uses it.
        as_of: Option<Spanned<String>>,
        /// Variables of kilde.yaml that are other here, as text.
        vars: Named<Spanned<String>>,
        /// Rows by the table that holds them, as a list or a file below the project's root: `{csv: …}`, `{parquet: …}`.
        /// Inputs not given are empty; columns not given are null.
        given: RawGiven,
        /// Rows that must come out, in any order, likewise. Columns that no row names are not compared.
        expect: RawFixture,
    }
}

/// Rows by table.
#[derive(Clone, Debug, Default)]
pub(crate) struct RawGiven(pub(crate) Named<RawFixture>);

/// Rows, or the file that holds them.
#[derive(Clone, Debug)]
pub(crate) enum RawFixture {
    Rows(Vec<FixtureRow>),
    Csv(Spanned<String>),
    Parquet(Spanned<String>),
}

impl Decode for RawGiven {
    const REQUIRED: bool = false;

    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        if let Value::List(_) = &node.value {
            let mistake = Mistake::new(108, "`given` is a map of tables, not a list");
            sink.report(
                node.span,
                mistake.help(
                    "write `given: {silver.people: [{…}]}`: each input's table, then its rows",
                ),
            );
            return None;
        }
        Named::decode(node, sink).map(Self)
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        Named::<RawFixture>::schema(generator)
    }
}

impl Decode for RawFixture {
    fn decode(node: &Node, sink: &mut Sink) -> Option<Self> {
        match &node.value {
            Value::List(nodes) => {
                let rows = nodes.iter().map(|node| row(node, sink));
                // every row's mistakes first
                let rows: Vec<Option<FixtureRow>> = rows.collect();
                rows.into_iter().collect::<Option<Vec<_>>>().map(Self::Rows)
            }
            Value::Map(entries) if entries.len() == 1 => file(&entries[0], sink),
            _ => {
                sink.unexpected(node, "a list of rows, `{csv: …}` or `{parquet: …}`");
                None
            }
        }
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"anyOf": [
            {"type": "array", "items": {"type": "object"}},
            {"type": "object", "properties": {"csv": {"type": "string"}, "parquet": {"type": "string"}},
             "additionalProperties": false, "minProperties": 1, "maxProperties": 1},
        ]})
    }
}

fn file(entry: &Entry, sink: &mut Sink) -> Option<RawFixture> {
    match entry.key.value.as_str() {
        "csv" => Spanned::decode(&entry.value, sink).map(RawFixture::Csv),
        "parquet" => Spanned::decode(&entry.value, sink).map(RawFixture::Parquet),
        "rows" => {
            let mistake = Mistake::new(108, "rows stand without a key of their own");
            sink.report(entry.key.span, mistake.help("write `expect: [{…}, {…}]`"));
            None
        }
        _ => {
            sink.unknown_key(&entry.key, &["csv", "parquet"]);
            None
        }
    }
}

fn row(node: &Node, sink: &mut Sink) -> Option<FixtureRow> {
    let Value::Map(entries) = &node.value else {
        sink.unexpected(node, "a row: `{column: value, …}`");
        return None;
    };
    Some(FixtureRow {
        cells: fields(entries, sink),
    })
}

fn fields(entries: &[Entry], sink: &mut Sink) -> Vec<(Spanned<String>, FixtureCell)> {
    let mut cells: Vec<(Spanned<String>, FixtureCell)> = Vec::with_capacity(entries.len());
    for entry in entries {
        match cells.iter().find(|(key, _)| key.value == entry.key.value) {
            Some((first, _)) => sink.repeated_key(&entry.key, first.span),
            None => cells.push((entry.key.clone(), cell(&entry.value, sink))),
        }
    }
    cells
}

fn cell(node: &Node, sink: &mut Sink) -> FixtureCell {
    let value = match &node.value {
        _ if node.is_null() => Cell::Null,
        Value::Text { text, .. } => Cell::Text(text.clone()),
        Value::List(items) => Cell::List(items.iter().map(|item| cell(item, sink)).collect()),
        Value::Map(entries) => Cell::Struct(fields(entries, sink)),
    };
    FixtureCell {
        span: node.span,
        value,
    }
}
