//! What stands where nobody wrote a contract of a corrected table, or of what became of its corrections.

use std::sync::Arc;

use super::super::super::{
    Column, ColumnType, Contract, DataTest, Materialization, Meaning, OnError, RollbackClass,
    Spanned, Subject, TestKind, TestSeverity,
};
use super::super::contract::Draft;
use super::sql::FINE;
use crate::diagnostic::{Place, Span};
use crate::name::TableName;

/// The column that says of which record a correction is.
const RECORD_KEY: &str = "record_key";

/// What became of each correction. It is of the person of whom the record is, and what it quotes may be anything of them: an address
/// in one row, a name in the next. `on`: the column of corrections that says when.
pub(super) fn draft_of_report(
    table: &TableName,
    of: &Contract,
    on: Option<&Column>,
    place: &Place,
) -> Draft {
    let mut draft = draft(table, place, Materialization::Table);
    let Some(on) = on else { return draft };
    let says_of_people = Some(Meaning::FreeText);
    let columns = [
        ("table_name", ColumnType::Varchar, None),
        (RECORD_KEY, ColumnType::Varchar, None),
        ("column_name", ColumnType::Varchar, None),
        ("value", ColumnType::Varchar, says_of_people),
        ("source_value", ColumnType::Varchar, says_of_people),
        ("outcome", ColumnType::Varchar, None),
        ("corrected_on", on.data_type.clone(), None),
        ("corrected_by", ColumnType::Varchar, None),
        ("reason", ColumnType::Varchar, says_of_people),
        ("source_file", ColumnType::Varchar, None),
        ("source_row", ColumnType::Bigint, None),
    ];
    let columns = columns
        .into_iter()
        .map(|(name, data_type, personal)| Column {
            name: Spanned {
                value: name.to_string(),
                span: place.span,
            },
            data_type,
            description: None,
            personal,
            from: Vec::new(),
            aliases: Vec::new(),
            purpose: Vec::new(),
        });
    draft.contract.columns = columns.collect();
    draft.contract.subject = subject(of);
    draft
}

/// Whose a correction is, where the key of the table names a record of somebody.
fn subject(of: &Contract) -> Option<Subject> {
    let [key] = of.key.as_slice() else {
        return None;
    };
    match of.subject.as_ref()? {
        Subject::Customer(id) if *id == key.value => {
            Some(Subject::Customer(RECORD_KEY.to_string()))
        }
        Subject::Record { source, id } if *id == key.value => Some(Subject::Record {
            source: source.clone(),
            id: RECORD_KEY.to_string(),
        }),
        _ => None,
    }
}

/// Warns of corrections that do nothing, and of those that contradict each other.
pub(super) fn outcomes(span: Span) -> DataTest {
    DataTest {
        kind: TestKind::AcceptedValues {
            column: "outcome".to_string(),
            values: FINE.map(String::from).to_vec(),
        },
        severity: TestSeverity::Warn,
        action: None,
        at_most: None,
        condition: None,
        span,
    }
}

/// A contract that says nothing of a table but how it is kept.
pub(super) fn draft(table: &TableName, place: &Place, materialized: Materialization) -> Draft {
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
