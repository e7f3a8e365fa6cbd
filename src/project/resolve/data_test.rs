//! `data_tests:` → [`DataTest`]s whose columns exist and whose values are of their columns' types.

use super::super::raw::{ColumnName, Mistake, RawColumnTest, RawKeeps, RawTableTest, Sink};
use super::super::{
    ColumnType, DataTest, Limit, RowAction, Spanned, TestKind, TestSeverity, jinja,
};
use super::contract::Check;
use super::value;
use crate::diagnostic::Span;
use crate::name::TableName;

/// A test that speaks of another table; which columns it means there is settled once every contract is known.
#[derive(Debug)]
pub(super) struct Reference {
    /// Which of the contract's tests.
    pub(super) test: usize,
    pub(super) to: Spanned<TableName>,
    /// Columns of the other table, as written; may be empty.
    pub(super) fields: Vec<Spanned<ColumnName>>,
    /// Types of this table's columns, where known.
    pub(super) types: Vec<Option<ColumnType>>,
}

/// What every test may say.
struct Settings {
    severity: Option<TestSeverity>,
    at_most: Option<Limit>,
    condition: Option<String>,
    action: Option<Spanned<RowAction>>,
}

macro_rules! settings {
    ($raw:ident) => {
        Settings {
            severity: $raw.severity,
            at_most: $raw.at_most,
            condition: $raw.condition,
            action: None,
        }
    };
}

/// The same of tests that can be rules of a record.
macro_rules! rule {
    ($raw:ident) => {
        Settings {
            severity: $raw.severity,
            at_most: $raw.at_most,
            condition: $raw.condition,
            action: $raw.action,
        }
    };
}

impl Settings {
    /// The test, once what it says of an action can be meant.
    fn checked(self, check: &mut Check<'_>, kind: TestKind, span: Span) -> DataTest {
        if let Some(action) = &self.action {
            let is_test =
                self.severity.is_some() || self.at_most.is_some() || self.condition.is_some();
            let mistake = if matches!(kind, TestKind::Unique { .. }) {
                Some((
                    "`unique` compares rows: no record breaks it alone",
                    "remove `action`; `severity: warn` reports and goes on",
                ))
            } else if is_test {
                Some((
                    "a rule with an `action` is held by each record as it comes, and is no test of the table",
                    "keep `action`, or `severity`, `at_most` and `where`",
                ))
            } else {
                None
            };
            if let Some((message, help)) = mistake {
                check.report(action.span, Mistake::new(464, message).help(help));
            }
        }
        self.test(kind, span)
    }

    fn test(self, kind: TestKind, span: Span) -> DataTest {
        DataTest {
            kind,
            severity: self.severity.unwrap_or_default(),
            at_most: self.at_most,
            condition: self.condition,
            action: self.action.map(|action| action.value),
            span,
        }
    }
}

/// Adds a column's test.
pub(super) fn of_column(
    check: &mut Check<'_>,
    column: &Spanned<ColumnName>,
    test: Spanned<RawColumnTest>,
    tests: &mut Vec<DataTest>,
    references: &mut Vec<Reference>,
) {
    let span = test.span;
    let name = column.value.0.clone();
    let (settings, kind) = match test.value {
        RawColumnTest::NotNull(raw) => (rule!(raw), TestKind::NotNull { column: name }),
        RawColumnTest::Unique(raw) => {
            unique(check, std::slice::from_ref(column), span);
            (
                rule!(raw),
                TestKind::Unique {
                    columns: vec![name],
                },
            )
        }
        RawColumnTest::AcceptedValues(raw) => {
            let values = accepted(check, column, raw.values.0);
            (
                rule!(raw),
                TestKind::AcceptedValues {
                    column: name,
                    values,
                },
            )
        }
        RawColumnTest::Matches(raw) => {
            matches(check, column, span);
            let pattern = raw.pattern.0.clone();
            (
                rule!(raw),
                TestKind::Matches {
                    column: name,
                    pattern,
                },
            )
        }
        RawColumnTest::Range(raw) => {
            let (min, max) = range(check, column, raw.min, raw.max, span);
            (
                rule!(raw),
                TestKind::Range {
                    column: name,
                    min,
                    max,
                },
            )
        }
        RawColumnTest::Relationships(raw) => {
            references.push(Reference {
                test: tests.len(),
                to: raw.to.clone(),
                fields: raw.field.into_iter().collect(),
                types: vec![check.column(column)],
            });
            let kind = TestKind::Relationships {
                columns: vec![name],
                to: raw.to.value,
                fields: Vec::new(),
            };
            (settings!(raw), kind)
        }
    };
    let test = settings.checked(check, kind, span);
    tests.push(test);
}

/// Adds a table's test; `not_null` of several columns becomes one test a column.
pub(super) fn of_table(
    check: &mut Check<'_>,
    test: Spanned<RawTableTest>,
    tests: &mut Vec<DataTest>,
    references: &mut Vec<Reference>,
) {
    let span = test.span;
    let (settings, kind) = match test.value {
        RawTableTest::NotNull(raw) => {
            for column in &raw.columns.0 {
                check.column(column);
                let settings = Settings {
                    severity: raw.severity,
                    at_most: raw.at_most,
                    condition: raw.condition.clone(),
                    action: raw.action.clone(),
                };
                let column = column.value.0.clone();
                let test = settings.checked(check, TestKind::NotNull { column }, span);
                tests.push(test);
            }
            return;
        }
        RawTableTest::Unique(raw) => {
            unique(check, &raw.columns.0, span);
            let columns = raw
                .columns
                .0
                .iter()
                .map(|column| column.value.0.clone())
                .collect();
            (rule!(raw), TestKind::Unique { columns })
        }
        RawTableTest::AcceptedValues(raw) => {
            let values = accepted(check, &raw.column, raw.values.0);
            let column = raw.column.value.0;
            (rule!(raw), TestKind::AcceptedValues { column, values })
        }
        RawTableTest::Matches(raw) => {
            matches(check, &raw.column, raw.column.span);
            let kind = TestKind::Matches {
                column: raw.column.value.0,
                pattern: raw.pattern.0,
            };
            (rule!(raw), kind)
        }
        RawTableTest::Range(raw) => {
            let (min, max) = range(check, &raw.column, raw.min, raw.max, span);
            let column = raw.column.value.0;
            (rule!(raw), TestKind::Range { column, min, max })
        }
        RawTableTest::Relationships(raw) => {
            references.push(Reference {
                test: tests.len(),
                to: raw.to.clone(),
                fields: raw.fields.0,
                types: raw
                    .columns
                    .0
                    .iter()
                    .map(|column| check.column(column))
                    .collect(),
            });
            let kind = TestKind::Relationships {
                columns: raw
                    .columns
                    .0
                    .into_iter()
                    .map(|column| column.value.0)
                    .collect(),
                to: raw.to.value,
                fields: Vec::new(),
            };
            (settings!(raw), kind)
        }
        RawTableTest::RowCount(raw) => {
            let (min, max) = (raw.min, raw.max);
            row_count(check, min, max, raw.change.is_some(), span);
            let change = raw.change.and_then(|change| change.0);
            let settings = Settings {
                severity: raw.severity,
                at_most: None,
                condition: None,
                action: None,
            };
            (settings, TestKind::RowCount { min, max, change })
        }
        RawTableTest::Keeps(raw) => {
            let kind = keeps(check, &raw, tests.len(), span, references);
            (settings!(raw), kind)
        }
        RawTableTest::Sql(raw) => {
            let query = raw.0.query;
            let mut sink = Sink::new(check.file);
            jinja::refuse(&query.value, query.span, &mut sink);
            check.adopt(sink.found);
            let settings = Settings {
                severity: raw.0.severity,
                at_most: raw.0.at_most,
                condition: None,
                action: None,
            };
            let kind = TestKind::Sql {
                query: query.value,
                query_span: query.span,
            };
            (settings, kind)
        }
    };
    let test = settings.checked(check, kind, span);
    tests.push(test);
}

fn unique(check: &mut Check<'_>, columns: &[Spanned<ColumnName>], span: Span) {
    for column in columns {
        if let Some(data_type @ (ColumnType::List(_) | ColumnType::Struct(_))) =
            check.column(column)
        {
            misfit(check, "unique", column, &data_type, span);
        }
    }
}

fn matches(check: &mut Check<'_>, column: &Spanned<ColumnName>, span: Span) {
    match check.column(column) {
        None | Some(ColumnType::Varchar) => {}
        Some(data_type) => misfit(check, "matches", column, &data_type, span),
    }
}

fn misfit(
    check: &mut Check<'_>,
    test: &str,
    column: &Spanned<ColumnName>,
    data_type: &ColumnType,
    span: Span,
) {
    let help = match test {
        "matches" => "`matches` looks at text: use `range` or `accepted_values`",
        "range" => "`range` needs values with an order: numbers, dates, times, text",
        _ => "test what is in it with `sql`",
    };
    let mistake = Mistake::new(
        127,
        format!(
            "`{test}` does not fit `{}`, which is `{data_type}`",
            column.value.0
        ),
    );
    check.report(span, mistake.help(help));
}

fn accepted(
    check: &mut Check<'_>,
    column: &Spanned<ColumnName>,
    values: Vec<Spanned<String>>,
) -> Vec<String> {
    if let Some(data_type) = check.column(column) {
        for value in &values {
            fits(check, value, column, &data_type);
        }
    }
    values.into_iter().map(|value| value.value).collect()
}

fn fits(
    check: &mut Check<'_>,
    value: &Spanned<String>,
    column: &Spanned<ColumnName>,
    data_type: &ColumnType,
) -> bool {
    let Err(expected) = value::check(&value.value, data_type) else {
        return true;
    };
    let mistake = Mistake::new(
        128,
        format!(
            "`{}` is not a value of `{}`, which is `{data_type}`",
            value.value, column.value.0
        ),
    );
    check.report(value.span, mistake.help(format!("expected {expected}")));
    false
}

fn range(
    check: &mut Check<'_>,
    column: &Spanned<ColumnName>,
    min: Option<Spanned<String>>,
    max: Option<Spanned<String>>,
    span: Span,
) -> (Option<String>, Option<String>) {
    if min.is_none() && max.is_none() {
        let mistake = Mistake::new(106, "`range` needs `min` or `max`");
        check.report(span, mistake.help("for example `range: {min: 0}`"));
    }
    match check.column(column) {
        None => {}
        Some(data_type @ (ColumnType::List(_) | ColumnType::Struct(_) | ColumnType::Boolean)) => {
            misfit(check, "range", column, &data_type, span);
        }
        Some(data_type) => {
            let mut whole = true;
            for bound in [&min, &max].into_iter().flatten() {
                whole &= fits(check, bound, column, &data_type);
            }
            if let (true, Some(low), Some(high)) = (whole, &min, &max)
                && value::compare(&low.value, &high.value, &data_type)
                    .is_some_and(std::cmp::Ordering::is_gt)
            {
                let mistake = Mistake::new(127, "`max` lies below `min`: no value can pass");
                check.report(high.span, mistake);
            }
        }
    }
    (min.map(|bound| bound.value), max.map(|bound| bound.value))
}

/// Another table must have the columns, of kinds that compare; that is settled once every contract is known.
fn keeps(
    check: &mut Check<'_>,
    raw: &RawKeeps,
    test: usize,
    span: Span,
    references: &mut Vec<Reference>,
) -> TestKind {
    let columns = match raw.columns.0.as_slice() {
        [] => check.key().to_vec(),
        columns => columns.to_vec(),
    };
    if columns.is_empty() {
        let mistake = Mistake::new(106, "`keeps` needs `columns`, since the table has no `key`");
        check.report(
            span,
            mistake.help("name the columns that hold the key in both tables"),
        );
    }
    unique(check, &columns, span);
    if raw.keys_of.value != *check.table() && !columns.is_empty() {
        references.push(Reference {
            test,
            to: raw.keys_of.clone(),
            types: columns.iter().map(|column| check.column(column)).collect(),
            fields: columns.clone(),
        });
    }
    TestKind::Keeps {
        columns: columns.into_iter().map(|column| column.value.0).collect(),
        keys_of: raw.keys_of.value.clone(),
    }
}

fn row_count(
    check: &mut Check<'_>,
    min: Option<u64>,
    max: Option<u64>,
    has_change: bool,
    span: Span,
) {
    if min.is_none() && max.is_none() && !has_change {
        let mistake = Mistake::new(106, "`row_count` needs `min`, `max` or `change`");
        check.report(span, mistake.help("for example `row_count: {min: 1}`"));
    }
    if let (Some(min), Some(max)) = (min, max)
        && max < min
    {
        check.report(
            span,
            Mistake::new(127, "`max` lies below `min`: no table can pass"),
        );
    }
}
