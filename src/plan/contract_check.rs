//! What a query yields against what its contract promises.
//!
//! A contract that lists columns is the whole truth: same names, and types that take the query's values without loss. Loss is
//! what nobody would notice: rounding. A value that does not fit (an integer too large, a decimal with too many digits before
//! the point) fails the build loudly and is allowed here.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::diagnostic::{Code, Diagnostic, SourceFile, nearest};
use crate::engine::OutputColumn;
use crate::name::TableName;
use crate::project::{Column, ColumnType, Contract};

/// The published schema of a step.
///
/// # Errors
/// Every column that is missing, surplus or of a type that does not fit.
pub(super) fn published_schema(
    table: &TableName,
    file: &Arc<SourceFile>,
    output: &[OutputColumn],
    contract: Option<&Contract>,
) -> Result<SchemaRef, Vec<Diagnostic>> {
    match contract.filter(|contract| !contract.columns.is_empty()) {
        Some(contract) => {
            let mistakes = compare(table, file, output, contract);
            if mistakes.is_empty() {
                Ok(super::schema::contract_schema(contract))
            } else {
                Err(mistakes)
            }
        }
        None => schema_of_query(file, output),
    }
}

/// Without a contract the query says the types.
///
/// # Errors
/// Every column of a type that no contract can name.
pub(super) fn schema_of_query(
    file: &Arc<SourceFile>,
    output: &[OutputColumn],
) -> Result<SchemaRef, Vec<Diagnostic>> {
    let mut fields = Vec::with_capacity(output.len());
    let mut mistakes = Vec::new();
    for column in output {
        match ColumnType::of_arrow(&column.data_type) {
            Some(published) => fields.push(Field::new(&column.name, published.arrow(), true)),
            None => mistakes.push(no_such_type(file, column)),
        }
    }
    if mistakes.is_empty() {
        Ok(Arc::new(Schema::new(fields)))
    } else {
        Err(mistakes)
    }
}

fn no_such_type(file: &Arc<SourceFile>, column: &OutputColumn) -> Diagnostic {
    let (what, help) = match &column.data_type {
        DataType::Null => ("has no type", "say which: `cast(null as varchar)`"),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => (
            "is binary, which no contract can name",
            "make it text: `encode(…, 'hex')`",
        ),
        DataType::Interval(_) | DataType::Duration(_) => (
            "is an interval, which no table can hold",
            "make it a number: `date_part('day', …)`",
        ),
        DataType::Time32(_) | DataType::Time64(_) => (
            "is a time of day, which no table can hold",
            "make it text: `cast(… as varchar)`",
        ),
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => (
            "is a decimal of a scale that no table can hold",
            "say how many digits are kept: `cast(… as decimal(18, 2))`",
        ),
        DataType::Map(..) => (
            "is a map, which no contract can name",
            "make it a list of structs: `map_entries(…)`",
        ),
        _ => (
            "is of a type that no contract can name",
            "cast it to one of `varchar boolean integer bigint double decimal(p,s) date timestamp`",
        ),
    };
    Diagnostic::error(Code(314), format!("`{}` {what}", column.name))
        .at(file, column.span)
        .help(help)
}

fn compare(
    table: &TableName,
    file: &Arc<SourceFile>,
    output: &[OutputColumn],
    contract: &Contract,
) -> Vec<Diagnostic> {
    let mut mistakes = Vec::new();
    let yielded = |name: &str| output.iter().find(|column| column.name == name);
    for promised in &contract.columns {
        match yielded(&promised.name.value) {
            None => mistakes.push(missing(table, promised, output, contract)),
            Some(column) => {
                mistakes.extend(type_mismatch(table, file, promised, column));
            }
        }
    }
    let surplus = output.iter().filter(|c| contract.column(&c.name).is_none());
    for column in surplus {
        let diagnostic = Diagnostic::error(
            Code(316),
            format!("`{table}.{}` is not in the contract", column.name),
        )
        .at(file, column.span);
        let unmet = contract.columns.iter().map(|c| c.name.value.as_str());
        let near = nearest(&column.name, unmet.filter(|name| yielded(name).is_none()));
        mistakes.push(diagnostic.help(match near {
            Some(name) => format!(
                "did you mean `{name}`? Else add it to {}",
                contract.file.path
            ),
            None => format!("add it to {}, or leave it out", contract.file.path),
        }));
    }
    mistakes
}

fn missing(
    table: &TableName,
    promised: &Column,
    output: &[OutputColumn],
    contract: &Contract,
) -> Diagnostic {
    let name = &promised.name.value;
    let surplus = output.iter().filter(|c| contract.column(&c.name).is_none());
    let near = nearest(name, surplus.map(|column| column.name.as_str()));
    Diagnostic::error(
        Code(315),
        format!("`{table}.{name}` is in the contract, and the query does not yield it"),
    )
    .at(&contract.file, promised.name.span)
    .help(match near {
        Some(other) => format!("the query yields `{other}`: rename one of them"),
        None => "add it to the query, or remove it here".to_string(),
    })
}

fn type_mismatch(
    table: &TableName,
    file: &Arc<SourceFile>,
    promised: &Column,
    column: &OutputColumn,
) -> Option<Diagnostic> {
    let wanted = &promised.data_type;
    if column.data_type == DataType::Null {
        return None;
    }
    let given = ColumnType::of_arrow(&column.data_type);
    if given.as_ref().is_some_and(|given| fits(given, wanted)) {
        return None;
    }
    let given = given.map_or("of a type that no contract can name".to_string(), |given| {
        format!("{given} by the query")
    });
    Some(
        Diagnostic::error(
            Code(317),
            format!("`{table}.{}` is {wanted} by contract, {given}", column.name),
        )
        .at(file, column.span)
        .help(format!(
            "write `cast(… as {wanted}) as {}`, or change `data_type` in the contract",
            column.name
        )),
    )
}

/// Whether every value of `given` becomes one of `wanted` unchanged, or fails loudly.
fn fits(given: &ColumnType, wanted: &ColumnType) -> bool {
    use ColumnType::{Bigint, Decimal, Double, Integer, List, Struct};
    match (given, wanted) {
        (Integer | Bigint, Integer | Bigint | Decimal { .. }) | (Integer, Double) => true,
        (Decimal { scale: from, .. }, Decimal { scale: to, .. }) => to >= from,
        (List(given), List(wanted)) => fits(given, wanted),
        (Struct(given), Struct(wanted)) => {
            given.len() == wanted.len()
                && given
                    .iter()
                    .zip(wanted)
                    .all(|((a, given), (b, wanted))| a == b && fits(given, wanted))
        }
        _ => given == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_fit_where_no_value_is_rounded() {
        let decimal = |precision, scale| ColumnType::Decimal { precision, scale };
        assert!(fits(&ColumnType::Bigint, &ColumnType::Integer));
        assert!(fits(&ColumnType::Bigint, &decimal(12, 2)));
        assert!(fits(&decimal(22, 2), &decimal(12, 2)));
        assert!(!fits(&decimal(15, 4), &decimal(12, 2)));
        assert!(!fits(&ColumnType::Double, &decimal(12, 2)));
        assert!(!fits(&ColumnType::Bigint, &ColumnType::Double));
        assert!(!fits(&ColumnType::Varchar, &ColumnType::Date));
        let list = |item| ColumnType::List(Box::new(item));
        assert!(fits(&list(ColumnType::Integer), &list(ColumnType::Bigint)));
    }
}
