//! Published columns of tables, and what statements may name of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};

use crate::engine::InputTable;
use crate::project::{ColumnType, Contract, Load, TestKind};

/// What every source's table holds beside its contract: which record of which export a row came from. They take no part in
/// digests, can be read in SQL, and are never published by a step.
const SYSTEM_COLUMNS: [(&str, ColumnType); 2] = [
    ("_kilde_source_file", ColumnType::Varchar),
    ("_kilde_source_row", ColumnType::Bigint),
];

/// The columns of a contract, every one nullable: tests keep nulls out, not types.
pub(super) fn contract_schema(contract: &Contract) -> SchemaRef {
    let fields = contract
        .columns
        .iter()
        .map(|column| Field::new(&column.name.value, column.data_type.arrow(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The columns of a source's table: its contract's, then [`SYSTEM_COLUMNS`].
pub(super) fn source_schema(contract: &Contract) -> SchemaRef {
    let own = contract_schema(contract);
    let mut fields: Vec<Field> = own.fields().iter().map(|f| f.as_ref().clone()).collect();
    let system = SYSTEM_COLUMNS.iter();
    fields.extend(system.map(|(name, data_type)| Field::new(*name, data_type.arrow(), true)));
    Arc::new(Schema::new(fields))
}

/// The columns that a source's table has: with those that exports brought and nobody declared.
pub(super) fn stored_schema(contract: &Contract) -> SchemaRef {
    let with_evolved = Contract {
        columns: contract.stored_columns().cloned().collect(),
        ..contract.clone()
    };
    source_schema(&with_evolved)
}

/// A table as statements see it.
pub(super) fn input_table(
    schema: SchemaRef,
    contract: Option<&Contract>,
    load: Option<Load>,
) -> InputTable {
    let mut not_null = BTreeSet::new();
    let mut unique = Vec::new();
    if let Some(contract) = contract {
        // the key of an `append` source names records and is not tested
        if load != Some(Load::Append) {
            let key: BTreeSet<String> = contract.key.iter().map(|c| c.value.clone()).collect();
            not_null.extend(key.iter().cloned());
            unique.extend((!key.is_empty()).then_some(key));
        }
        unique.extend(contract.tests.iter().filter_map(|test| match &test.kind {
            TestKind::Unique { columns } => Some(columns.iter().cloned().collect()),
            _ => None,
        }));
        let tested = contract.tests.iter().filter(|test| test.judges_records());
        not_null.extend(tested.filter_map(|test| match &test.kind {
            TestKind::NotNull { column } => Some(column.clone()),
            _ => None,
        }));
    }
    InputTable {
        schema,
        not_null,
        unique,
    }
}
