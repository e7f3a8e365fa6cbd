//! What a contract promises, test by test.

use super::sql;
use crate::diagnostic::Place;
use crate::engine;
use crate::project::{Contract, DataTest, Limit, Load, RowChange, TestKind, TestSeverity};

/// One promise of a contract, ready to be counted.
#[derive(Clone, Debug)]
pub(crate) struct PlannedTest {
    /// What is promised.
    pub(crate) kind: TestKind,
    /// As people write it: `not_null(email)`, `unique(customer_id)`.
    pub(crate) name: String,
    pub(crate) check: Check,
    pub(crate) severity: TestSeverity,
    pub(crate) at_most: Option<Limit>,
    /// Where the contract says it.
    pub(crate) declared_at: Place,
}

/// How failures are counted.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Check {
    /// Rows where this condition is true fail; counted while writing.
    Row { failing: String },
    /// The key occurs once; counted by adjacency while writing, or by this query, whose rows are the failures.
    Key { failures: String },
    /// A query whose rows are the failures.
    Query { failures: String },
    /// A query whose rows are keys that are missing; it may name the table's published version.
    Keys { failures: String },
    /// The number of rows lies within the bounds.
    RowCount {
        min: Option<u64>,
        max: Option<u64>,
        change: Option<RowChange>,
    },
}

impl PlannedTest {
    /// A query that shows the rows that failed, for `kilde query`.
    pub(crate) fn rows_sql(&self, table: &crate::name::TableName) -> String {
        match &self.check {
            Check::Row { failing } => format!("select * from {table} where {failing}"),
            Check::Key { failures } | Check::Query { failures } | Check::Keys { failures } => {
                failures.clone()
            }
            Check::RowCount { .. } => format!("select count(*) from {table}"),
        }
    }
}

/// Every test of a contract: its key first, then the declared ones in their order.
///
/// `load` is given for sources. There, row tests of severity `error` are rules of the record, which `ingest` enforces by
/// rejecting: they are not tested again. The key of an `append` source names the record and is not tested.
/// `bound`: the text of each SQL test with its placeholders replaced, in the order of the contract's tests.
pub(crate) fn planned_tests(
    contract: &Contract,
    load: Option<Load>,
    bound: &[Option<&str>],
) -> Vec<PlannedTest> {
    let mut tests = Vec::new();
    if let (Some(first), false) = (contract.key.first(), load == Some(Load::Append)) {
        let last = contract.key.last().unwrap_or(first);
        let declared_at = Place {
            file: contract.file.clone(),
            span: crate::diagnostic::Span {
                start: first.span.start,
                end: last.span.end,
            },
        };
        let key: Vec<String> = contract
            .key_names()
            .into_iter()
            .map(str::to_string)
            .collect();
        let of_key = |kind: TestKind, check: Check| PlannedTest {
            name: kind.to_string(),
            kind,
            check,
            severity: TestSeverity::Error,
            at_most: None,
            declared_at: declared_at.clone(),
        };
        for column in &key {
            let failing = sql::null_sql(column);
            let column = column.clone();
            tests.push(of_key(TestKind::NotNull { column }, Check::Row { failing }));
        }
        let failures = sql::duplicates_sql(&contract.table, &key, None);
        let kind = TestKind::Unique { columns: key };
        tests.push(of_key(kind, Check::Key { failures }));
    }
    for (position, test) in contract.tests.iter().enumerate() {
        if load.is_none() || !test.is_row_rule() {
            let bound = bound.get(position).copied().flatten();
            tests.push(planned(contract, test, bound));
        }
    }
    tests
}

fn planned(contract: &Contract, test: &DataTest, bound: Option<&str>) -> PlannedTest {
    let table = &contract.table;
    let condition = test.condition.as_deref().map(engine::readable_sql);
    let condition = condition.as_deref();
    let data_type = |column: &str| {
        contract
            .column(column)
            .map(|column| column.data_type.clone())
    };
    let row = |failing: String| Check::Row {
        failing: match condition {
            Some(condition) => format!("({condition}) and ({failing})"),
            None => failing,
        },
    };
    let check = match &test.kind {
        TestKind::NotNull { column } => row(sql::null_sql(column)),
        TestKind::AcceptedValues { column, values } => row(sql::not_among_sql(
            column,
            values,
            data_type(column).as_ref(),
        )),
        TestKind::Matches { column, pattern } => row(sql::mismatch_sql(column, pattern)),
        TestKind::Range { column, min, max } => row(sql::outside_sql(
            column,
            min.as_deref(),
            max.as_deref(),
            data_type(column).as_ref(),
        )),
        TestKind::Unique { columns } => Check::Query {
            failures: sql::duplicates_sql(table, columns, condition),
        },
        TestKind::Relationships {
            columns,
            to,
            fields,
        } => Check::Query {
            failures: sql::orphans_sql(table, columns, to, fields, condition),
        },
        TestKind::RowCount { min, max, change } => Check::RowCount {
            min: *min,
            max: *max,
            change: *change,
        },
        TestKind::Keeps { columns, keys_of } => Check::Keys {
            failures: sql::missing_keys_sql(table, columns, keys_of, condition),
        },
        TestKind::Sql { query, .. } => Check::Query {
            failures: bound.unwrap_or(query).trim_end_matches(';').to_string(),
        },
    };
    PlannedTest {
        name: test.kind.to_string(),
        kind: test.kind.clone(),
        check,
        severity: test.severity,
        at_most: test.at_most,
        declared_at: Place {
            file: contract.file.clone(),
            span: test.span,
        },
    }
}
